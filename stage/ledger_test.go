package stage

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/controller"
)

// TestWhoWaitsForTheCommonsStandsInAQueue compares the ledger with a queue and a
// sum: nobody overtakes, and who is next is called whenever it may be its turn.
func TestWhoWaitsForTheCommonsStandsInAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most = 10
		c := NewCommons([]controller.Budget{
			{Tokens: most, Window: time.Hour},
			{Tokens: most / 2, Window: time.Hour, Requests: true},
		})
		type reservation struct {
			costs    []int64
			reserved []controller.Reservation
		}
		all := []*Dispatcher{patient(), patient(), patient()}
		var queue []*Dispatcher
		var under []reservation
		used := make([]int64, 2)
		now := opening

		someone := func(t *rapid.T) *Dispatcher { return rapid.SampledFrom(all).Draw(t, "who") }
		leave := func(t *rapid.T, d *Dispatcher) {
			i := slices.Index(queue, d)
			if i < 0 {
				return
			}
			queue = slices.Delete(queue, i, i+1)
			if len(queue) > 0 && !wasCalled(queue[0]) {
				t.Fatal("who is next is not called")
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				for _, d := range all {
					wasCalled(d) // as they have heard it
				}
				c.with(now, func(l *ledger, now time.Time) {
					if !slices.Equal(l.queue, queue) {
						t.Fatalf("%d in the queue, want %d, or others", len(l.queue), len(queue))
					}
					for i, w := range l.windows {
						if w.Used(now) != used[i] || used[i] > w.Tokens {
							t.Fatalf("budget %d: %d used, want %d", i, w.Used(now), used[i])
						}
					}
				})
			},
			"reserve": func(t *rapid.T) {
				d := someone(t)
				costs := []int64{rapid.Int64Range(0, most).Draw(t, "tokens"), rapid.Int64Range(0, 2).Draw(t, "requests")}
				fits := [2]bool{used[0]+costs[0] <= most, used[1]+costs[1] <= most/2}
				r := reservation{costs, make([]controller.Reservation, 2)}
				_, ok, wait, budget := c.reserve(now, d, costs, controller.Use{}, r.reserved)
				first := len(queue) == 0 || queue[0] == d
				if want := fits == [2]bool{true, true} && first; ok != want {
					t.Fatalf("reserved: %v, fits %v, %d in the queue", ok, fits, len(queue))
				}
				if first && (wait == 0) != (fits == [2]bool{true, true}) || first && wait > 0 && fits[budget] {
					t.Fatalf("waits for %v, budget %d, fits %v", wait, budget, fits)
				}
				if !ok {
					if !slices.Contains(queue, d) {
						queue = append(queue, d)
					}
					return
				}
				used[0] += costs[0]
				used[1] += costs[1]
				under = append(under, r)
				leave(t, d)
			},
			"withdraw": func(t *rapid.T) {
				d := someone(t)
				c.withdraw(d)
				leave(t, d)
			},
			"settle": func(t *rapid.T) {
				if len(under) == 0 {
					t.Skip()
				}
				r := under[0]
				under = under[1:]
				u := use{tokens: rapid.Int64Range(0, r.costs[0]).Draw(t, "used"), requests: r.costs[1]}
				c.settle(now, r.reserved, u)
				used[0] -= r.costs[0] - u.tokens
				if len(queue) > 0 && !wasCalled(queue[0]) {
					t.Fatal("tokens have come back, and nobody is called")
				}
			},
		})
	})
}

// Each dispatcher looks at the time by itself, so that one may come with an
// earlier one than another did; the windows are told times that never go back.
func TestLedgersTimeNeverGoesBack(t *testing.T) {
	c := NewCommons([]controller.Budget{{Tokens: 1, Window: minute}})
	for _, step := range []struct{ at, want time.Duration }{{5, 5}, {3, 5}, {6, 6}} {
		c.with(opening.Add(step.at), func(_ *ledger, now time.Time) {
			if got := now.Sub(opening); got != step.want {
				t.Errorf("at %v it is told %v, want %v", step.at, got, step.want)
			}
		})
	}
}

