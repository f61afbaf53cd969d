package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/controller"
)

// names returns what has started since the last call, without the times.
func (s *stand) names() (names []string) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.starts {
		var name, at string
		fmt.Sscan(line, &name, &at)
		names = append(names, name)
	}
	s.starts = nil
	return names
}

func TestDoorsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		a, b, c := s.open(t.Context()), s.open(t.Context()), s.open(t.Context())
		s.Hint(controller.Hint{RetryAfter: second}, marks{}) // until all are there
		a.send(s.work("a1", second), s.work("a2", second), s.work("a3", second), s.work("a4", second))
		b.send(s.work("b1", second))
		c.send(s.work("c1", second), s.work("c2", second))
		a.leave(4)
		b.leave(1)
		c.leave(2)
		got, want := s.names(), []string{"a1", "b1", "c1", "a2", "c2", "a3", "a4"}
		slices.Sort(got[:3]) // in any order
		slices.Sort(got[3:5])
		if !slices.Equal(got, want) {
			t.Errorf("started %v, want %v", got, want)
		}
	})
}

// All calls together take turns with the doors, and come first in, first out.
func TestCallsStandInOneQueueThatTakesTurnsWithTheDoors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		v := s.open(t.Context())
		s.Hint(controller.Hint{RetryAfter: second}, marks{})
		v.send(s.work("a1", second), s.work("a2", second), s.work("a3", second))
		synctest.Wait()
		for _, name := range []string{"x", "y", "z"} {
			go func() {
				if err := s.Do(t.Context(), s.work(name, second)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}()
			synctest.Wait()
		}
		v.leave(3)
		time.Sleep(minute)
		if got, want := s.names(), []string{"a1", "x", "a2", "y", "a3", "z"}; !slices.Equal(got, want) {
			t.Errorf("started %v, want %v", got, want)
		}
	})
}

// TestTurnsAreFair compares what starts each second with doors that are asked
// one after another, each for the first of its jobs.
func TestTurnsAreFair(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 3).Draw(rt, "limit")
		jobs := rapid.SliceOfN(rapid.IntRange(1, 5), 2, 4).Draw(rt, "jobs") // of each door
		var got, want []string
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, limit)
			s.Hint(controller.Hint{RetryAfter: second}, marks{}) // until all are there
			all := 0
			var visitors []*visitor
			for door, n := range jobs {
				v := s.open(t.Context())
				visitors = append(visitors, v)
				for k := range n {
					v.send(s.work(fmt.Sprint(door, ".", k), second))
				}
				all += n
			}
			turn, next := 0, make([]int, len(jobs))
			for i := 0; i < all; turn++ {
				if door := turn % len(jobs); next[door] < jobs[door] {
					want = append(want, fmt.Sprint(door, ".", next[door], " ", time.Duration(1+i/limit)*second))
					next[door]++
					i++
				}
			}
			for i, v := range visitors {
				v.await(jobs[i])
			}
			for i, v := range visitors {
				v.leave(jobs[i])
			}
			got = s.starts
		})
		slices.Sort(got) // of those that start at once, any may be the first
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("started %v\n   want %v", got, want)
		}
	})
}

// A retry that is due comes before new jobs, and after a door's jobs no more
// than any other.
func TestRetriesThatAreDueComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: 3 * second, MaxDelay: 3 * second, Park: true}))
		v := s.open(t.Context())
		v.send(s.work("a", 0, io.EOF), s.work("b", 2*second), s.work("c", 2*second), s.work("d", 2*second))
		v.leave(4)
		s.started("a 0s", "b 0s", "c 2s", "a 4s", "d 4s")
		s.heard("0s retry wait=3s attempt=0 error=EOF")
	})
}

