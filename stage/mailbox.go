package stage

import "sync/atomic"

// A mailbox is a stack of jobs that many push to and one takes, all at once.
// A push is one compare-and-swap and neither blocks nor allocates. (Treiber,
// Systems Programming: Coping with Parallelism, 1986; since the taker takes
// all, the reuse of a job cannot mislead it.)
type mailbox struct {
	newest atomic.Pointer[Job]
}

// push puts a batch, which must not be empty, into the mailbox.
func (m *mailbox) push(b Batch) {
	for {
		newest := m.newest.Load()
		b.oldest.next = newest
		if m.newest.CompareAndSwap(newest, b.newest) {
			return
		}
	}
}

// takeAll empties the mailbox and returns its jobs, the oldest first.
func (m *mailbox) takeAll() List {
	if m.newest.Load() == nil {
		return List{}
	}
	j := m.newest.Swap(nil)
	var oldest *Job
	for j != nil {
		j.next, oldest, j = oldest, j, j.next
	}
	return List{oldest}
}

func (m *mailbox) empty() bool { return m.newest.Load() == nil }
