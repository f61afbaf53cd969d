package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// hinting is a service whose jobs tell what they know of its limits, as soon as
// they have started.
type hinting struct {
	service
	hint func(job, number int) (h pipeline.Hint, ok bool)
}

func (s *hinting) work(ctx context.Context, job int) (int, error) {
	a := s.begin(job)
	defer s.finish(a)
	if h, ok := s.hint(job, a.number); ok {
		pipeline.SlotFrom(ctx).Hint(h)
	}
	pass(ctx, a.answer)
	a.err = a.answer.err(ctx)
	return job, a.err
}

// firstHints is a service whose first job gives a hint.
func firstHints(h pipeline.Hint, a answer) *hinting {
	return &hinting{
		service: service{answer: func(int, int) answer { return a }},
		hint:    func(job, number int) (pipeline.Hint, bool) { return h, job == 0 && number == 0 },
	}
}

// hintedStarts returns when the attempts of n jobs start.
func hintedStarts(t *testing.T, s *hinting, cfg pipeline.Config, n int) []time.Duration {
	t.Helper()
	p := pipeline.Attach(newThrottle(t, cfg), s.work)
	begin := time.Now()
	collect(p.Run(t.Context(), feed(n)))
	return s.starts(begin)
}

func wantStarts(t *testing.T, got, want []time.Duration) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("starts at %v, want %v", got, want)
	}
}

// TestRefusalHoldsUpAllAttempts of a throttle, from all doors, until the
// service wants to be asked again.
func TestRefusalHoldsUpAllAttempts(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		first, second := drawVisit(rt, 0), drawVisit(rt, 24)
		calls := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 0, 8).Draw(rt, "calls")
		answers := drawAnswers(rt, cfg, 48+len(calls))
		return func(f *faults) {
			s := &service{answer: answers}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			var all sync.WaitGroup
			for _, v := range []visit{first, second} {
				all.Go(func() { v.pay(f, v.pipeline(throttle, s), s, cfg) })
			}
			for i, after := range calls {
				all.Go(func() {
					time.Sleep(time.Duration(after))
					pipeline.Execute(context.Background(), throttle, func(ctx context.Context) (int, error) {
						out, err := 0, error(nil)
						done := make(chan struct{})
						go func() { // which may exit
							defer close(done)
							defer func() { recover() }()
							out, err = s.work(ctx, 48+i)
						}()
						<-done
						return out, err
					})
				})
			}
			all.Wait()
			for _, a := range s.log {
				if a.answer.ending != refuses && a.answer.ending != hints {
					continue
				}
				for _, b := range s.log {
					early := b.start.After(a.end) && b.start.Before(a.end.Add(a.answer.after))
					f.check(!early, "job %d started %v after job %d was refused for %v", b.job, b.start.Sub(a.end), a.job, a.answer.after)
				}
			}
		}
	})
}

func TestRefusalOfOneIsARefusalOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, refusal := range []error{
			pipeline.Overloaded(errService, time.Minute),
			hintError{time.Minute},
			fmt.Errorf("429: %w", hintError{time.Minute}),
			errors.Join(pipeline.Transient(errService), hintError{time.Minute}),
		} {
			var log eventLog
			throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}, OnEvent: log.add})
			s := always(answer{takes: time.Second})
			begin := time.Now()
			pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) { return 0, refusal })
			var all sync.WaitGroup
			all.Go(func() { collect(pipeline.Attach(throttle, s.work).Run(t.Context(), feed(2))) })
			all.Go(func() { collect(pipeline.Attach(throttle, s.work).Run(t.Context(), feed(2))) })
			all.Go(func() { pipeline.Wrap(throttle, s.work)(t.Context(), 9) })
			time.Sleep(20 * time.Second)
			snap := throttle.Snapshot()
			if snap.PausedFor != 40*time.Second || snap.InFlight != 0 || snap.Waiting < 3 || snap.Waiting > 5 {
				t.Errorf("%v: paused for %v, %d in flight, %d waiting", refusal, snap.PausedFor, snap.InFlight, snap.Waiting)
			}
			all.Wait()
			wantStarts(t, s.starts(begin), seconds(60, 60, 60, 60, 60))
			if left := throttle.Snapshot().PausedFor; left != 0 {
				t.Errorf("%v: still paused for %v", refusal, left)
			}
			synctest.Wait()
			if log.String() != "paused resumed" || log.events[0].Wait != time.Minute || !log.events[1].At.Equal(begin.Add(time.Minute)) {
				t.Errorf("%v: told %v", refusal, log.events)
			}
		}
	})
}

