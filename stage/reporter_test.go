package stage

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// newTestReporter returns a reporter whose controller has nobody to tell.
func newTestReporter(cfg controller.Config) (*reporter, *atomic.Int64) {
	nudges := new(atomic.Int64)
	if cfg.Policy == nil {
		cfg.Policy = controller.Static{}
	}
	if cfg.Bounds == (controller.Bounds{}) {
		cfg.Bounds = controller.Bounds{InitialLimit: 3, MaxLimit: 3}
	}
	return newReporter(controller.New(cfg, opening), cfg, func() { nudges.Add(1) }), nudges
}

func ends(n int, v controller.Verdict, final bool) []controller.End {
	all := make([]controller.End, n)
	for i := range all {
		all[i] = controller.End{Verdict: v, Final: final}
	}
	return all
}

// Nothing is sent to the controller without need, and what matters at once.
func TestReportIsSentWhenItIsWorthIt(t *testing.T) {
	listens := controller.Config{OnEvent: func(controller.Event) {}}
	for _, test := range []struct {
		name   string
		cfg    controller.Config
		ends   []controller.End
		events int
		asked  bool
		update bool
		done   int64 // jobs
		more   bool  // to come within no time
		due    bool  // if the controller is ready
		awaits bool  // its answer, if it is not
	}{
		{name: "nothing"},
		{name: "a success", ends: ends(1, succeeded, true), due: true, awaits: true},
		{name: "a success, and more to come", ends: ends(1, succeeded, true), more: true},
		{name: "many successes, and more to come", ends: ends(batch, succeeded, true), more: true, due: true},
		{name: "a backlog", ends: ends(backlog, succeeded, true), more: true, due: true, awaits: true},
		{name: "a refusal", ends: ends(1, overload, false), more: true, due: true, awaits: true},
		{name: "a job that failed", ends: ends(1, failed, true), more: true, due: true, awaits: true},
		{name: "a failure that is tried again", ends: ends(1, failed, false), more: true},
		{name: "something that tells nothing", ends: ends(1, ignored, true), more: true},
		{name: "a job that ended without an attempt", done: 1, due: true, awaits: true},
		{name: "an event", cfg: listens, events: 1, more: true, due: true, awaits: true},
		{name: "an event that nobody wants to hear", events: 1},
		{name: "a question", asked: true, more: true, due: true, awaits: true},
		{name: "an update", update: true, more: true, due: true, awaits: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, nudges := newTestReporter(test.cfg)
			for _, e := range test.ends {
				r.end(e)
			}
			for range test.events {
				r.note(opening, controller.Event{})
			}
			if test.asked {
				r.ask(make(chan controller.Snapshot, 1))
			}
			if test.update {
				r.update(opening, test.cfg)
			}
			if got := r.due(opening, test.done, test.more, true); got != test.due || r.awaited.Load() {
				t.Errorf("due: got %v, want %v; awaits an answer: %v", got, test.due, r.awaited.Load())
			}
			busy := r.spare
			r.spare = nil
			if r.due(opening, test.done, test.more, true) {
				t.Error("due, though the controller is busy")
			}
			if got := r.awaited.Load(); got != test.awaits {
				t.Errorf("awaits an answer: got %v, want %v", got, test.awaits)
			}
			if nudges.Load() != 0 {
				t.Error("the dispatcher is woken, though there is no answer")
			}
			// An answer that came just before must not be missed.
			r.answered.Store(busy)
			r.due(opening, test.done, test.more, true)
			if (nudges.Load() > 0) != test.awaits {
				t.Errorf("woken %d times, awaits: %v", nudges.Load(), test.awaits)
			}
		})
	}
}

// What is in force may be too much from a sign of overload on, until the
// controller has judged it.
func TestNothingStartsBeforeASignOfOverloadIsJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newTestReporter(controller.Config{})
		answer := func() {
			synctest.Wait()
			if _, ok := r.take(); !ok {
				t.Error("no answer")
			}
		}
		expect := func(when string, want bool) {
			t.Helper()
			if got := r.pending(); got != want {
				t.Errorf("%s: pending %v", when, got)
			}
		}
		expect("at first", false)
		r.end(controller.End{Verdict: succeeded, Final: true})
		expect("after a success", false)
		r.send(opening, 0, controller.Status{}, true)
		expect("while successes are judged", false)
		r.end(controller.End{Verdict: overload})
		expect("after a refusal", true)
		answer()
		expect("after the answer to what was before", true)
		r.send(opening, 0, controller.Status{}, true)
		expect("while it is judged", true)
		answer()
		expect("when it is judged", false)

		r.update(opening, controller.Config{Policy: controller.Static{}, Bounds: controller.Bounds{InitialLimit: 2, MaxLimit: 2}})
		expect("after an update", true)
		r.send(opening, 0, controller.Status{}, true)
		synctest.Wait()
		if s, _ := r.take(); s.Limit != 2 {
			t.Errorf("limit %d after the update", s.Limit)
		}
		expect("when it is in force", false)

		for range backlog {
			r.end(controller.End{Verdict: succeeded, Final: true})
		}
		expect("with much to tell", false)
		r.send(opening, 0, controller.Status{}, true)
		for range backlog {
			r.end(controller.End{Verdict: succeeded, Final: true})
		}
		expect("if the controller lags behind", true)
		answer()
		expect("when it has caught up", false)
		r.rest(true)
	})
}