// A job that backs off with its slot holds up others, and one that is parked
// does not.
func TestSlotIsHeldWhileBackingOffUnlessParked(t *testing.T) {
	for park, want := range map[bool][]string{
		false: {"a 0s", "a 10s", "b 11s"},
		true:  {"a 0s", "b 0s", "a 10s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: 10 * second, Park: park}))
			v := s.open(t.Context())
			v.send(func(ctx context.Context) error {
				if SlotFrom(ctx).Attempt() == 0 {
					return s.work("a", 0, io.EOF)(ctx)
				}
				return s.work("a", second)(ctx)
			}, s.work("b", second))
			synctest.Wait()
			if snap := s.Snapshot(); snap.InFlight == 1 != park || snap.InFlight+snap.Waiting != 2 {
				t.Errorf("park %v: %d in flight, %d wait", park, snap.InFlight, snap.Waiting)
			}
			v.leave(2)
			s.started(want...)
		})
	}
}

func TestCallsRetryTooAndHoldTheirSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: 10 * second, MaxDelay: 10 * second}))
		go func() {
			if err := s.Do(t.Context(), s.work("second", 0)); err != nil {
				t.Error(err)
			}
		}()
		var exhausted *RetriesExhaustedError
		err := s.Do(t.Context(), s.work("first", second, io.EOF, io.EOF, io.EOF))
		if !errors.As(err, &exhausted) || exhausted.Attempts != 3 || !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		got := s.names()
		first := slices.DeleteFunc(slices.Clone(got), func(name string) bool { return name == "second" })
		if len(first) != 3 || len(got) != 4 || got[1] == "second" || got[2] == "second" {
			t.Errorf("started %v, want no other in between", got)
		}
	})
}

// The owner of a door that has room is woken when there is room again, and no
// more jobs are wanted than can start at once.
func TestDoorHasRoomForWhatMayStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 3)
		v := s.open(t.Context())
		room := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := v.Room(); got != want {
				t.Errorf("at %v: room for %d, want %d", s.since(), got, want)
			}
		}
		room(3)
		v.send(s.work("job", second))
		room(3) // it has started, and waits no more
		v.send(s.work("job", 2*second), s.work("job", second), s.work("job", second), s.work("job", second))
		room(1) // two wait
		v.send(s.work("job", second))
		room(0)
		if v.Sleep(false) {
			v.Awake()
		} else {
			t.Error("does not sleep, though nothing has come back")
		}
		if !v.Sleep(true) {
			t.Error("does not sleep, though there is no room")
		}
		<-v.Wake()
		if s.since() != second {
			t.Errorf("woken at %v", s.since())
		}
		room(2) // two have started, one waits
		if v.Sleep(true) {
			t.Error("sleeps, though there is room")
		}
		v.leave(6)
		s.started("job 0s", "job 0s", "job 0s", "job 1s", "job 1s", "job 2s")
	})
}

// Room may come without a job that comes back: a parked job leaves its slot to
// the one that waits.
func TestHungryOwnerIsWokenForRoomAlone(t *testing.T) {
	for hungry, want := range map[bool]time.Duration{true: second, false: minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1, retryingBy(controller.Retry{BaseDelay: time.Hour, MaxDelay: time.Hour, Park: true}))
			v := s.open(t.Context())
			v.send(s.work("parked", second, io.EOF), s.work("next", minute-second))
			synctest.Wait()
			if !v.Sleep(hungry) {
				t.Fatal("does not sleep")
			}
			<-v.Wake()
			if s.since() != want {
				t.Errorf("hungry %v: woken at %v, want %v", hungry, s.since(), want)
			}
			v.leave(2)
		})
	}
}

func TestOneJobIsWantedWhileTheGateIsShut(t *testing.T) {
	use := func(s *stand, cost int64, err error) {
		_ = s.Do(asking(s.t.Context(), Ask{Cost: cost, Weight: 1}), WorkFunc(func(context.Context) error { return err }))
	}
	for _, test := range []struct {
		name   string
		change func(*Config)
		before func(*stand)
		want   int // besides a job that waits
	}{
		{"nothing", func(*Config) {}, func(s *stand) {}, 8},
		{"circuit", breakingBy(controller.Breaker{Failures: 1}), func(s *stand) { use(s, 0, io.EOF) }, 0},
		{"budget", budgeted(controller.Budget{Tokens: 10, Window: minute}), func(s *stand) { use(s, 10, nil) }, 0},
		{"rate", rated(1, 1), func(s *stand) { use(s, 0, nil) }, 0},
		{"server", func(*Config) {}, func(s *stand) { s.Hint(controller.Hint{RetryAfter: minute}, marks{}) }, 0},
		{"pace", paced(second), func(s *stand) { use(s, 0, nil) }, 0},
		{"quick pace", paced(200 * time.Microsecond), func(s *stand) { use(s, 0, nil) }, 5}, // what a millisecond needs
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStand(t, 8, test.change)
				v := s.open(t.Context())
				synctest.Wait()
				test.before(s)
				v.sendJobs(&Job{Work: s.work("job", 0), Ask: Ask{Cost: 5, Weight: 1}})
				synctest.Wait()
				if got := v.Room(); got != test.want {
					t.Errorf("room for %d, want %d", got, test.want)
				}
				v.leave(1)
			})
		})
	}
}