func TestOnlyWhatTellsOfTheServiceHoldsUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minute := hintError{time.Minute}
		for _, err := range []error{
			pipeline.Fatal(minute), pipeline.Fatal(pipeline.Overloaded(errService, time.Minute)),
			fmt.Errorf("%w, %w", context.Canceled, errService), hintError{0}, hintError{-time.Minute},
			pipeline.Overloaded(errService, 0), pipeline.Overloaded(errService, -time.Minute), pipeline.Transient(errService),
		} {
			throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
			pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) { return 0, err })
			if left := throttle.Snapshot().PausedFor; left != 0 {
				t.Errorf("%v: paused for %v", err, left)
			}
			throttle.RecordFailure(err)
			if left := throttle.Snapshot().PausedFor; left != 0 {
				t.Errorf("%v, recorded: paused for %v", err, left)
			}
		}
		ignores := newThrottle(t, pipeline.Config{Classify: func(error) pipeline.Verdict { return pipeline.Ignored }})
		pipeline.Execute(t.Context(), ignores, func(context.Context) (int, error) { return 0, minute })
		if left := ignores.Snapshot().PausedFor; left != 0 {
			t.Errorf("ignored: paused for %v", left)
		}
		fails := newThrottle(t, pipeline.Config{Classify: func(error) pipeline.Verdict { return pipeline.Failed }})
		fails.RecordFailure(minute)
		if left := fails.Snapshot().PausedFor; left != time.Minute {
			t.Errorf("recorded as failed: paused for %v", left)
		}
	})
}

func TestPauseOnlyEverGetsLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		throttle := newThrottle(t, pipeline.Config{OnEvent: log.add})
		slot, err := throttle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct{ after, want int }{{60, 60}, {10, 50}, {0, 40}, {90, 90}, {5, 80}} {
			slot.Hint(pipeline.Hint{RetryAfter: time.Duration(step.after) * time.Second})
			if left := throttle.Snapshot().PausedFor; left != time.Duration(step.want)*time.Second {
				t.Errorf("hint of %ds: paused for %v, want %ds", step.after, left, step.want)
			}
			time.Sleep(10 * time.Second)
		}
		time.Sleep(71 * time.Second)
		slot.Release(nil)
		synctest.Wait()
		if log.String() != "paused resumed" {
			t.Errorf("told %v", log.String())
		}
	})
}

// The end of a pause is told when it comes, as that of an open circuit is, as long
// as anything is in flight.
func TestEndOfAPauseIsToldInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		throttle := newThrottle(t, pipeline.Config{OnEvent: log.add})
		slot, err := throttle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		slot.Hint(pipeline.Hint{RetryAfter: time.Minute})
		time.Sleep(time.Hour)
		slot.Release(nil)
		synctest.Wait()
		if e := log.of(pipeline.EventResumed); len(e) != 1 || !e[0].At.Equal(begin.Add(time.Minute)) {
			t.Errorf("told %v, the end at %v, want a minute after the pause began", log.events, e[0].At.Sub(begin))
		}
	})
}

// TestNothingStartsAfterAHint has returned, though it was handed over ahead.
func TestNothingStartsAfterAHint(t *testing.T) {
	for _, h := range []pipeline.Hint{
		{RetryAfter: time.Minute}, {Reset: time.Minute}, {Reset: time.Minute, Budget: "unknown"},
		{Remaining: 0, Reset: time.Minute}, {Reset: time.Minute, Budget: "calls"},
	} {
		for _, limit := range sizes {
			t.Run(fmt.Sprintf("%+v, limit %d", h, limit), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := rehearse(t, pipeline.Config{
						MaxConcurrency: limit, Policy: pipeline.Static{},
						Budgets: []pipeline.Budget{{Name: "calls", Tokens: 1000, Window: time.Hour}},
					}, func(p *line) { p.Cost(constant(1)) })
					r.slot.Hint(h)
					for range limit { // those that were running end
						r.cue <- answer{}
					}
					want := warm + limit
					if got := r.started(); got != want {
						t.Errorf("%d started after it", got-want)
					}
					time.Sleep(59 * time.Second)
					if got := r.started(); got != want {
						t.Errorf("%d started within a minute", got-want)
					}
					time.Sleep(time.Second)
					if got := r.started(); got == want {
						t.Error("none started after a minute")
					}
					r.end(t)
				})
			})
		}
	}
}

