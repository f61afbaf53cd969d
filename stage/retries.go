package stage

import "container/heap"

// retries are jobs that wait for another attempt, the one that is due first in
// front.
type retries struct {
	heap retryHeap
}

func (r *retries) add(j *Job) { heap.Push(&r.heap, j) }

// first returns the job that is due first, nil if there is none.
func (r *retries) first() *Job {
	if len(r.heap) == 0 {
		return nil
	}
	return r.heap[0]
}

// takeFirst removes the job that is due first.
func (r *retries) takeFirst() { heap.Pop(&r.heap) }

// remove removes and returns the jobs that are unwanted.
func (r *retries) remove(unwanted func(*Job) bool) (removed []*Job) {
	kept := r.heap[:0]
	for _, j := range r.heap {
		if unwanted(j) {
			removed = append(removed, j)
		} else {
			kept = append(kept, j)
		}
	}
	clear(r.heap[len(kept):])
	r.heap = kept
	heap.Init(&r.heap)
	return removed
}

type retryHeap []*Job

func (h retryHeap) Len() int           { return len(h) }
func (h retryHeap) Less(i, k int) bool { return h[i].due.Before(h[k].due) }
func (h retryHeap) Swap(i, k int)      { h[i], h[k] = h[k], h[i] }
func (h *retryHeap) Push(j any)        { *h = append(*h, j.(*Job)) }

func (h *retryHeap) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return j
}
