package controller

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// obey is a policy that does what outcomes say: the limit is their tokens, the
// interval the time they took. It panics at the number thirteen.
type obey struct{}

func (obey) Start(b Bounds) (Law, Setting) { return obey{}, Setting{Limit: b.InitialLimit} }

func (obey) Next(_ time.Time, o Outcome) Setting {
	if o.Tokens == 13 {
		panic("thirteen")
	}
	return Setting{Limit: int(o.Tokens), Interval: o.Took}
}

var obeyed = Bounds{InitialLimit: 5, MaxLimit: 10, MinInterval: ms, MaxInterval: time.Second}

func say(limit int64, interval time.Duration) End { return End{Tokens: limit, Took: interval} }

func TestControllerAnswersEachReportWithTheSettingInForce(t *testing.T) {
	c := New(Config{Policy: obey{}, Bounds: obeyed}, t0)
	reports, answers := make(chan *Report), make(chan *Report)
	go func() {
		c.Run(reports, func(r *Report) { answers <- r }, func(f func()) { go f() })
		close(answers)
	}()
	for _, step := range []struct {
		ends    []End
		limit   int
		changed bool
	}{
		{nil, 5, false},
		{[]End{say(7, ms)}, 7, true},
		{[]End{say(7, ms)}, 7, false},
		{[]End{say(1, ms), say(2, ms), say(3, ms)}, 3, true},
		{[]End{say(9, ms), say(3, ms)}, 3, false},
	} {
		r := &Report{Now: t0, Ends: step.ends}
		reports <- r
		if got := <-answers; got != r || got.Setting.Limit != step.limit || got.Changed != step.changed {
			t.Errorf("got %v, changed %v; want limit %d, changed %v", got.Setting, got.Changed, step.limit, step.changed)
		}
	}
	close(reports)
	if _, more := <-answers; more {
		t.Error("an answer that nobody asked for")
	}
}

func TestControllerBringsASettingIntoTheBounds(t *testing.T) {
	c := New(Config{Policy: obey{}, Bounds: obeyed}, t0)
	if s := c.Setting(); s.Limit != 5 || s.Interval != ms || s.Ceiling != 10 {
		t.Errorf("begins with %v, ceiling %d", s, s.Ceiling)
	}
	for _, step := range []struct {
		says     End
		limit    int
		interval time.Duration
	}{
		{say(0, 0), 1, ms},
		{say(-5, -time.Hour), 1, ms},
		{say(11, 2*time.Second), 10, time.Second},
		{say(1<<62, 1<<62), 10, time.Second},
		{say(4, 20*ms), 4, 20 * ms},
	} {
		c.observe(&Report{Now: t0, Ends: []End{step.says}})
		if s := c.Setting(); s.Limit != step.limit || s.Interval != step.interval {
			t.Errorf("got %v, want limit %d, interval %v", s, step.limit, step.interval)
		}
	}
}

func TestControllerKeepsTheSettingWhenThePolicyPanics(t *testing.T) {
	c := New(Config{Policy: obey{}, Bounds: obeyed}, t0)
	r := &Report{Now: t0, Ends: []End{say(8, ms), say(13, ms)}}
	c.observe(r)
	if r.Setting.Limit != 8 {
		t.Errorf("limit %d, want 8 as before the panic", r.Setting.Limit)
	}
	r = &Report{Now: t0, Ends: []End{say(13, ms), say(13, ms), say(6, ms)}}
	c.observe(r)
	if r.Setting.Limit != 6 {
		t.Errorf("limit %d, want 6: the outcomes after the panic count", r.Setting.Limit)
	}
}

// miscount is a policy that panics when it is asked how many failures there are.
type miscount struct{ obey }

func (miscount) Start(b Bounds) (Law, Setting) { return miscount{}, Setting{} }
func (miscount) Failures(time.Time) int        { panic("no count") }

func TestControllerCountsItselfWhenThePolicyPanics(t *testing.T) {
	c := New(Config{Policy: miscount{}, Bounds: obeyed}, t0)
	if got := snapshotOf(c, &Report{Now: t0, Ends: []End{{Verdict: Overload}}}).FailureCount; got != 1 {
		t.Errorf("%d failures, want 1", got)
	}
}