// What is left may start at once, and no more until the reset.
func TestWhatIsLeftIsUsedAtOnceAndNoMoreUntilTheReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			hint pipeline.Hint
			want []time.Duration
		}{
			{pipeline.Hint{Remaining: 4, Reset: 20 * time.Second}, seconds(0, 0, 0, 0, 0, 20, 20, 20, 20, 20)},
			{pipeline.Hint{Limit: 4, Remaining: 3, Reset: 20 * time.Second}, seconds(0, 0, 0, 0, 20, 20, 20, 20, 20, 20)}, // which tell no more,
			{pipeline.Hint{Limit: 4, Remaining: 9, Reset: 20 * time.Second}, seconds(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20)},
			{pipeline.Hint{Remaining: 1, Reset: 20 * time.Second}, seconds(0, 0, 20, 20, 20, 20, 20)},
			{pipeline.Hint{Limit: 100, Remaining: 0, Reset: 20 * time.Second}, seconds(0, 20, 20, 20, 20, 20, 20)},
			{pipeline.Hint{RetryAfter: 7 * time.Second, Remaining: 4, Reset: 20 * time.Second}, seconds(0, 7, 7, 7, 7, 20, 20)},
			{pipeline.Hint{RetryAfter: 30 * time.Second, Remaining: 4, Reset: 20 * time.Second}, seconds(0, 30, 30, 30, 30, 30, 30)},
			{pipeline.Hint{Limit: 100, Remaining: 3}, seconds(0, 0, 0, 0, 0, 0, 0)},
			{pipeline.Hint{Limit: 100, Reset: time.Hour, Remaining: -5, RetryAfter: -time.Hour}, []time.Duration{0, time.Hour, time.Hour}},
		} {
			cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}}
			wantStarts(t, hintedStarts(t, firstHints(c.hint, answer{}), cfg, len(c.want)), c.want)
		}
	})
}

// Answers overtake each other, so what is left goes up and down. It is that of the attempt
// which started last, less what has started since.
func TestAnOlderAnswerDoesNotUndoANewerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &hinting{
			service: service{answer: func(job, _ int) answer { return answer{} }},
			hint: func(job, _ int) (pipeline.Hint, bool) {
				if job > 2 {
					return pipeline.Hint{}, false
				}
				begin := time.Now()
				time.Sleep(time.Duration(3-job) * 10 * time.Second)
				return pipeline.Hint{Limit: 10, Remaining: int64(4 - 2*job), Reset: time.Minute - time.Since(begin)}, true
			},
		}
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 3, Policy: pipeline.Static{}})
		in := make(chan int)
		go func() {
			defer close(in)
			for job := range 6 {
				if job < 3 {
					time.Sleep(time.Second)
				}
				in <- job
			}
		}()
		begin := time.Now()
		collect(pipeline.Attach(throttle, s.work).Run(t.Context(), in))
		// Job 2 starts at 3s and says at 13s that nothing is left until 1m3s. Jobs 1 and 0
		// say at 22s and 31s that there was something, when they started.
		wantStarts(t, s.starts(begin), seconds(1, 2, 3, 63, 63, 63))
	})
}