func TestHintForTheCommonsCallsWhoIsNext(t *testing.T) {
	shared := controller.Budget{Name: "shared", Tokens: 10, Window: time.Hour}
	g := newGate(sharing(NewCommons([]controller.Budget{shared})))
	pass(t, g, opening, asks(10), 0)
	waits := patient()
	if h, wait, _ := g.check(opening, waits, asks(1), 0); h != byCommons || wait != time.Hour {
		t.Fatalf("held by %v for %v", h, wait)
	}
	g.hint(opening, controller.Hint{Budget: "shared", Remaining: 0, Reset: 2 * time.Hour}, marks{})
	if !wasCalled(waits) {
		t.Error("it has another time to wait, and is not told")
	}
	if _, wait, _ := g.check(opening, waits, asks(1), 0); wait != 2*time.Hour {
		t.Errorf("waits for %v", wait)
	}
}

// Expensive jobs behind one throttle are not passed by for ever by cheap ones behind
// another.
func TestDearJobGetsItsTurnAtTheCommons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		commons := NewCommons([]controller.Budget{{Name: "shared", Tokens: 10, Window: 10 * second}})
		dear, cheap := newStand(t, 1, sharing(commons)), newStand(t, 1, sharing(commons))
		crowd := cheap.open(t.Context())
		for range 12 { // each second one, as long as there is room
			crowd.sendJobs(&Job{Work: cheap.work("cheap", second), Ask: Ask{Cost: 2, Weight: 1}})
		}
		time.Sleep(8 * second)
		cheap.started("cheap 0s", "cheap 1s", "cheap 2s", "cheap 3s", "cheap 4s")
		if err := dear.Do(asking(t.Context(), Ask{Cost: 10, Weight: 1}), dear.work("dear", 0)); err != nil {
			t.Error(err)
		}
		cheap.started("cheap 10s") // which stood in the queue before
		dear.started("dear 20s")   // when all has come back
		crowd.leave(12)
		dear.heard("8s budget_exhausted wait=6s budget=shared", "20s budget_restored budget=shared")
	})
}

// Who waits in the queue and has nothing to send any more lets the others pass.
func TestWhoGivesUpLeavesTheQueueOfTheCommons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		commons := NewCommons([]controller.Budget{{Tokens: 10, Window: minute}})
		one, other := newStand(t, 1, sharing(commons)), newStand(t, 1, sharing(commons))
		if err := one.Do(asking(t.Context(), Ask{Cost: 8, Weight: 1}), one.work("first", 0)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := contextFor(t, 10*second)
		defer cancel()
		go func() {
			if err := one.Do(asking(ctx, Ask{Cost: 10, Weight: 1}), one.work("dear", 0)); err == nil {
				t.Error("there was room for it")
			}
		}()
		synctest.Wait()
		if err := other.Do(asking(t.Context(), Ask{Cost: 1, Weight: 1}), other.work("cheap", 0)); err != nil {
			t.Error(err)
		}
		one.started("first 0s")
		other.started("cheap 10s")
	})
}

// Who stands behind others waits for them, however little it wants itself.
func TestWhoStandsBehindIsToldForHowLongThoseBeforeWait(t *testing.T) {
	c := NewCommons([]controller.Budget{{Tokens: 10, Window: minute}, {Tokens: 10, Window: time.Hour}})
	reserve := func(d *Dispatcher, now time.Time, short, long int64) (bool, time.Duration, int) {
		_, ok, wait, budget := c.reserve(now, d, []int64{short, long}, controller.Use{}, make([]controller.Reservation, 2))
		return ok, wait, budget
	}
	first, second := patient(), patient()
	reserve(first, opening, 10, 10)
	if ok, wait, budget := reserve(first, opening, 1, 0); ok || wait != minute || budget != 0 {
		t.Errorf("the first: %v, %v, budget %d", ok, wait, budget)
	}
	later := opening.Add(10 * time.Second)
	if ok, wait, budget := reserve(second, later, 0, 0); ok || wait != 50*time.Second || budget != 0 {
		t.Errorf("the second, for nothing: %v, %v, budget %d", ok, wait, budget)
	}
	if ok, wait, budget := reserve(second, later, 0, 1); ok || wait != time.Hour-10*time.Second || budget != 1 {
		t.Errorf("the second, for what takes longer: %v, %v, budget %d", ok, wait, budget)
	}
	c.withdraw(first)
	if ok, _, _ := reserve(second, later, 0, 0); !wasCalled(second) || !ok {
		t.Error("it is not its turn when the first has left")
	}
}