// Two reports take turns for ever, and none brings back what the other has told.
func TestReportsAreUsedAgainAndForgetWhatTheyTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		r, nudges := newTestReporter(controller.Config{OnEvent: func(e controller.Event) { told = append(told, e.String()) }})
		for i := range 6 {
			r.note(opening, controller.Event{Kind: controller.EventBudgetExhausted, Budget: fmt.Sprint(i)})
			asked := make(chan controller.Snapshot, 1)
			r.ask(asked)
			r.end(controller.End{Verdict: overload})
			r.send(opening, 0, controller.Status{Completed: int64(i), Budgets: append(r.budgets(), controller.BudgetSnapshot{Used: int64(i)})}, true)
			snap := <-asked
			if snap.FailureCount != i+1 || snap.Completed != int64(i) || len(snap.Budgets) != 1 || snap.Budgets[0].Used != int64(i) {
				t.Errorf("report %d: %+v", i, snap)
			}
			synctest.Wait()
			if nudges.Load() != int64(i+1) {
				t.Errorf("report %d: woken %d times", i, nudges.Load())
			}
			f := r.answered.Load()
			if r.take(); f != r.spare {
				t.Error("the answer is not what will be filled next")
			}
			if f.Events[:1][0].Budget != "" || f.Asked[:1][0] != nil || len(f.Ends)+len(f.Events)+len(f.Asked)+len(f.Updates) > 0 {
				t.Error("it holds on to what it told")
			}
			if _, again := r.take(); again {
				t.Error("one answer is taken twice")
			}
		}
		if len(told) != 6 || told[5] != "budget_exhausted budget=5" {
			t.Errorf("told %v", told)
		}
		r.rest(true)
	})
}

// An answer that changes nothing wakes nobody, if nobody waits for it.
func TestAnswerWakesWhoWaitsForIt(t *testing.T) {
	for _, test := range []struct {
		name            string
		urgent, changed bool
		awaited         bool
		want            int
	}{
		{"nothing new", false, false, false, 0},
		{"urgent", true, false, false, 1},
		{"changed", false, true, false, 1},
		{"awaited", false, false, true, 1},
	} {
		r, nudges := newTestReporter(controller.Config{})
		r.awaited.Store(test.awaited)
		r.answer(&controller.Report{Urgent: test.urgent, Changed: test.changed})
		if nudges.Load() != int64(test.want) {
			t.Errorf("%s: woken %d times, want %d", test.name, nudges.Load(), test.want)
		}
		if r.take(); r.awaited.Load() {
			t.Errorf("%s: still awaited when it has been taken", test.name)
		}
	}
}

// When the controller has gone to rest, no goroutine of it is left, and it goes
// on where it was when there is something to tell again.
func TestControllerRestsAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newTestReporter(controller.Config{})
		if !r.rest(true) {
			t.Error("one that never did anything cannot rest")
		}
		for i := range 3 {
			r.end(controller.End{Verdict: overload})
			r.send(opening, 0, controller.Status{}, true)
			if r.rest(true) || !r.awaited.Load() {
				t.Error("rests before the answer is taken, or does not wait for it")
			}
			synctest.Wait()
			r.take()
			if !r.rest(true) || r.reports != nil {
				t.Error("does not rest")
			}
			if !r.rest(true) {
				t.Error("does not rest twice")
			}
			asked := make(chan controller.Snapshot, 1)
			r.ask(asked)
			r.send(opening, 0, controller.Status{}, true)
			if snap := <-asked; snap.FailureCount != i+1 {
				t.Errorf("%d failures are known, want %d", snap.FailureCount, i+1)
			}
			synctest.Wait()
			r.take()
			r.rest(true)
		}
	})
}

// The controller is told no earlier than it has to be that a batch of quick
// successes is there, but it is told all of them.
func TestAllEndsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2)
		v := s.open(t.Context())
		const jobs = 10 * batch
		for range jobs {
			v.send(s.work("job", 0))
		}
		v.await(jobs)
		if snap := s.Snapshot(); snap.Completed != jobs || snap.InFlight != 0 || snap.Waiting != 0 {
			t.Errorf("%+v", snap)
		}
		v.leave(jobs)
		if snap := s.Snapshot(); snap.Completed != jobs {
			t.Errorf("at rest: %+v", snap)
		}
	})
}

// A slow policy holds up nobody but the attempts that it has to judge.
func TestSnapshotWaitsForTheControllerAndIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := ponderer{make(chan struct{}), make(chan struct{})}
		s := newStand(t, 1, func(cfg *Config) { cfg.Controller.Policy = policy })
		v := s.open(t.Context())
		v.send(s.work("job", 0))
		<-policy.asked
		snapped := make(chan controller.Snapshot, 1)
		go func() { snapped <- s.Snapshot() }()
		time.Sleep(time.Minute)
		if len(snapped) > 0 {
			t.Error("a snapshot, though the controller thinks")
		}
		policy.decided <- struct{}{}
		if snap := <-snapped; snap.Completed != 1 {
			t.Errorf("%+v", snap)
		}
		v.leave(1)
	})
}
