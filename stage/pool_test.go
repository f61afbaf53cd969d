package stage

import (
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A crew is a pool whose attempts do as they are told. It has to be made and
// used in a bubble: a wake-up that gets lost leaves everybody there waiting,
// which ends the test.
type crew struct {
	*pool
	back chan *Job     // attempts that have ended
	gone chan struct{} // has a value if workers may have left

	mu      sync.Mutex
	running int
	most    int // at once, ever
	ran     []*Job
}

// newCrew returns a pool of up to so many workers, which calls do for each
// attempt.
func newCrew(workers, attempts int, do func(*Job)) *crew {
	c := &crew{pool: newPool(workers, attempts), back: make(chan *Job, attempts), gone: make(chan struct{}, 1)}
	c.now = func() time.Duration { return 0 }
	c.done = func(j *Job) { c.back <- j }
	c.abort = func(*Job) {}
	c.run = func(j *Job, started time.Duration) time.Duration {
		c.enter(j)
		defer c.exit()
		do(j)
		return started
	}
	c.pool.gone = func() {
		select {
		case c.gone <- struct{}{}:
		default:
		}
	}
	return c
}

func (c *crew) enter(j *Job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running++
	c.most = max(c.most, c.running)
	c.ran = append(c.ran, j)
}

func (c *crew) exit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running--
}

// atOnce returns how many attempts are running once nothing moves any more.
func (c *crew) atOnce() int {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// putAll hands over attempts.
func (c *crew) putAll(jobs ...*Job) {
	for _, j := range jobs {
		c.put(j)
	}
	c.publish()
}

// await takes back so many attempts.
func (c *crew) await(n int) {
	for range n {
		<-c.back
	}
}

// dissolve sends the workers home and returns when they are.
func (c *crew) dissolve() {
	c.resize(0)
	for !c.left() {
		<-c.gone
	}
}

// good returns n jobs that will succeed.
func good(n int) []*Job {
	jobs := make([]*Job, n)
	for i := range jobs {
		jobs[i] = &Job{verdict: controller.Succeeded}
	}
	return jobs
}

func TestPoolRunsEachAttemptOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 16
		c := newCrew(4, room, func(*Job) {})
		all := good(100 * room)
		inside := 0
		for i, j := range all {
			if inside == room {
				c.await(1)
				inside--
			}
			c.resize(1 + i/7%4)
			c.putAll(j)
			inside++
		}
		c.await(inside)
		c.dissolve()
		times := make(map[*Job]int)
		for _, j := range c.ran {
			times[j]++
		}
		for i, j := range all {
			if times[j] != 1 {
				t.Errorf("attempt %d was run %d times", i, times[j])
			}
		}
		if c.most > 4 || len(c.ran) != len(all) {
			t.Errorf("%d attempts run of %d, %d at once", len(c.ran), len(all), c.most)
		}
	})
}

func TestPoolUsesAllItsWorkersAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		c := newCrew(8, 64, func(*Job) { <-end })
		c.resize(3)
		c.putAll(good(20)...)
		if n := c.atOnce(); n != 3 {
			t.Errorf("%d attempts at once, want 3", n)
		}
		c.resize(8)
		c.putAll(good(1)...)
		if n := c.atOnce(); n != 8 {
			t.Errorf("grown: %d attempts at once, want 8", n)
		}
		c.resize(2)
		if n := c.atOnce(); n != 8 {
			t.Errorf("shrunk: %d attempts at once, want the 8 that had begun", n)
		}
		for left := 7; left > 0; left-- {
			end <- struct{}{}
			if n := c.atOnce(); n != max(left, 2) {
				t.Errorf("shrunk: %d attempts at once, want %d", n, max(left, 2))
			}
		}
		close(end)
		c.await(21)
		c.dissolve()
	})
}

func TestPoolLetsIdleWorkersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		c := newCrew(8, 64, func(*Job) { <-end })
		c.resize(8)
		c.putAll(good(8)...)
		synctest.Wait()
		close(end)
		c.await(8)
		synctest.Wait()
		if n := c.alive.Load(); n != 8 || c.idle.Load() != 8 {
			t.Errorf("%d workers, %d idle, want 8", n, c.idle.Load())
		}
		c.resize(5)
		synctest.Wait()
		if n := c.alive.Load(); n != 5 || c.idle.Load() != 5 {
			t.Errorf("%d workers, %d idle, want 5", n, c.idle.Load())
		}
		if c.left() {
			t.Error("said to be left by all")
		}
		c.dissolve()
		c.dissolve()
		if !c.left() {
			t.Error("said not to be left by all")
		}
	})
}

// TestPoolLosesNoWakeUp hands over two attempts that wait for each other, at
// ever other moments of a worker that is on its way to rest.
func TestPoolLosesNoWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		meet := make(chan struct{})
		first, second, other := &Job{Ask: Ask{Cost: 1}}, &Job{Ask: Ask{Cost: 2}}, &Job{}
		c := newCrew(2, 4, func(j *Job) {
			switch j.Cost {
			case 1:
				meet <- struct{}{}
			case 2:
				<-meet
			}
		})
		for i := range rounds {
			c.resize(2)
			c.putAll(other)
			c.await(1) // a worker is on its way to rest, or asleep
			dawdle(i % 97)
			c.putAll(first)
			dawdle(i / 97 % 97)
			c.putAll(second)
			c.await(2)
			if i%8 == 0 {
				c.dissolve()
			}
			c.ran = c.ran[:0]
		}
		c.dissolve()
	})
}

// dawdle lets a moment pass.
func dawdle(n int) {
	var p pool
	for range n {
		p.head.Load()
	}
}