// A slot that is held tells more than once: each time it counts from the time before.
func TestHintOfAHeldSlotCountsFromTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 9, Policy: pipeline.Static{}})
		s := always(answer{})
		p := pipeline.Attach(throttle, s.work)
		begin := time.Now()
		slot, err := throttle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		collect(p.Run(t.Context(), feed(3)))
		time.Sleep(time.Minute)
		slot.Hint(pipeline.Hint{Remaining: 4, Reset: time.Hour}) // less the three
		collect(p.Run(t.Context(), feed(1)))
		time.Sleep(time.Minute)
		slot.Hint(pipeline.Hint{Remaining: 4, Reset: time.Hour}) // less the one
		collect(p.Run(t.Context(), feed(4)))
		wantStarts(t, s.starts(begin), seconds(0, 0, 0, 60, 120, 120, 120, 3720))
		slot.Release(nil)
	})
}

// A wait for a quota and a pause are the server's: neither says how far apart attempts are by
// themselves, from which a cut starts.
func TestWhatAHintDidIsNotTakenForTheGapOfAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			hint  pipeline.Hint
			cutAt int
		}{
			{pipeline.Hint{Remaining: 10, Reset: 100 * time.Second}, 5},  // before it is used up
			{pipeline.Hint{Remaining: 10, Reset: 100 * time.Second}, 20}, // and when it is whole again
			{pipeline.Hint{RetryAfter: 100 * time.Second}, 4},
			{pipeline.Hint{RetryAfter: 9 * time.Second}, 20},
		} {
			s := firstHints(c.hint, answer{})
			s.answer = func(job, _ int) answer {
				if job >= c.cutAt && job < c.cutAt+3 {
					return answer{ending: fails}
				}
				return answer{takes: 10 * time.Millisecond}
			}
			var log eventLog
			hintedStarts(t, s, pipeline.Config{
				MaxConcurrency: 4, Policy: pipeline.AIMD{FailureThreshold: 3, FailureWindow: time.Hour}, OnEvent: log.add,
			}, 30)
			synctest.Wait()
			cuts := log.of(pipeline.EventDecelerated)
			if len(cuts) != 1 || cuts[0].To.Interval > 100*time.Millisecond {
				t.Errorf("%+v, failures at job %d: %v, want an interval of milliseconds", c.hint, c.cutAt, cuts)
			}
		}
	})
}

// TestHintsNeverLetMoreStartThanIsLeft: from a hint to its reset, no more than
// Remaining start, if no other hint comes.
func TestHintsNeverLetMoreStartThanIsLeft(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		h := pipeline.Hint{
			RetryAfter: time.Duration(rapid.SampledFrom([]int64{0, 0, 1, 2e9, 1e11}).Draw(rt, "after")),
			Remaining:  rapid.Int64Range(0, 12).Draw(rt, "remaining"),
			Reset:      time.Duration(rapid.Int64Range(2e9, 3e10).Draw(rt, "reset")),
		}
		cfg := pipeline.Config{MaxConcurrency: rapid.IntRange(1, 4).Draw(rt, "max"), Policy: pipeline.Static{}}
		job := rapid.IntRange(0, 5).Draw(rt, "job")
		takes := rapid.SliceOfN(rapid.Int64Range(0, 4e9), 4, 4).Draw(rt, "takes")
		return func(f *faults) {
			var at time.Time
			s := &hinting{
				service: service{answer: func(job, _ int) answer { return answer{takes: time.Duration(takes[job%4])} }},
				hint: func(j, _ int) (pipeline.Hint, bool) {
					if j != job {
						return pipeline.Hint{}, false
					}
					time.Sleep(time.Duration(takes[0]))
					at = time.Now()
					return h, true
				},
			}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			collect(p.Run(context.Background(), feed(30)))
			n := int64(0)
			for _, a := range s.log {
				if a.start.After(at) && a.start.Before(at.Add(h.Reset)) {
					n++
				}
				f.check(!a.start.After(at) || !a.start.Before(at.Add(h.RetryAfter)), "started within RetryAfter")
			}
			f.check(n <= h.Remaining, "%d started, %d were left", n, h.Remaining)
		}
	})
}

func TestHintOfABudgetBoundsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		throttle := newThrottle(t, pipeline.Config{
			Policy: pipeline.Static{}, OnEvent: log.add,
			Budgets: []pipeline.Budget{{Name: "day", Tokens: 1000, Window: 24 * time.Hour}, {Name: "minute", Tokens: 100, Window: time.Minute}},
		})
		slot, err := throttle.Acquire(pipeline.WithCost(t.Context(), 10))
		if err != nil {
			t.Fatal(err)
		}
		left := func(day, minute int64) {
			t.Helper()
			b := throttle.Snapshot().Budgets
			if b[0].Remaining != day || b[1].Remaining != minute {
				t.Errorf("%d and %d left, want %d and %d", b[0].Remaining, b[1].Remaining, day, minute)
			}
		}
		left(990, 90)
		slot.Hint(pipeline.Hint{Budget: "minute", Limit: 100, Remaining: 25, Reset: 30 * time.Second})
		slot.Hint(pipeline.Hint{Budget: "day", Remaining: 5000, Reset: time.Hour}) // more than we know of
		slot.Hint(pipeline.Hint{Budget: "minute"})                                 // says nothing
		left(990, 25)
		if snap := throttle.Snapshot(); snap.PausedFor != 0 {
			t.Errorf("paused for %v", snap.PausedFor)
		}
		begin := time.Now()
		s := always(answer{})
		collect(pipeline.Attach(throttle, s.work).Cost(constant(10)).Run(t.Context(), feed(5)))
		wantStarts(t, s.starts(begin), seconds(0, 0, 30, 30, 30))
		left(940, 40)
		synctest.Wait()
		if log.String() != "budget_exhausted budget_restored" || log.events[0].Budget != "minute" || log.events[0].Wait != 30*time.Second {
			t.Errorf("told %v", log.events)
		}
		slot.Release(nil)
	})
}

func TestHintOfABudgetThatKeysShareHoldsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keyed, err := pipeline.NewKeyed[string](pipeline.KeyedConfig[string]{
			Each:   pipeline.Config{Policy: pipeline.Static{}},
			Shared: []pipeline.Budget{{Name: "all", Tokens: 100, Window: time.Hour}},
		})
		if err != nil {
			t.Fatal(err)
		}
		slot, err := keyed.Throttle("a").Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slot.Hint(pipeline.Hint{Budget: "all", Remaining: 10, Reset: time.Minute})
		s := always(answer{})
		begin := time.Now()
		collect(pipeline.Attach(keyed.Throttle("b"), s.work).Cost(constant(10)).Run(t.Context(), feed(3)))
		wantStarts(t, s.starts(begin), seconds(0, 60, 60))
		slot.Release(nil)
	})
}

func TestHintOfAnUnknownBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			hint pipeline.Hint
			want time.Duration
		}{
			{pipeline.Hint{Budget: "tokens", Reset: time.Minute}, time.Minute},
			{pipeline.Hint{Budget: "tokens", Limit: 100, Remaining: 1, Reset: time.Minute}, 0}, // it does not count calls
			{pipeline.Hint{Budget: "tokens"}, 0},
			{pipeline.Hint{Budget: "tokens", RetryAfter: time.Second, Remaining: 1, Reset: time.Minute}, time.Second},
			{pipeline.Hint{Budget: "tokens", RetryAfter: time.Hour, Reset: time.Minute}, time.Hour},
			{pipeline.Hint{Budget: "requests", Requests: true, Limit: 100, Remaining: 0, Reset: time.Minute}, time.Minute}, // but these are calls
			{pipeline.Hint{Budget: "other", Requests: true, Limit: 100, Remaining: 50, Reset: time.Minute}, 0},             // and this one is known
		} {
			cfg := pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}, Budgets: []pipeline.Budget{{Name: "other", Tokens: 100, Window: time.Hour}}}
			wantStarts(t, hintedStarts(t, firstHints(c.hint, answer{}), cfg, 3), []time.Duration{0, c.want, c.want})
		}
	})
}