func TestControllerShowsThePolicyTheWholeOutcome(t *testing.T) {
	var got Outcome
	c := New(Config{Policy: watch{&got}, Bounds: obeyed}, t0)
	c.observe(&Report{Now: t0.Add(time.Minute), Gap: 3 * ms, Ends: []End{{
		Start: 50 * time.Second, Took: 10 * time.Second, Tokens: 7, Seq: 9, RetryAfter: 5 * ms,
		InFlight: 4, Verdict: Overload, Final: true, Paced: true,
	}}})
	if want := (Outcome{
		Verdict: Overload, Final: true, Start: t0.Add(50 * time.Second), Seq: 9, Took: 10 * time.Second,
		InFlight: 4, Paced: true, Gap: 3 * ms, Tokens: 7, RetryAfter: 5 * ms,
	}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

type watch struct{ last *Outcome }

func (w watch) Start(b Bounds) (Law, Setting) { return w, Setting{} }

func (w watch) Next(_ time.Time, o Outcome) Setting {
	*w.last = o
	return Setting{}
}

func TestControllerTellsWhatThePolicyDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Event
		c := New(Config{
			Policy:  AIMD{FailureThreshold: 1, CoolingPeriod: time.Minute, SafeCeilingDecay: 2},
			Bounds:  Bounds{InitialLimit: 4, MaxLimit: 4, MinInterval: 10 * ms, MaxInterval: time.Second},
			OnEvent: func(e Event) { got = append(got, e) },
		}, t0)
		end := func(v Verdict, at time.Duration) {
			c.observe(&Report{Now: t0.Add(at), Ends: []End{{Verdict: v, Start: at, Final: true}}})
		}
		end(Failed, 0)
		end(Failed, time.Second)
		end(Succeeded, 61*time.Second)
		end(Succeeded, 62*time.Second)
		end(Succeeded, 63*time.Second)
		end(Ignored, time.Hour)
		end(Succeeded, time.Hour)
		end(Overload, 2*time.Hour)
		synctest.Wait()

		var kinds []string
		for _, e := range got {
			kinds = append(kinds, fmt.Sprintf("%v: %v", e.Kind, e.To))
			if e.From == e.To {
				t.Errorf("%v: from %v to the same", e.Kind, e.From)
			}
			if wait := e.To.CoolUntil.Sub(e.At); e.Kind == EventCoolingStarted && (e.Wait != wait || wait != time.Minute) {
				t.Errorf("cooling for %v, want %v, a minute", e.Wait, wait)
			}
		}
		want := []string{
			"decelerated: limit 2, interval 20ms", "cooling_started: limit 2, interval 20ms",
			"decelerated: limit 1, interval 40ms", "cooling_started: limit 1, interval 40ms",
			"reaccelerated: limit 2, interval 20ms", "reaccelerated: limit 2, interval 10ms",
			"ceiling_decayed: limit 3, interval 10ms", "reaccelerated: limit 3, interval 10ms",
			"decelerated: limit 1, interval 20ms", "cooling_started: limit 1, interval 20ms",
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("got  %q\nwant %q", kinds, want)
		}
	})
}

// That a policy takes the service for down is passed on with the setting, and told
// when it begins, with the last error, and when it ends.
func TestControllerTellsThatTheServiceIsDownAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Event
		c := New(Config{Policy: pessimist{}, Bounds: obeyed, OnEvent: func(e Event) { got = append(got, e) }}, t0)
		for _, step := range []struct {
			verdict          Verdict
			probing, changed bool
		}{
			{Succeeded, false, false}, {Failed, true, true}, {Failed, true, false}, {Succeeded, false, true},
		} {
			r := &Report{Now: t0, Ends: []End{{Verdict: step.verdict, Final: true}}, Status: Status{LastError: io.EOF}}
			if state := snapshotOf(c, r).State; (state == Down) != step.probing {
				t.Errorf("%v: the state is %v", step.verdict, state)
			}
			if r.Setting.Probing != step.probing || r.Changed != step.changed {
				t.Errorf("%v: probing %v, changed %v", step.verdict, r.Setting.Probing, r.Changed)
			}
			if before, after := (Setting{Limit: 5, Interval: ms, Ceiling: 10}).String(), r.Setting.String(); before != after {
				t.Errorf("%v: shown as %q, want %q", step.verdict, after, before)
			}
		}
		synctest.Wait()
		if len(got) != 2 || got[0].Kind != EventDown || got[0].Err != io.EOF || got[1].Kind != EventBack || got[1].Err != nil {
			t.Errorf("told %v", got)
		}
	})
}

// A pessimist takes the service for down after each failure.
type pessimist struct{}

func (pessimist) Start(b Bounds) (Law, Setting) { return pessimist{}, Setting{Limit: b.InitialLimit} }

func (pessimist) Next(_ time.Time, o Outcome) Setting {
	return Setting{Limit: 5, Probing: o.Verdict == Failed}
}

func TestControllerPassesOnWhatTheGatesDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []Event
		c := New(Config{Policy: Static{}, Bounds: obeyed, OnEvent: func(e Event) { got = append(got, e) }}, t0)
		want := []Event{{Kind: EventRetry, At: t0, Attempt: 1}, {Kind: EventCircuitOpened, At: t0, Wait: time.Second}}
		c.observe(&Report{Now: t0, Events: want})
		synctest.Wait()
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestEventsAreInOrderOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []EventKind
		c := New(Config{Policy: AIMD{FailureThreshold: 1}, Bounds: obeyed, OnEvent: func(e Event) { got = append(got, e.Kind) }}, t0)
		c.observe(&Report{
			Now:    t0.Add(time.Second), // the policy's time
			Ends:   []End{{Verdict: Overload, Start: time.Second}},
			Events: []Event{{Kind: EventRetry, At: t0}},
		})
		synctest.Wait()
		if want := []EventKind{EventRetry, EventDecelerated, EventCoolingStarted}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func snapshotOf(c *Controller, r *Report) Snapshot {
	asked := make(chan Snapshot, 1)
	r.Asked = []chan<- Snapshot{asked}
	c.observe(r)
	return <-asked
}