// No more than a batch is wanted, however high the limit.
func TestRoomIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 10*batch)
		v := s.open(t.Context())
		synctest.Wait()
		if got := v.Room(); got != batch {
			t.Errorf("room for %d, want %d", got, batch)
		}
		v.leave(0)
	})
}

// A job that nothing has room for comes back with the reason, also while all
// slots are taken, and others are not held up by it.
func TestRefusedJobComesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, budgeted(controller.Budget{Name: "b", Tokens: 10, Window: minute}))
		v := s.open(t.Context())
		v.send(s.work("slow", minute))
		synctest.Wait()
		dear := &Job{Work: s.work("dear", 0), Ask: Ask{Cost: 11, Weight: 1}}
		spoilt := &Job{Work: s.work("spoilt", 0), Ask: Ordinary, Err: errService}
		v.sendJobs(dear)
		v.sendJobs(spoilt)
		v.await(2)
		if err := new(CostError); s.since() != 0 || !errors.As(dear.Err, &err) || spoilt.Err != errService {
			t.Errorf("after %v: %v, %v", s.since(), dear.Err, spoilt.Err)
		}
		if err := s.Do(asking(t.Context(), dear.Ask), dear.Work); err == nil {
			t.Error("a call passes")
		}
		if got := v.Room(); got != 1 {
			t.Errorf("they take room for ever: %d left", got)
		}
		v.leave(3)
		if snap := s.Snapshot(); snap.Failed != 3 || snap.Completed != 1 {
			t.Errorf("%+v", snap)
		}
		s.started("slow 0s")
	})
}

// The limit counts calls and slots with the doors' attempts.
func TestLimitIsOfAllTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2)
		slot, err := s.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = s.Do(t.Context(), s.work("call", second)) }()
		synctest.Wait()
		v := s.open(t.Context())
		v.send(s.work("job", second), s.work("job", second))
		time.Sleep(500 * time.Millisecond)
		if snap := s.Snapshot(); snap.InFlight != 2 || snap.Waiting != 2 {
			t.Errorf("%d in flight, %d wait", snap.InFlight, snap.Waiting)
		}
		time.Sleep(second) // the call has ended
		slot.Release(nil)
		v.leave(2)
		s.started("call 0s", "job 1s", "job 1.5s")
	})
}

// An owner may be awake before it has taken the value that woke it. The next one
// must not be waited for.
func TestWakeThatNobodyTookHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		v := s.open(t.Context())
		for i := range 3 {
			v.send(s.work("job", second))
			if !v.Sleep(false) {
				t.Fatal("there is something to do before")
			}
			time.Sleep(minute)
			v.collect()
			v.Awake()
			if len(v.jobs) != i+1 {
				t.Fatalf("%d jobs are back", len(v.jobs))
			}
		}
		v.leave(3)
	})
}

// Wake is for an owner that sleeps. One that has found something to do before it
// slept is not woken for what comes while it is at work.
func TestOwnerIsWokenOnlyWhenItSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		v := s.open(t.Context())
		v.send(s.work("job", 0))
		synctest.Wait()
		if v.Sleep(false) {
			t.Fatal("sleeps, though a job is back")
		}
		v.send(s.work("job", 0))
		synctest.Wait()
		select {
		case <-v.Wake():
			t.Error("woken, though it does not sleep")
		default:
		}
		v.leave(2)
	})
}
