package stage

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallAloneIsItsOwnDispatcher: it has its answer without anybody else.
func TestCallAloneIsItsOwnDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newIdle(1)
		c := d.newCall(t.Context(), WorkFunc(succeed))
		if got := c.answer.is.Load(); got != admitted || d.awake.Load() {
			t.Errorf("got the answer %d, want %d; somebody is the dispatcher: %v", got, admitted, d.awake.Load())
		}
		c.admitted()
		c.attempt()
		if err := d.Do(t.Context(), WorkFunc(succeed)); err != nil {
			t.Error(err)
		}
	})
}

// TestOthersGoOnWhenTheCallerWhoIsTheDispatcherEnds: their messages wait in the mailbox that it has
// taken the right to read.
func TestOthersGoOnWhenTheCallerWhoIsTheDispatcherEnds(t *testing.T) {
	for how, end := range map[string]func(){
		"panic":  func() { panic("a fault") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newIdle(1)
				others := make(chan error, 2)
				go func() {
					defer func() { _ = recover() }()
					d.do(func() {
						for range cap(others) {
							go func() { others <- d.Do(t.Context(), WorkFunc(succeed)) }()
						}
						synctest.Wait() // until they wait for this one
						end()
					})
				}()
				for range cap(others) {
					if err := <-others; err != nil {
						t.Error(err)
					}
				}
				if s := d.Snapshot(); s.Completed != 2 || s.InFlight != 0 {
					t.Errorf("got %+v, want two that are done", s)
				}
			})
		})
	}
}

// TestCallerServesOthersForAWhileOnly: they keep coming, and it has something else to do.
func TestCallerServesOthersForAWhileOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newIdle(1)
		left, all := make(chan struct{}), make(chan struct{})
		n := 0
		var again func()
		again = func() {
			switch n++; {
			case n == mostRounds+1:
				<-left // it deadlocks here if the caller still is the dispatcher
				fallthrough
			case n < 100:
				d.request(again)
			default:
				close(all)
			}
		}
		d.do(again)
		close(left)
		<-all
	})
}

// TestEndThatIsLeftHoldsNobodyUp: that of a quick success may wait for the next message, or for a
// millisecond, but not if somebody waits for its slot.
func TestEndThatIsLeftHoldsNobodyUp(t *testing.T) {
	const tenth = time.Millisecond / 10
	for _, test := range []struct {
		name  string
		comes time.Duration // the second call, after the first has started
		want  time.Duration // its start
		left  bool          // the end of the first, when that returns
	}{
		{"it waits already", 2 * tenth, 5 * tenth, false},
		{"it comes later", 6 * tenth, 6 * tenth, true},
		{"it never comes", time.Hour, time.Hour, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newIdle(1)
				d.Do(t.Context(), WorkFunc(succeed)) // from now on reports can wait
				synctest.Wait()
				begin := time.Now()
				var started time.Duration
				var all sync.WaitGroup
				all.Go(func() {
					time.Sleep(test.comes)
					d.Do(t.Context(), WorkFunc(func(context.Context) error { started = time.Since(begin); return nil }))
				})
				d.Do(t.Context(), WorkFunc(func(context.Context) error { time.Sleep(5 * tenth); return nil }))
				if left := !d.mailbox.empty(); left != test.left {
					t.Errorf("the end of the first waits: %v, want %v", left, test.left)
				}
				time.Sleep(reportGap)
				synctest.Wait()
				if !d.mailbox.empty() && test.comes > reportGap {
					t.Error("a millisecond later it still waits")
				}
				all.Wait()
				if started != test.want {
					t.Errorf("the second started after %v, want %v", started, test.want)
				}
				if s := d.Snapshot(); s.Completed != 3 || s.InFlight != 0 {
					t.Errorf("got %+v, want three that are done", s)
				}
			})
		})
	}
}

// TestCallsThatAreUsedAgainAreKeptApart: each gets what came of its own work, also where contexts end
// at any moment.
func TestCallsThatAreUsedAgainAreKeptApart(t *testing.T) {
	const callers, each = 8, rounds / 20
	d := newIdle(3)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(caller), 1))
			for i := range each {
				own := errors.New("own")
				ctx, cancel := context.WithCancel(t.Context())
				if chance.IntN(4) == 0 {
					go cancel()
				}
				ran := 0
				err := d.Do(ctx, WorkFunc(func(context.Context) error {
					ran++
					runtime.Gosched()
					return Fatal(own)
				}))
				switch {
				case ran == 1 && errors.Is(err, own):
				case ran == 0 && errors.Is(err, context.Canceled):
				default:
					t.Errorf("call %d of %d: ran %d times, %v", i, caller, ran, err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if s := d.Snapshot(); s.InFlight != 0 || s.Waiting != 0 {
		t.Errorf("got %d in flight and %d that wait, want none", s.InFlight, s.Waiting)
	}
}

// TestCallAloneAllocatesNothing: what it needs is used again.
func TestCallAloneAllocatesNothing(t *testing.T) {
	if underRace {
		return // the pool of calls drops some at random
	}
	d := newIdle(1)
	work := WorkFunc(succeed)
	if got := testing.AllocsPerRun(5_000, func() { _ = d.Do(context.Background(), work) }); got != 0 {
		t.Errorf("got %v allocations for a call, want 0", got)
	}
}

// TestTimeThatWasReadIsOfOneRound: the message may have been read by another one, and the next round
// is at another time.
func TestTimeThatWasReadIsOfOneRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newIdle(1)
		d.seize()
		d.read = d.attempts.now() + 1
		d.combine() // there is nothing to do
		time.Sleep(time.Minute)
		d.do(func() {})
		if d.now != time.Now() {
			t.Errorf("a minute later it takes %v for now", d.now)
		}
	})
}
