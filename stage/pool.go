package stage

import (
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/controller"
)

// A pool is a number of workers that run attempts. Its size can be changed:
// when it grows, workers are started as soon as there are attempts for them;
// when it shrinks, workers finish what they hold and then leave.
//
// Attempts wait in a ring that one goroutine fills and the workers empty. A
// channel would do, but wakes a worker for each attempt, which for short work
// costs more than the work. Here, as in the scheduler of the Go runtime, at
// most one worker is being woken at a time, and wakes the next one if there is
// more to do: slow attempts spread over all workers, quick ones stay with a few.
type pool struct {
	run   func(j *Job, started time.Duration) (ended time.Duration)
	abort func(*Job) // ends an attempt that run did not return from
	now   func() time.Duration
	done  func(*Job) // takes back a job whose attempt has ended
	gone  func()     // called when the last worker has left

	size    atomic.Int64 // workers that there may be
	alive   atomic.Int64 // workers that there are
	workers conc.WaitGroup

	room    int                   // of the ring
	ring    []atomic.Pointer[Job] // its length is a power of two; nil: nothing was put yet
	_       [64]byte              // keep the two ends apart, and from the rest
	head    atomic.Uint64         // taken by workers
	_       [56]byte
	tail    atomic.Uint64 // published by the dispatcher
	filled  uint64        // put by the dispatcher, ahead of tail
	cleared uint64        // as of filled, when the pool was last left
	_       [40]byte
	eager   atomic.Bool   // attempts are handed over ahead
	halted  atomic.Bool   // the dispatcher is to take back what workers have not taken
	idle    atomic.Int64  // workers that wait for wake, or are about to
	waking  atomic.Bool   // a worker is on its way to look for attempts
	wake    chan struct{} // has room for one a worker
}

// newPool returns a pool of up to so many workers, none of them started, that
// can take so many attempts.
func newPool(workers, attempts int) *pool {
	size := 1
	for size < attempts {
		size *= 2
	}
	return &pool{wake: make(chan struct{}, workers), room: size}
}

// resize makes the pool one of up to n workers. Only the dispatcher calls it.
func (p *pool) resize(n int) {
	if p.size.Load() == int64(n) {
		return
	}
	p.size.Store(int64(n))
	for surplus := p.alive.Load() - int64(n); surplus > 0; surplus-- {
		p.send()
	}
}

// addWorker starts a worker if there may be one more.
func (p *pool) addWorker() bool {
	for {
		n := p.alive.Load()
		if n >= p.size.Load() {
			return false
		}
		if p.alive.CompareAndSwap(n, n+1) {
			p.workers.Go(p.work)
			return true
		}
	}
}

// dismiss reports whether the calling worker has to leave, because there are
// more than there may be.
func (p *pool) dismiss() bool {
	for {
		n := p.alive.Load()
		if n <= p.size.Load() {
			return false
		}
		if p.alive.CompareAndSwap(n, n-1) {
			return true
		}
	}
}

// send wakes an idle worker. If there is no room for the message, there are
// enough of them to wake everyone.
func (p *pool) send() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// left reports whether all workers have left, and passes on a panic of theirs.
// Only the dispatcher calls it.
func (p *pool) left() bool {
	if p.alive.Load() > 0 {
		return false
	}
	p.workers.Wait()
	p.forget()
	return true
}

// forget clears the ring, which would keep jobs that are done with alive.
func (p *pool) forget() {
	size := uint64(len(p.ring))
	for i := p.filled - min(p.filled-p.cleared, size); i < p.filled; i++ {
		p.ring[i&(size-1)].Store(nil)
	}
	p.cleared = p.filled
}

// put adds an attempt to those that publish will hand over. At most as many
// may be in the pool as it was made for.
func (p *pool) put(j *Job) {
	if p.ring == nil {
		p.ring = make([]atomic.Pointer[Job], p.room)
	}
	p.ring[p.filled&uint64(len(p.ring)-1)].Store(j)
	p.filled++
}