func TestSnapshotShowsEverything(t *testing.T) {
	c := New(Config{
		Policy:    AIMD{FailureThreshold: 2},
		Bounds:    Bounds{InitialLimit: 8, MaxLimit: 10, MinInterval: 10 * ms, MaxInterval: time.Second},
		TotalJobs: 40,
	}, t0)
	failed := End{Verdict: Failed, Final: true, Start: 10 * time.Second}
	budgets := []BudgetSnapshot{
		{Budget: Budget{Name: "tokens", Tokens: 100, Window: time.Minute}, Used: 70, Remaining: 30},
		{Budget: Budget{Name: "requests", Tokens: 10, Window: time.Second}, Used: 1, Remaining: 9},
	}
	r := &Report{Now: t0.Add(10 * time.Second), Ends: []End{failed, failed, failed}, Status: Status{
		Circuit: BreakerHalfOpen, InFlight: 3, Completed: 7, Failed: 3, Retries: 5, Budgets: budgets,
	}}
	s := snapshotOf(c, r)
	got, want := fmt.Sprintf("%+v", s), fmt.Sprintf("%+v", Snapshot{
		State: CircuitOpen, Circuit: BreakerHalfOpen,
		Concurrency: 4, MaxConcurrency: 10, InFlight: 3, SafeCeiling: 8, DispatchInterval: 20 * ms,
		Completed: 7, Failed: 3, Retries: 5, Total: 40, FailureCount: 1,
		Percentage: 25, ETA: 30 * time.Second,
		TokensUsed: 70, TokensRemaining: 30, Budgets: budgets,
	})
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	budgets[0].Used = 0 // the dispatcher uses its space again
	if s.Budgets[0].Used != 70 {
		t.Error("the snapshot changed afterwards")
	}
}

func TestSnapshotOfNothing(t *testing.T) {
	s := snapshotOf(New(Config{Policy: Static{}, Bounds: obeyed}, t0), &Report{Now: t0})
	if s.State != Running || s.ETA >= 0 || s.Percentage != 0 || s.TokensRemaining != -1 || s.Budgets != nil {
		t.Errorf("got %+v", s)
	}
}

func TestETADoesNotCountARest(t *testing.T) {
	c := New(Config{Policy: Static{}, Bounds: obeyed, TotalJobs: 100}, t0)
	c.observe(&Report{Now: t0.Add(10 * time.Second), Status: Status{Completed: 10, Since: t0}})
	back := t0.Add(time.Hour) // there was nothing to do meanwhile
	s := snapshotOf(c, &Report{Now: back.Add(10 * time.Second), Status: Status{Completed: 20, Since: back}})
	if s.ETA != 80*time.Second {
		t.Errorf("ETA %v, want 1m20s", s.ETA)
	}
}

func TestEndsOverloadAsOutcomesDo(t *testing.T) {
	for v := Ignored; v <= Succeeded+1; v++ {
		for bits := range 4 {
			final, own := bits&1 != 0, bits&2 != 0
			end, outcome := End{Verdict: v, Final: final, Own: own}, Outcome{Verdict: v, Final: final, Own: own}
			want := v == Overload && !own || (v == Failed || v > Succeeded) && final
			if end.Overloads() != want || outcome.Overloads() != want {
				t.Errorf("%v, final %v, own %v: %v and %v, want %v", v, final, own, end.Overloads(), outcome.Overloads(), want)
			}
		}
	}
}

func TestSnapshotState(t *testing.T) {
	for _, c := range []struct {
		status Status
		after  time.Duration // since the cut
		want   State
	}{
		{Status{}, 0, Cooling},
		{Status{}, time.Minute - 1, Cooling},
		{Status{}, time.Minute, Running},
		{Status{Circuit: BreakerOpen}, 0, CircuitOpen},
		{Status{Circuit: BreakerHalfOpen}, 0, CircuitOpen},
		{Status{Circuit: BreakerOpen, Closed: true}, 0, Draining},
		{Status{Closed: true, Drained: true}, 0, Closed},
	} {
		ctl := New(Config{Policy: AIMD{FailureThreshold: 1}, Bounds: obeyed}, t0)
		ctl.observe(&Report{Now: t0, Ends: []End{{Verdict: Overload}}})
		if got := snapshotOf(ctl, &Report{Now: t0.Add(c.after), Status: c.status}).State; got != c.want {
			t.Errorf("%+v %v after a cut: got %v, want %v", c.status, c.after, got, c.want)
		}
	}
}

func TestSnapshotCountsTheFailuresOfTheLastMinuteForAPolicyThatDoesNot(t *testing.T) {
	c := New(Config{Policy: Static{}, Bounds: obeyed}, t0)
	for i := range 10 {
		v := []Verdict{Overload, Succeeded}[i%2]
		c.observe(&Report{Now: t0.Add(time.Duration(i) * 10 * time.Second), Ends: []End{{Verdict: v}}})
	}
	if got := snapshotOf(c, &Report{Now: t0.Add(90 * time.Second)}).FailureCount; got != 3 {
		t.Errorf("got %d, want 3", got) // after 40, 60 and 80 s
	}
}

