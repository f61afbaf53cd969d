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

	size    int          // workers that are to stay
	leaving atomic.Int64 // workers that are to go
	alive   atomic.Int64
	workers conc.WaitGroup

	ring   []atomic.Pointer[Job] // its length is a power of two
	_      [64]byte              // keep the two ends apart, and from the rest
	head   atomic.Uint64         // taken by workers
	_      [56]byte
	tail   atomic.Uint64 // published by the dispatcher
	filled uint64        // put by the dispatcher, ahead of tail
	_      [48]byte
	idle   atomic.Int64  // workers that wait for wake, or are about to
	waking atomic.Bool   // a worker was sent a wake and has not looked yet
	wake   chan struct{} // has room for one a worker
}

// newPool returns a pool without workers that can take up to most attempts.
func newPool(most int) *pool {
	size := 1
	for size < most {
		size *= 2
	}
	return &pool{
		wake: make(chan struct{}, most),
		ring: make([]atomic.Pointer[Job], size),
	}
}

// resize makes the pool one of n workers.
func (p *pool) resize(n int) {
	for ; p.size < n; p.size++ {
		if p.leave() {
			continue // one that was to go may stay
		}
		p.alive.Add(1)
		p.workers.Go(p.work)
	}
	for ; p.size > n; p.size-- {
		p.leaving.Add(1)
		p.send()
	}
}

// leave takes one of the places among those that are to go, if there is any.
func (p *pool) leave() bool {
	for {
		n := p.leaving.Load()
		if n == 0 {
			return false
		}
		if p.leaving.CompareAndSwap(n, n-1) {
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
func (p *pool) left() bool {
	if p.alive.Load() > 0 {
		return false
	}
	p.workers.Wait()
	return true
}

// put adds an attempt to those that publish will hand over. At most as many
// may be in the pool as it was made for.
func (p *pool) put(j *Job) {
	p.ring[p.filled&uint64(len(p.ring)-1)].Store(j)
	p.filled++
}

// publish hands over what was put.
func (p *pool) publish() {
	if p.filled != p.tail.Load() {
		p.tail.Store(p.filled)
		p.rouse()
	}
}

// rouse wakes a worker if one is idle and none is being woken.
func (p *pool) rouse() {
	if p.idle.Load() > 0 && p.waking.CompareAndSwap(false, true) {
		p.send()
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

// waiting returns how many attempts no worker has taken yet.
func (p *pool) waiting() int { return int(p.filled - p.head.Load()) }

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
	now := p.now()
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
		if p.leave() {
			return
		}
	}
}

// rest waits for an attempt, or returns nil if the worker is to leave.
func (p *pool) rest() (j *Job, more bool) {
	for {
		p.idle.Add(1)
		if p.empty() && p.leaving.Load() == 0 { // or else nobody may know of us
			<-p.wake
			p.waking.Store(false)
		}
		p.idle.Add(-1)
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
	p.end(j, false)
	p.workers.Go(p.work)
	p.done(j)
}
