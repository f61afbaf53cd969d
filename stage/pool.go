package stage

import (
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"
)

// A pool is a number of workers that run attempts. Its size can be changed:
// growing starts workers at once, shrinking lets workers finish what they hold
// and then leave.
//
// Attempts wait in a ring that one goroutine fills and the workers empty. A
// channel would do, but wakes a worker for each attempt, which for short work
// costs more than the work. Here, as in the scheduler of the Go runtime, at
// most one worker is being woken at a time, and wakes the next one if there is
// more to do: slow attempts spread over all workers, quick ones stay with a few.
//
// The methods but work belong to the dispatcher.
type pool struct {
	run  func(j *Job, started time.Duration) (ended time.Duration)
	now  func() time.Duration
	end  func(j *Job, timedOut bool) // judges an attempt that run did not return from
	done func(*Job)                  // takes back a job whose attempt has ended
	gone func()                      // called when the last worker has left

	size    int           // workers that are to stay
	leaving chan struct{} // one for each worker that is to go
	alive   atomic.Int64
	workers conc.WaitGroup

	ring   []atomic.Pointer[Job] // its length is a power of two
	_      [64]byte              // keep the two ends apart, and from the rest
	head   atomic.Uint64         // taken by workers
	_      [56]byte
	tail   atomic.Uint64 // put by the dispatcher
	_      [56]byte
	idle   atomic.Int64 // workers that wait for wake, or are about to
	waking atomic.Bool  // a worker was sent a wake and has not looked yet
	wake   chan struct{}
}

// newPool returns a pool without workers that can take up to most attempts.
func newPool(most int) *pool {
	size := 1
	for size < most {
		size *= 2
	}
	return &pool{
		leaving: make(chan struct{}, most),
		wake:    make(chan struct{}, 1),
		ring:    make([]atomic.Pointer[Job], size),
	}
}

// resize makes the pool one of n workers.
func (p *pool) resize(n int) {
	for ; p.size < n; p.size++ {
		select {
		case <-p.leaving: // one that was to go may stay
		default:
			p.alive.Add(1)
			p.workers.Go(p.work)
		}
	}
	for ; p.size > n; p.size-- {
		p.leaving <- struct{}{}
	}
}

// left reports whether all workers have left, and passes on a panic of theirs.
func (p *pool) left() bool {
	if p.alive.Load() > 0 {
		return false
	}
	p.workers.Wait()
	return true
}

// put hands an attempt over. At most as many may be in the pool as it was made
// for.
func (p *pool) put(j *Job) {
	tail := p.tail.Load()
	p.ring[tail&uint64(len(p.ring)-1)].Store(j)
	p.tail.Store(tail + 1)
}

// rouse wakes a worker if one is idle and none is being woken.
func (p *pool) rouse() {
	if p.idle.Load() > 0 && p.waking.CompareAndSwap(false, true) {
		p.wake <- struct{}{} // waking guards the one place
	}
}

// take takes the oldest attempt out of the ring, nil if there is none, and
// says whether there are more.
func (p *pool) take() (j *Job, more bool) {
	for {
		head, tail := p.head.Load(), p.tail.Load()
		if head == tail {
			return nil, false
		}
		j := p.ring[head&uint64(len(p.ring)-1)].Load()
		if p.head.CompareAndSwap(head, head+1) {
			return j, head+1 < tail
		}
	}
}

func (p *pool) empty() bool { return p.head.Load() == p.tail.Load() }

// work is a worker's life. An attempt that follows another at once starts when
// that one ended, which saves asking for the time.
func (p *pool) work() {
	var current *Job
	defer func() {
		if current != nil { // the work ended this goroutine, not the worker
			p.replace(current)
			return
		}
		if p.alive.Add(-1) == 0 {
			p.gone()
		}
	}()
	var now time.Duration
	for {
		j, more := p.take()
		if j == nil {
			if j, more = p.rest(); j == nil {
				return
			}
			now = p.now()
		}
		if more {
			p.rouse()
		}
		current = j
		now = p.run(j, now)
		current = nil
		p.done(j)
		select {
		case <-p.leaving:
			return
		default:
		}
	}
}

// rest waits for an attempt, or returns nil if the worker is to leave.
func (p *pool) rest() (j *Job, more bool) {
	for {
		p.idle.Add(1)
		if p.empty() { // or else it was filled before anybody could know of us
			select {
			case <-p.wake:
				p.waking.Store(false)
			case <-p.leaving:
				p.idle.Add(-1)
				return nil, false
			}
		}
		p.idle.Add(-1)
		if j, more = p.take(); j != nil {
			return j, more
		}
	}
}

// replace takes the place of a worker whose goroutine the work has ended.
func (p *pool) replace(j *Job) {
	p.end(j, false)
	p.workers.Go(p.work)
	p.done(j)
}