func TestProgressIsToldAtEachPercent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int64
		c := New(Config{Policy: Static{}, Bounds: obeyed, TotalJobs: 1000, OnProgress: func(s Snapshot) {
			got = append(got, s.Completed+s.Failed)
		}}, t0)
		for _, done := range []int64{0, 1, 9, 10, 10, 11, 20, 55, 56, 999, 1000, 1001, 2000} {
			c.observe(&Report{Now: t0, Status: Status{Completed: done - done/3, Failed: done / 3}})
		}
		synctest.Wait()
		if want := []int64{10, 20, 55, 999, 1000}; !slices.Equal(got, want) {
			t.Errorf("told at %v, want %v", got, want)
		}
	})
}

func TestProgressWithoutATotalIsToldOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		c := New(Config{Policy: Static{}, Bounds: obeyed, OnProgress: func(Snapshot) { told++ }}, t0)
		for i := range int64(1000) { // for ten seconds
			c.observe(&Report{Now: t0.Add(time.Duration(i) * 10 * ms), Status: Status{Completed: i}})
		}
		synctest.Wait()
		if told != 10 {
			t.Errorf("told %d times, want 10", told)
		}
	})
}

// Callbacks of every kind of behaviour, and a queue that overflows at times:
// what is not dropped is told in order. The slice without a lock has the race
// detector see to it that there is one goroutine at a time.
func TestEventsComeInOrderFromOneGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		n := newNotifier(Config{OnEvent: func(e Event) {
			got = append(got, e.Attempt)
			switch {
			case e.Attempt%11 == 0:
				panic("callback")
			case e.Attempt%13 == 0:
				runtime.Goexit()
			case e.Attempt%17 == 0:
				runtime.Gosched()
			case e.Attempt%5000 == 1:
				time.Sleep(time.Hour)
			}
		}})
		const sent = 20_000
		for i := range sent {
			n.event(Event{Attempt: i})
			if i%3000 == 0 {
				time.Sleep(30 * time.Minute)
			}
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if !slices.IsSorted(got) || len(slices.Compact(got)) != sent-int(n.dropped) {
			t.Errorf("%d of %d events told, %d dropped, in order: %v", len(got), sent, n.dropped, slices.IsSorted(got))
		}
	})
}

func TestBlockedCallbackDelaysOnlyCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var got []int
		c := New(Config{Policy: Static{}, Bounds: obeyed, OnEvent: func(e Event) {
			<-gate
			got = append(got, e.Attempt)
		}}, t0)
		tell := func(i int) { c.observe(&Report{Now: t0, Events: []Event{{Attempt: i}}}) }
		tell(0)
		synctest.Wait() // the callback blocks
		for i := range notices + 100 {
			tell(i + 1)
		}
		if s := snapshotOf(c, &Report{Now: t0}); s.DroppedEvents != 100 {
			t.Errorf("%d events dropped, want 100", s.DroppedEvents)
		}
		close(gate)
		synctest.Wait()
		tell(5000) // there is room again
		synctest.Wait()
		if len(got) != notices+2 || got[notices] != notices || got[notices+1] != 5000 {
			t.Errorf("%d events told, want %d, the last of them number 5000", len(got), notices+2)
		}
	})
}

func TestDroppedProgressIsNotADroppedEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		n := newNotifier(Config{OnProgress: func(Snapshot) { <-gate }})
		for range 2 * notices {
			n.progress(Snapshot{})
		}
		if n.dropped != 0 {
			t.Errorf("%d events dropped, want 0", n.dropped)
		}
		close(gate)
	})
}

// blocked is a log that takes nothing until its gate opens.
type blocked struct {
	slog.Handler
	gate chan struct{}
}

func (b blocked) Handle(context.Context, slog.Record) error {
	<-b.gate
	return nil
}

func TestBlockedLogHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		log := slog.New(blocked{slog.NewTextHandler(io.Discard, nil), gate})
		c := New(Config{Policy: obey{}, Bounds: obeyed, Logger: log}, t0)
		for range 2 * notices { // would be a deadlock
			c.observe(&Report{Now: t0, Ends: []End{say(13, ms)}, Events: []Event{{Kind: EventClosed}}})
		}
		close(gate)
	})
}

func TestPanicsOfCallbacksAndPoliciesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		c := New(Config{
			Policy: obey{}, Bounds: obeyed, TotalJobs: 1,
			OnEvent:    func(Event) { panic("on event") },
			OnProgress: func(Snapshot) { panic("on progress") },
			Logger:     slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}, t0)
		for _, r := range []*Report{
			{Ends: []End{say(13, ms)}},
			{Events: []Event{{Kind: EventRetry}}},
			{Events: []Event{{Kind: EventClosed}, {Kind: EventDown}, {Kind: EventNothingSucceeded}}},
			{Status: Status{Completed: 1}},
		} {
			r.Now = t0
			c.observe(r)
			synctest.Wait()
		}
		var got []string
		for line := range strings.Lines(lines.String()) {
			_, line, _ = strings.Cut(line, " ") // without the time
			line, _, _ = strings.Cut(line, " event.")
			got = append(got, strings.TrimSpace(line))
		}
		want := []string{
			`level=ERROR msg="paceline: policy panicked" panic=thirteen`,
			`level=DEBUG msg="paceline: retry"`,
			`level=ERROR msg="paceline: callback panicked" panic="on event"`,
			`level=INFO msg="paceline: closed"`,
			`level=ERROR msg="paceline: callback panicked" panic="on event"`,
			`level=WARN msg="paceline: down"`,
			`level=ERROR msg="paceline: callback panicked" panic="on event"`,
			`level=WARN msg="paceline: nothing_succeeded"`,
			`level=ERROR msg="paceline: callback panicked" panic="on event"`,
			`level=ERROR msg="paceline: callback panicked" panic="on progress"`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	})
}

// Who has no logger, and listens to nothing, hears that nothing has succeeded all
// the same, but of nothing else.
func TestThatNothingHasSucceededIsSaidWithoutALogger(t *testing.T) {
	var lines bytes.Buffer
	before := slog.Default()
	defer slog.SetDefault(before)
	slog.SetDefault(slog.New(slog.NewTextHandler(&lines, nil)))
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Policy: Static{}, Bounds: obeyed}, t0)
		c.observe(&Report{Now: t0, Events: []Event{{Kind: EventDown}, {Kind: EventNothingSucceeded, Err: io.EOF}, {Kind: EventRetry}}})
		synctest.Wait()
		_, got, _ := strings.Cut(lines.String(), " ") // without the time
		if want := "level=WARN msg=\"paceline: nothing has succeeded yet\" error=EOF\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// reconfigure has c take ends and then a configuration, and returns the answer.
func reconfigure(c *Controller, cfg Config, ends ...End) *Report {
	r := &Report{Now: t0, Ends: ends, Updates: []Update{{Config: cfg, Now: t0}}}
	c.observe(r)
	return r
}

func TestControllerUpdateStartsAnotherPolicyOnlyIfSomethingHasChanged(t *testing.T) {
	other := obeyed
	other.InitialLimit = 2
	for _, c := range []struct {
		from Policy
		to   Config
		want int
	}{
		{obey{}, Config{Policy: obey{}, Bounds: obeyed}, 7},
		{obey{}, Config{Policy: obey{}, Bounds: obeyed, TotalJobs: 10, OnEvent: func(Event) {}}, 7},
		{obey{}, Config{Policy: obey{}, Bounds: other}, 2},
		{obey{}, Config{Policy: Static{}, Bounds: obeyed}, 5},
		{tuned{n: 1}, Config{Policy: tuned{n: 1}, Bounds: obeyed}, 7},
		{tuned{n: 1}, Config{Policy: tuned{n: 2}, Bounds: obeyed}, 5},
		{moody{moods: []int{1}}, Config{Policy: moody{moods: []int{1}}, Bounds: obeyed}, 5}, // nobody can tell whether it is the same
	} {
		ctl := New(Config{Policy: c.from, Bounds: obeyed}, t0)
		ctl.observe(&Report{Now: t0, Ends: []End{say(7, ms)}})
		if r := reconfigure(ctl, c.to); r.Setting.Limit != c.want || r.Changed != (c.want != 7) {
			t.Errorf("%+v: limit %d, changed %v; want limit %d", c.to, r.Setting.Limit, r.Changed, c.want)
		}
	}
}

// tuned is a policy that can be compared, and differs.
type tuned struct {
	obey
	n int
}

// moody is a policy that cannot be compared.
type moody struct {
	obey
	moods []int
}

func (m moody) Start(b Bounds) (Law, Setting) { return m, Setting{Limit: b.InitialLimit} }

func TestControllerUpdateBringsWhatIsInForceIntoTheBounds(t *testing.T) {
	c := New(Config{Policy: AIMD{FailureThreshold: 1}, Bounds: aimd64}, t0)
	c.observe(&Report{Now: t0, Ends: []End{{Verdict: Overload}}}) // 32, 200 ms, ceiling 64
	r := reconfigure(c, Config{Policy: AIMD{FailureThreshold: 1}, Bounds: Bounds{
		InitialLimit: 10, MaxLimit: 10, MinInterval: ms, MaxInterval: 20 * ms,
	}})
	if s := r.Setting; s.Limit != 10 || s.Interval != 20*ms || s.Ceiling != 10 || !r.Changed || s.CoolUntil != t0.Add(time.Minute) {
		t.Errorf("got %v, ceiling %d, changed %v", s, s.Ceiling, r.Changed)
	}
	if s := snapshotOf(c, &Report{Now: t0}); s.MaxConcurrency != 10 || s.Concurrency != 10 || s.SafeCeiling != 10 {
		t.Errorf("the snapshot shows limit %d and ceiling %d of %d", s.Concurrency, s.SafeCeiling, s.MaxConcurrency)
	}
}