// TestNonsenseHintsDoNoHarm: nothing is lost, nothing waits longer than ten
// thousand hours, and what is below 0 holds nothing up.
func TestNonsenseHintsDoNoHarm(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		number := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, math.MaxInt64}))
		span := rapid.Custom(func(t *rapid.T) time.Duration { return time.Duration(number.Draw(t, "span")) })
		given := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pipeline.Hint {
			return pipeline.Hint{
				RetryAfter: span.Draw(t, "retry after"), Limit: number.Draw(t, "limit"), Remaining: number.Draw(t, "remaining"),
				Reset: span.Draw(t, "reset"), Budget: rapid.SampledFrom([]string{"", "budget0", "budget1", "nobody's"}).Draw(t, "budget"),
			}
		}), 0, 4).Draw(rt, "hints")
		return func(f *faults) {
			harmless := true
			for _, h := range given {
				harmless = harmless && h.RetryAfter <= 0 && h.Reset <= 0
			}
			s := &hinting{
				service: service{answer: func(int, int) answer { return answer{} }},
				hint: func(job, _ int) (pipeline.Hint, bool) {
					if job >= len(given) {
						return pipeline.Hint{}, false
					}
					return given[job], true
				},
			}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			begin := time.Now()
			all := collect(p.Cost(constant(5)).Run(context.Background(), feed(12)))
			took := time.Since(begin)
			f.check(len(all) == 12, "%d results of 12", len(all))
			f.check(took <= time.Duration(len(given)+1)*10_001*time.Hour, "took %v", took)
			f.check(!harmless || took < time.Minute, "took %v for nothing", took)
			for _, b := range p.Throttle().Snapshot().Budgets {
				f.check(b.Remaining >= 0 && b.Used >= 0, "%+v", b)
			}
		}
	})
}

func TestHintCountsAfterItsAttemptHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		var kept *pipeline.Slot
		pipeline.Execute(t.Context(), throttle, func(ctx context.Context) (int, error) {
			kept = pipeline.SlotFrom(ctx)
			return 0, nil
		})
		held, err := throttle.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		held.Release(nil)
		for _, slot := range []*pipeline.Slot{kept, held} { // nothing runs meanwhile
			slot.Hint(pipeline.Hint{RetryAfter: time.Minute})
			begin := time.Now()
			s := always(answer{})
			collect(pipeline.Attach(throttle, s.work).Run(t.Context(), feed(1)))
			wantStarts(t, s.starts(begin), seconds(60))
		}
		throttle.Close()
		kept.Hint(pipeline.Hint{RetryAfter: time.Minute})
		if left := throttle.Snapshot().PausedFor; left != time.Minute {
			t.Errorf("closed: paused for %v", left)
		}
	})
}

func TestHintOutsideAnAttemptDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{Policy: pipeline.Static{}})
		pipeline.SlotFrom(t.Context()).Hint(pipeline.Hint{RetryAfter: time.Minute})
		pipeline.SlotFrom(pipeline.WithCost(t.Context(), 1)).Hint(pipeline.Hint{Reset: time.Minute})
		if left := throttle.Snapshot().PausedFor; left != 0 {
			t.Errorf("paused for %v", left)
		}
	})
}

// A quota is a server that gives so many calls in each window and tells what is left,
// as most do: it counts a call when it comes, and answers when that is done.
type quota struct {
	mu      sync.Mutex
	limit   int64
	window  time.Duration
	takes   func() time.Duration
	begin   time.Time
	used    int64
	calls   int
	refused int
}

func (q *quota) call(ctx context.Context, hint pipeline.Hint) error {
	q.mu.Lock()
	if now := time.Now(); now.Sub(q.begin) >= q.window {
		q.begin, q.used = now.Truncate(q.window), 0
	}
	q.calls++
	end := q.begin.Add(q.window)
	hint.Limit = q.limit
	if q.used >= q.limit {
		q.refused++
		q.mu.Unlock()
		hint.Reset = time.Until(end)
		pipeline.SlotFrom(ctx).Hint(hint)
		return pipeline.Overloaded(errService, 0)
	}
	q.used++
	hint.Remaining = q.limit - q.used
	takes := q.takes()
	q.mu.Unlock()
	time.Sleep(takes)
	if hint.Reset = time.Until(end); hint.Reset > 0 {
		pipeline.SlotFrom(ctx).Hint(hint)
	}
	return nil
}