// publish hands over what was put.
func (p *pool) publish() {
	if p.filled != p.tail.Load() {
		p.tail.Store(p.filled)
		p.wakeWorker()
	}
}

// wakeWorker gets a worker to look for attempts, unless one is on its way. If all
// are busy, the first one that is done will look.
func (p *pool) wakeWorker() {
	if p.waking.Load() || !p.waking.CompareAndSwap(false, true) {
		return
	}
	switch {
	case p.idle.Load() > 0:
		p.send()
	case !p.addWorker():
		p.waking.Store(false)
	}
}

// recall takes back, in their order, the attempts that no worker has taken. Only
// the dispatcher calls it, after publish.
func (p *pool) recall() (back queue) {
	p.halted.Store(true)
	for j, _ := p.pop(); j != nil; j, _ = p.pop() {
		back.push(j)
	}
	p.eager.Store(false)
	p.halted.Store(false)
	return back
}

// take takes the oldest attempt out of the ring, nil if there is none for a
// worker, and says whether there are more.
func (p *pool) take() (j *Job, more bool) {
	if p.halted.Load() {
		return nil, false
	}
	return p.popUnless(p.surplus)
}

// surplus reports whether there are more workers than there may be.
func (p *pool) surplus() bool { return p.alive.Load() > p.size.Load() }

func (p *pool) pop() (j *Job, more bool) { return p.popUnless(func() bool { return false }) }

// popUnless takes the oldest attempt out of the ring unless it is not to. That is asked after
// looking at what is there: the pool may have been made smaller before that was handed over.
func (p *pool) popUnless(not func() bool) (j *Job, more bool) {
	for {
		head, tail := p.head.Load(), p.tail.Load()
		if head == tail || not() {
			return nil, false
		}
		j := p.ring[head&uint64(len(p.ring)-1)].Load()
		if p.head.CompareAndSwap(head, head+1) {
			return j, head+1 < tail
		}
	}
}

// waiting returns how many attempts no worker has taken yet.
func (p *pool) waiting() int { return int(p.filled - p.head.Load()) }

// empty reports whether there is nothing for a worker to take.
func (p *pool) empty() bool { return p.halted.Load() || p.head.Load() == p.tail.Load() }

// work is a worker's life. An attempt that follows another at once starts when
// that one ended, which saves asking for the time.
func (p *pool) work() {
	var current *Job
	defer func() {
		if current != nil { // the work ended this goroutine, not the worker
			p.replace(current)
		}
	}()
	p.waking.Store(false)
	now := p.now()
	for {
		if p.leave() {
			return
		}
		j, more := p.take()
		if j == nil {
			if j, more = p.rest(); j == nil {
				return
			}
			now = p.now()
		}
		if more {
			p.wakeWorker()
		}
		current = j
		now = p.run(j, now)
		current = nil
		if j.verdict != controller.Succeeded && p.eager.Load() {
			p.halted.Store(true) // who handed over ahead has to think again
		}
		p.done(j)
	}
}

// leave reports whether the worker is to leave, and says so if it is the last.
func (p *pool) leave() bool {
	if !p.dismiss() {
		return false
	}
	if p.alive.Load() == 0 {
		p.gone()
	}
	return true
}

// rest waits for an attempt, or returns nil if the worker is to leave.
func (p *pool) rest() (j *Job, more bool) {
	for {
		p.idle.Add(1)
		if p.empty() && !p.surplus() { // or else nobody may know of us
			<-p.wake
		}
		p.idle.Add(-1)
		p.waking.Store(false) // in this order, or a wake that nobody waits for would leave it set
		if p.leave() {
			return nil, false
		}
		if j, more = p.take(); j != nil {
			return j, more
		}
	}
}

// replace takes the place of a worker whose goroutine the work has ended.
func (p *pool) replace(j *Job) {
	p.abort(j)
	p.workers.Go(p.work)
	p.done(j)
}