// What a policy decided outside the bounds holds as soon as the bounds allow.
func TestControllerUpdateRemembersWhatThePolicyDecided(t *testing.T) {
	c := New(Config{Policy: grown{}, Bounds: obeyed}, t0)
	c.observe(&Report{Now: t0, Ends: []End{say(50, 5*time.Second)}}) // 10, 1s
	wide := obeyed
	wide.MaxLimit, wide.MaxInterval = 40, time.Minute
	if s := reconfigure(c, Config{Policy: grown{}, Bounds: wide}).Setting; s.Limit != 40 || s.Interval != 5*time.Second {
		t.Errorf("got %v, want limit 40, interval 5s", s)
	}
}

// grown is a policy that goes on in whatever bounds, with what it last said, but
// not as another one.
type grown struct{}

func (grown) Start(b Bounds) (Law, Setting) {
	return &grownLaw{Setting{Limit: b.InitialLimit}}, Setting{Limit: b.InitialLimit}
}

type grownLaw struct{ last Setting }

func (g *grownLaw) Next(now time.Time, o Outcome) Setting {
	g.last = obey{}.Next(now, o)
	return g.last
}

func (g *grownLaw) Update(p Policy, _ Bounds) (Setting, bool) {
	if _, ok := p.(grown); !ok {
		return Setting{Limit: 1}, false
	}
	return g.last, true
}

// A panic leaves the policy as it was, within the new bounds.
func TestControllerUpdateSurvivesAPolicyThatPanics(t *testing.T) {
	tight := Bounds{InitialLimit: 1, MaxLimit: 3, MinInterval: ms, MaxInterval: time.Second}
	for _, to := range []Policy{refuseStart{}, refuseUpdate{}} {
		c := New(Config{Policy: refuseUpdate{}, Bounds: obeyed}, t0)
		r := reconfigure(c, Config{Policy: to, Bounds: tight}, say(7, ms))
		if r.Setting.Limit != 3 {
			t.Errorf("%T: limit %d, want 3", to, r.Setting.Limit)
		}
		c.observe(&Report{Now: t0, Ends: []End{say(2, ms)}})
		if s := c.Setting(); s.Limit != 2 {
			t.Errorf("%T: limit %d, want 2: the policy goes on", to, s.Limit)
		}
	}
}

type refuseStart struct{ obey }

func (refuseStart) Start(Bounds) (Law, Setting) { panic("start") }

type refuseUpdate struct{ obey }

func (refuseUpdate) Start(b Bounds) (Law, Setting) {
	return refuseUpdate{}, Setting{Limit: b.InitialLimit}
}

func (refuseUpdate) Update(p Policy, _ Bounds) (Setting, bool) {
	if _, ok := p.(refuseUpdate); ok {
		panic("update")
	}
	return Setting{}, false
}

func TestControllerUpdateSurvivesAPolicyThatEndsTheGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Policy: obey{}, Bounds: obeyed}, t0)
		reports, answers := make(chan *Report), make(chan *Report, 1)
		go c.Run(reports, func(r *Report) { answers <- r }, func(f func()) { go f() })
		defer close(reports)
		tight := obeyed
		tight.MaxLimit, tight.InitialLimit = 3, 3
		reports <- &Report{Now: t0, Updates: []Update{{Config: Config{Policy: leave{}, Bounds: tight}, Now: t0}}}
		if r := <-answers; r.Setting.Limit != 3 || !r.Changed {
			t.Errorf("limit %d, changed %v; want 3", r.Setting.Limit, r.Changed)
		}
		reports <- &Report{Now: t0, Ends: []End{say(2, ms)}}
		if r := <-answers; r.Setting.Limit != 2 {
			t.Errorf("limit %d, want 2: the policy goes on", r.Setting.Limit)
		}
	})
}

type leave struct{ obey }

func (leave) Start(Bounds) (Law, Setting) {
	runtime.Goexit()
	return nil, Setting{}
}