// A worker that was about to wait, and was sent a wake-up, has found an attempt
// without it: that must not look as if somebody were still on the way.
func TestPoolForgetsAWakeUpThatNobodyWaitsFor(t *testing.T) {
	p := newPool(2, 4)
	p.size.Store(2)
	p.alive.Store(1)
	j := &Job{}
	p.put(j)
	p.tail.Store(p.filled)
	p.waking.Store(true)
	p.send()
	if got, more := p.rest(); got != j || more {
		t.Errorf("took %p, more %v, want %p", got, more, j)
	}
	if p.waking.Load() {
		t.Error("nobody will be woken any more")
	}
}

func TestPoolRecallsInOrderWhatNoWorkerHasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		c := newCrew(2, 64, func(*Job) { <-end })
		jobs := good(40)
		c.resize(2)
		c.eager.Store(true)
		c.putAll(jobs...)
		synctest.Wait()
		if n := c.waiting(); n != 38 {
			t.Errorf("%d attempts wait, want 38", n)
		}
		var back []*Job
		for q := c.recall(); q.first != nil; {
			back = append(back, q.pop())
		}
		if !slices.Equal(back, jobs[2:]) {
			t.Errorf("%d attempts came back, want the last 38 in order", len(back))
		}
		if c.waiting() != 0 || c.halted.Load() || c.eager.Load() {
			t.Errorf("after it %d attempts wait, halted %v, eager %v", c.waiting(), c.halted.Load(), c.eager.Load())
		}
		close(end)
		c.await(2)
		c.putAll(back...) // which is nothing special
		c.await(38)
		c.dissolve()
		if !slices.Equal(c.ran[:2], jobs[:2]) || len(c.ran) != 40 {
			t.Errorf("%d attempts were run, want 40", len(c.ran))
		}
	})
}

func TestWorkersTakeNothingAfterAFailureUntilTheRecall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end, fail := make(chan struct{}), make(chan struct{})
		c := newCrew(3, 64, func(j *Job) {
			if j.verdict == controller.Failed {
				<-fail
			} else {
				<-end
			}
		})
		jobs := good(30)
		jobs[0].verdict = controller.Failed
		c.resize(3)
		c.eager.Store(true)
		c.putAll(jobs...)
		synctest.Wait()
		close(fail)
		synctest.Wait()
		close(end)
		if n := c.atOnce(); n != 0 || !c.halted.Load() || len(c.ran) != 3 {
			t.Errorf("halted %v, %d attempts run, want the 3 that had begun", c.halted.Load(), len(c.ran))
		}
		c.wakeWorker() // does not help
		if n := c.atOnce(); n != 0 {
			t.Errorf("%d attempts were taken while halted", n)
		}
		back := c.recall()
		if back.first != jobs[3] || back.last != jobs[len(jobs)-1] {
			t.Error("something else came back than what was not taken")
		}
		c.putAll(good(1)...) // and work goes on
		c.await(4)
		c.dissolve()
	})
}

// TestPoolLosesNothingInRecalls lets attempts fail now and then, and takes back
// what waits whenever one has.
func TestPoolLosesNothingInRecalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(3, 32, func(*Job) {})
		all := good(rounds / 4)
		for i := range all {
			if i%11 == 0 {
				all[i].verdict = controller.Failed
			}
		}
		c.resize(3)
		var rest queue
		for _, j := range all {
			rest.push(j)
		}
		inside, ended := 0, 0
		for ended < len(all) {
			c.eager.Store(true)
			for ; inside < 24 && rest.first != nil; inside++ {
				c.put(rest.pop())
			}
			c.publish()
			j := <-c.back
			inside--
			ended++
			if j.verdict == controller.Succeeded {
				continue
			}
			back := c.recall()
			for k := back.first; k != nil; k = k.next {
				inside--
			}
			rest.putFirst(&back)
		}
		c.dissolve()
		ran := make(map[*Job]bool)
		for _, j := range c.ran {
			ran[j] = true
		}
		if len(ran) != len(all) || len(c.ran) != len(all) || c.most > 3 {
			t.Errorf("%d attempts of %d, run %d times, %d at once", len(ran), len(all), len(c.ran), c.most)
		}
	})
}

func TestPoolThatIsLeftHoldsNoJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(2, 8, func(*Job) {})
		for _, n := range []int{1, 8, 3, 8, 8, 2} {
			c.resize(2)
			c.putAll(good(n)...)
			if n == 3 {
				back := c.recall()
				for back.first != nil {
					back.pop()
					n--
				}
			}
			c.await(n)
			c.dissolve()
			for i := range c.ring {
				if c.ring[i].Load() != nil {
					t.Errorf("after %d attempts one is kept in slot %d", n, i)
				}
			}
		}
	})
}

// Making the pool smaller, again and again, does not wait for workers that
// are busy, and all of them leave.
func TestPoolIsMadeSmallerWithoutWaitingForItsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		c := newCrew(3, 4, func(*Job) { <-end })
		c.resize(3)
		c.putAll(good(3)...)
		synctest.Wait()
		for range 3 {
			c.resize(0)
			c.resize(3)
		}
		close(end)
		c.await(3)
		c.dissolve()
	})
}

// A worker that has found out that it may stay, and then looks for an attempt, must not take one
// that was handed over after the pool had been made smaller in between: that would be one more
// at once than is allowed.
func TestPoolGivesNothingToAWorkerTooMany(t *testing.T) {
	p := newPool(8, 8)
	p.alive.Store(2)
	p.size.Store(1)
	p.put(good(1)[0])
	p.publish()
	if j, _ := p.take(); j != nil {
		t.Error("one of two workers got an attempt, in a pool of one")
	}
	p.alive.Store(1)
	if j, _ := p.take(); j == nil {
		t.Error("the only worker got nothing")
	}
}
