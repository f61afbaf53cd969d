package stage

import (
	"container/heap"
	"time"
)

// retries are jobs that wait for another attempt. Those that hold a slot are kept
// apart from those that need one: when there is none, only they can go on.
//
// Those whose refusals are their own are set aside until there is nothing else to do.
type retries struct {
	holding, parked, aside retryHeap // the one that is due first in front
}

func (r *retries) of(j *Job) *retryHeap {
	switch {
	case j.aside:
		return &r.aside
	case j.holding:
		return &r.holding
	}
	return &r.parked
}

func (r *retries) len() int { return len(r.holding) + len(r.parked) + len(r.aside) }

func (r *retries) add(j *Job) { heap.Push(r.of(j), j) }

// due returns the job that is due first, if it is due now, of all if there is a
// slot, else of those that hold one, but for those that are barred; nil if there is none.
func (r *retries) due(now time.Time, slot bool, passed *bars) *Job {
	first := r.holding.first(passed)
	if j := r.parked.first(passed); slot && j != nil && (first == nil || j.due.Before(first.due)) {
		first = j
	}
	if first == nil || first.due.After(now) {
		return nil
	}
	return first
}

// spare returns the job, of those that are due now, that has failed least often: it can spare an attempt; nil
// if none is due.
func (r *retries) spare(now time.Time, passed *bars) (best *Job) {
	for _, h := range []retryHeap{r.holding, r.parked} {
		for _, j := range h {
			if !j.due.After(now) && !passed.bar(j) && (best == nil || j.failures < best.failures || j.failures == best.failures && j.due.Before(best.due)) {
				best = j
			}
		}
	}
	return best
}

// drop removes a job, wherever it stands.
func (r *retries) drop(j *Job) { heap.Remove(r.of(j), j.place-1) }

// remove removes and returns the jobs that are unwanted.
func (r *retries) remove(unwanted func(*Job) bool) []*Job {
	removed := append(r.holding.remove(unwanted), r.parked.remove(unwanted)...)
	return append(removed, r.aside.remove(unwanted)...)
}

func (h *retryHeap) remove(unwanted func(*Job) bool) (removed []*Job) {
	kept := (*h)[:0]
	for _, j := range *h {
		if unwanted(j) {
			j.place = 0
			removed = append(removed, j)
		} else {
			kept = append(kept, j)
			j.place = len(kept)
		}
	}
	clear((*h)[len(kept):])
	*h = kept
	heap.Init(h)
	return removed
}

type retryHeap []*Job

// first returns the job that is due first of those that are not barred. Others are looked at
// only if it is. As long as jobs are barred, no more of their kind are tried, so they are few.
func (h retryHeap) first(passed *bars) (first *Job) {
	if len(h) == 0 || !passed.bar(h[0]) {
		return h.head()
	}
	for _, j := range h {
		if (first == nil || j.due.Before(first.due)) && !passed.bar(j) {
			first = j
		}
	}
	return first
}

func (h retryHeap) head() *Job {
	if len(h) == 0 {
		return nil
	}
	return h[0]
}

func (h retryHeap) Len() int           { return len(h) }
func (h retryHeap) Less(i, k int) bool { return h[i].due.Before(h[k].due) }

func (h retryHeap) Swap(i, k int) {
	h[i], h[k] = h[k], h[i]
	h[i].place, h[k].place = i+1, k+1
}

func (h *retryHeap) Push(j any) {
	*h = append(*h, j.(*Job))
	j.(*Job).place = len(*h)
}

func (h *retryHeap) Pop() any {
	last := len(*h) - 1
	j := (*h)[last]
	j.place = 0
	(*h)[last] = nil
	*h = (*h)[:last]
	return j
}