func TestControllerUpdateTellsTheNewCallbacksWhatItDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		to := func(name string, bounds Bounds) Config {
			return Config{Policy: Static{}, Bounds: bounds, OnEvent: func(e Event) { got = append(got, name+" "+e.Kind.String()) }}
		}
		retry, tight, wide := []Event{{Kind: EventRetry}}, obeyed, obeyed
		tight.InitialLimit, wide.InitialLimit = 4, 6
		c := New(to("a", obeyed), t0)
		mute := Config{Policy: Static{}, Bounds: wide}
		closed := []Event{{Kind: EventRetry}, {Kind: EventClosed}}
		c.observe(&Report{Now: t0, Events: closed, Updates: []Update{{to("b", tight), t0, 1, 0}}}) // between the two
		c.observe(&Report{Now: t0, Events: retry})
		c.observe(&Report{Now: t0, Events: retry, Updates: []Update{{to("x", wide), t0, 0, 0}, {mute, t0, 1, 0}}})
		c.observe(&Report{Now: t0, Events: retry})
		c.observe(&Report{Now: t0, Updates: []Update{{to("c", obeyed), t0, 0, 0}}})
		synctest.Wait()
		want := []string{"a retry", "b decelerated", "b closed", "b retry", "x reaccelerated", "x retry", "c decelerated"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A callback that is gone, and blocks, holds up those that replaced it, and loses
// nothing of what they are to be told.
func TestEventsOfOldAndNewCallbacksComeInOneOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		gate := make(chan struct{})
		c := New(Config{Policy: Static{}, Bounds: obeyed, OnEvent: func(e Event) {
			<-gate
			got = append(got, e.Attempt)
		}}, t0)
		tell := func(i int) { c.observe(&Report{Now: t0, Events: []Event{{Attempt: i}}}) }
		tell(0)
		tell(1)
		reconfigure(c, Config{Policy: Static{}, Bounds: obeyed, OnEvent: func(e Event) { got = append(got, 10+e.Attempt) }})
		tell(2)
		tell(3)
		synctest.Wait()
		if len(got) != 0 {
			t.Errorf("told %v before the first callback returned", got)
		}
		close(gate)
		synctest.Wait()
		if want := []int{0, 1, 12, 13}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestLoggerOfAnUpdateGetsThePanicsOfItsOwnPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var old, fresh bytes.Buffer
		log := func(to io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(to, nil)) }
		c := New(Config{Policy: obey{}, Bounds: obeyed, Logger: log(&old)}, t0)
		reconfigure(c, Config{Policy: refuseStart{}, Bounds: obeyed, Logger: log(&fresh)})
		synctest.Wait()
		if old.Len() > 0 || !strings.Contains(fresh.String(), "policy panicked\" panic=start") {
			t.Errorf("old %q, new %q", old.String(), fresh.String())
		}
	})
}

func TestProgressIsToldAfterAnUpdateOfTheTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, total := range []int{0, 100, 200, 1000} {
			var got []int64
			cfg := Config{Policy: Static{}, Bounds: obeyed, TotalJobs: total, OnProgress: func(s Snapshot) { got = append(got, s.Completed) }}
			c := New(cfg, t0)
			c.observe(&Report{Now: t0, Status: Status{Completed: 50}})
			synctest.Wait()
			cfg.TotalJobs, got = 500, nil
			reconfigure(c, cfg)
			for _, done := range []int64{54, 55, 60, 64, 65} {
				c.observe(&Report{Now: t0, Status: Status{Completed: done}})
			}
			synctest.Wait()
			if want := []int64{55, 60, 65}; !slices.Equal(slices.DeleteFunc(got, func(n int64) bool { return n == 54 }), want) {
				t.Errorf("from a total of %d to 500: told at %v, want %v", total, got, want)
			}
			if s := snapshotOf(c, &Report{Now: t0}); s.Total != 500 || s.Percentage != 13 {
				t.Errorf("%v%% of %d, want 13%% of 500", s.Percentage, s.Total)
			}
		}
	})
}

// The reference knows of a setting only what was said last and what the bounds
// are.
func TestControllerAgreesWithTheModelWhateverIsUpdated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBounds(t)
		c := New(Config{Policy: obey{}, Bounds: b}, t0)
		now, said := t0, Setting{Limit: b.InitialLimit}
		before := c.Setting()
		for range rapid.SampledFrom([]int{3, 30}).Draw(t, "reports") {
			now = now.Add(drawPause(t))
			r := &Report{Now: now}
			for range rapid.IntRange(0, 4).Draw(t, "ends") {
				end := say(rapid.Int64Range(-1, 110).Draw(t, "limit"), drawPause(t))
				if r.Ends = append(r.Ends, end); end.Tokens != 13 {
					said = Setting{Limit: int(end.Tokens), Interval: end.Took}
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "update") == 3 {
				old := b
				if rapid.Bool().Draw(t, "bounds") {
					b = drawBounds(t)
				}
				cfg := Config{Policy: obey{}, Bounds: b, TotalJobs: rapid.IntRange(0, 9).Draw(t, "total")}
				r.Updates = []Update{{Config: cfg, Now: now, Ends: len(r.Ends)}}
				if b != old {
					said = Setting{Limit: b.InitialLimit}
				}
			}
			s := snapshotOf(c, r)
			want := Setting{
				Limit:    min(max(said.Limit, 1), b.MaxLimit),
				Interval: min(max(said.Interval, b.MinInterval), b.MaxInterval),
				Ceiling:  b.MaxLimit,
			}
			if r.Setting != want || r.Changed != (want != before) {
				t.Fatalf("got %v, ceiling %d, changed %v; want %v, ceiling %d, before %v", r.Setting, r.Setting.Ceiling, r.Changed, want, want.Ceiling, before)
			}
			if s.Concurrency != want.Limit || s.DispatchInterval != want.Interval || s.MaxConcurrency != b.MaxLimit {
				t.Fatalf("the snapshot shows limit %d of %d, interval %v; want %v of %d", s.Concurrency, s.MaxConcurrency, s.DispatchInterval, want, b.MaxLimit)
			}
			before = want
		}
	})
}