// The name of a budget says which quota is meant. It must not make the news of it any
// worse: what started after the attempt that brings them is not in them.
func TestNewsOfANamedBudgetDoNotLetMoreThroughThanIsLeft(t *testing.T) {
	const n = max(windows, 40) // in a dozen, one that goes badly is half of what is allowed
	for clients, most := range map[int]float64{
		1: 0,
		2: 0.05, // they do not know of each other's; 1.8% in the mean, 3.2% at most in sixty runs
	} {
		for _, shared := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d clients of one quota, shared %v", clients, shared), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					random := rand.New(rand.NewPCG(1, 2))
					q := &quota{limit: 100, window: 10 * time.Second, takes: func() time.Duration {
						return 100*time.Millisecond + time.Duration(random.ExpFloat64()*float64(time.Second))
					}}
					budget := []pipeline.Budget{{Name: "calls", Tokens: 100_000, Window: time.Minute, Requests: true}} // more than there is
					cfg := pipeline.Config{
						MaxConcurrency: 50, InitialConcurrency: 50, Policy: pipeline.Static{}, Retry: &pipeline.Retry{}, Seed: 1,
					}
					ctx, cancel := context.WithTimeout(t.Context(), n*q.window)
					defer cancel()
					var all sync.WaitGroup
					for range clients {
						var throttle *pipeline.Throttle
						if shared {
							k := newKeyed(t, pipeline.KeyedConfig[int]{Each: cfg, Shared: budget})
							throttle = k.Throttle(1)
						} else {
							cfg.Budgets = budget
							throttle = newThrottle(t, cfg)
						}
						p := pipeline.Attach(throttle, func(ctx context.Context, _ int) (int, error) {
							return 0, q.call(ctx, pipeline.Hint{Budget: "calls"})
						})
						all.Go(func() { collect(p.Run(ctx, endlessly(ctx))) })
					}
					all.Wait()
					if share := float64(q.refused) / float64(q.calls); share > most || q.calls < n*80 {
						t.Errorf("%d of %d calls were refused, %.2f%%, want at most %v%%", q.refused, q.calls, 100*share, 100*most)
					}
				})
			})
		}
	}
}

func TestNewsOfANamedBudgetDoNotCountWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			MaxConcurrency: 5, InitialConcurrency: 5, Policy: pipeline.Static{},
			Budgets: []pipeline.Budget{{Name: "calls", Tokens: 100, Window: time.Minute, Requests: true}},
		})
		first := mustAcquire(t, throttle)
		defer first.Release(nil)
		time.Sleep(time.Second)
		defer mustAcquire(t, throttle).Release(nil)
		first.Hint(pipeline.Hint{Budget: "calls", Limit: 2, Remaining: 1, Reset: 30 * time.Second}) // the second call takes it
		if left := throttle.Snapshot().Budgets[0].Remaining; left != 0 {
			t.Errorf("%d are left, want none", left)
		}
		begin := time.Now()
		defer mustAcquire(t, throttle).Release(nil)
		if passed := time.Since(begin); passed != 30*time.Second {
			t.Errorf("a third call starts after %v, want 30s", passed)
		}
	})
}

// TestASnapshotTellsAUsedUpQuotaFromAPause: what is used up is named, and a pause is one.
func TestASnapshotTellsAUsedUpQuotaFromAPause(t *testing.T) {
	for _, test := range []struct {
		hint  pipeline.Hint
		quota string
	}{
		{pipeline.Hint{RetryAfter: time.Minute}, ""},
		{pipeline.Hint{Limit: 10, Remaining: 0, Reset: time.Minute}, "requests"},
		{pipeline.Hint{Limit: 10, Remaining: 0, Reset: time.Minute, Budget: "tokens"}, "tokens"},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := pipeline.Attach(newThrottle(t, pipeline.Config{MaxConcurrency: 1}), firstHints(test.hint, answer{takes: time.Second}).work)
			done := make(chan struct{})
			go func() { defer close(done); collect(p.Run(t.Context(), feed(2))) }()
			time.Sleep(30 * time.Second)
			s := p.Throttle().Snapshot()
			if s.Quota != test.quota || s.HeldBy != pipeline.HeldByServer || s.PausedFor < 29*time.Second || s.PausedFor > 31*time.Second {
				t.Errorf("%+v: quota %q, held by %v for %v, want %q, held by the server for 30s", test.hint, s.Quota, s.HeldBy, s.PausedFor, test.quota)
			}
			<-done
		})
	}
}