// A report may end attempts, bring another configuration, or both.
func FuzzController(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x01, 0x05, 0x41, 0x05, 0xc7, 0x05, 0x02, 0xff})
	f.Add([]byte{0x83, 0x00, 0xbb, 0x01, 0x13, 0x02, 0xf0, 0x80})
	f.Fuzz(func(t *testing.T, events []byte) {
		policies := []Policy{AIMD{FailureThreshold: 2}, AIMD{FailureThreshold: 1, CoolingPeriod: time.Second}, Static{}, obey{}, refuseStart{}, refuseUpdate{}, miscount{}, grown{}}
		cfg := Config{Policy: policies[0], Bounds: obeyed}
		c, now, status := New(cfg, t0), t0, Status{}
		for ; len(events) >= 2; events = events[2:] {
			what, how := events[0], events[1]
			now = now.Add(time.Duration(how) * time.Duration(how) * ms)
			r := &Report{Now: now, Status: status}
			if what&1 == 0 || what&2 != 0 {
				for i := range what >> 2 & 7 {
					r.Ends = append(r.Ends, End{
						Start: now.Sub(t0), Took: time.Duration(how) * 10 * ms, Tokens: int64(how&31) + int64(i),
						Verdict: Verdict(what >> 5 & 3), Final: what>>7 == 0,
					})
				}
				status.Completed += int64(len(r.Ends))
				r.Status = status
			}
			if what&1 == 1 {
				most := 1 + int(how&15)
				cfg.Policy = policies[what>>5]
				cfg.Bounds = Bounds{InitialLimit: 1 + int(how>>4)%most, MaxLimit: most, MinInterval: time.Duration(how>>6) * 10 * ms, MaxInterval: time.Second}
				cfg.TotalJobs = int(what>>2) & 7 * 10
				r.Updates = []Update{{Config: cfg, Now: now, Ends: int(how) % (len(r.Ends) + 1)}}
			}
			before := c.Setting()
			s := snapshotOf(c, r)
			switch set := r.Setting; {
			case set != c.Setting() || r.Changed != (set != before):
				t.Fatalf("answered %v, changed %v, from %v", set, r.Changed, before)
			case set != set.within(cfg.Bounds):
				t.Fatalf("%v, ceiling %d, outside %+v", set, set.Ceiling, cfg.Bounds)
			case s.Concurrency != set.Limit || s.MaxConcurrency != cfg.Bounds.MaxLimit || s.Total != int64(cfg.TotalJobs):
				t.Fatalf("the snapshot shows limit %d of %d, total %d", s.Concurrency, s.MaxConcurrency, s.Total)
			case s.FailureCount < 0 || s.ETA < -1 || !(s.Percentage >= 0 && s.Percentage <= 100):
				t.Fatalf("%d failures, ETA %v, %v%%", s.FailureCount, s.ETA, s.Percentage)
			}
		}
	})
}

func TestControllerListensOnlyIfSomebodyWantsToKnow(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want bool
	}{
		{Config{}, false},
		{Config{OnProgress: func(Snapshot) {}}, false},
		{Config{OnEvent: func(Event) {}}, true},
		{Config{Logger: slog.New(slog.DiscardHandler)}, true},
	} {
		c.cfg.Policy, c.cfg.Bounds = AIMD{FailureThreshold: 1}, obeyed
		ctl := New(c.cfg, t0)
		if got := c.cfg.Listens(); got != c.want {
			t.Errorf("listens: %v, want %v", got, c.want)
		}
		ctl.observe(&Report{Now: t0, Ends: []End{{Verdict: Overload}}, Status: Status{Completed: 1}})
	}
}

func BenchmarkController(b *testing.B) {
	c := New(Config{Policy: AIMD{}, Bounds: obeyed}, t0)
	r := &Report{Now: t0, Ends: slices.Repeat([]End{{Verdict: Succeeded}}, 64)}
	for b.Loop() {
		r.Now = r.Now.Add(ms)
		r.Status.Completed += int64(len(r.Ends))
		c.observe(r)
	}
	b.ReportAllocs()
}

// The start only grows: a first interval, or a longer one that comes with a larger limit, is no
// deceleration.
func TestTheStartIsNeverADeceleration(t *testing.T) {
	for _, test := range []struct {
		from, to Setting
		want     EventKind
	}{
		{Setting{Limit: 1}, Setting{Limit: 2, Interval: time.Millisecond, Reason: ReasonStart}, EventReaccelerated},
		{Setting{Limit: 4}, Setting{Limit: 2, Interval: time.Millisecond, Reason: ReasonStart}, EventDecelerated},
		{Setting{Limit: 4}, Setting{Limit: 4, Interval: time.Millisecond, Reason: ReasonStart}, EventDecelerated},
		{Setting{Limit: 1}, Setting{Limit: 2, Interval: time.Second, Reason: ReasonRefusedRate}, EventDecelerated},
	} {
		synctest.Test(t, func(t *testing.T) {
			var got []EventKind
			c := New(Config{Policy: obey{}, Bounds: obeyed, OnEvent: func(e Event) { got = append(got, e.Kind) }}, t0)
			c.setting = test.to
			c.tellChange(t0, test.from)
			synctest.Wait()
			if len(got) != 1 || got[0] != test.want {
				t.Errorf("from %v to %v: got %v, want %v", test.from, test.to, got, test.want)
			}
		})
	}
}
