package pipeline_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// comeBack has so many clients stopped at the same moment for a minute, and returns how
// long each of them stays away.
func comeBack(t *testing.T, clients int, how ending, each func(client int, cfg *pipeline.Config)) (away []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		for client := range clients {
			s := &service{answer: func(job, number int) answer {
				if job < 10 && number == 0 {
					return answer{ending: how, after: time.Minute}
				}
				return answer{}
			}}
			cfg := pipeline.Config{
				MaxConcurrency: 10, InitialConcurrency: 10, Policy: pipeline.Static{},
				Breaker: &pipeline.Breaker{Failures: 10, OpenFor: time.Minute},
				Retry:   &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: 1},
			}
			each(client, &cfg)
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			collect(pipeline.Attach(throttle, s.work).Run(t.Context(), feed(30)))
			starts := s.starts(begin)
			away = append(away, starts[slices.IndexFunc(starts, func(at time.Duration) bool { return at > time.Second })])
		}
	})
	return away
}

func TestNotAllClientsComeBackAtTheSameInstant(t *testing.T) {
	const clients = 20
	for name, how := range map[string]ending{"after a pause": refuses, "after an open circuit": fails} {
		t.Run(name, func(t *testing.T) {
			// Each client is told ten times to stay away, which must not draw ten times.
			away := comeBack(t, clients, how, func(client int, cfg *pipeline.Config) { cfg.Seed = uint64(client) + 1 })
			slices.Sort(away)
			if first, last := away[0], away[clients-1]; first < time.Minute || last > time.Minute+6*time.Second {
				t.Errorf("away from %v to %v, want a minute to a twentieth more, for each of pause and circuit", first, last)
			}
			if n := len(slices.Compact(slices.Clone(away))); n != clients {
				t.Errorf("only %d of %d come at a moment of their own: %v", n, clients, away)
			}
			if away[clients/2] > time.Minute+5*time.Second/2 || away[clients-1]-away[0] < time.Second {
				t.Errorf("not spread: %v", away)
			}

			same := comeBack(t, 2, how, func(_ int, cfg *pipeline.Config) { cfg.Seed = 7 })
			if same[0] != same[1] {
				t.Errorf("the same seed, but %v and %v", same[0], same[1])
			}
			none := comeBack(t, 2, how, func(_ int, cfg *pipeline.Config) { cfg.Spread = -1 })
			if none[0] != time.Minute && how == fails || none[0] != none[1] {
				t.Errorf("no spread: %v", none)
			}
		})
	}
}

func TestSpreadOfALongPauseIsAMinuteAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for seed := range uint64(50) {
			throttle := newThrottle(t, pipeline.Config{Spread: 1, Seed: seed + 1})
			throttle.RecordFailure(pipeline.Overloaded(errService, time.Hour))
			if left := throttle.Snapshot().PausedFor; left < time.Hour || left > time.Hour+time.Minute {
				t.Fatalf("paused for %v, want an hour and up to a minute", left)
			}
		}
	})
}

// A listener is a policy that changes nothing and keeps the pauses that it is told.
type listener struct {
	limit  int
	pauses *[]time.Duration
}

func (l listener) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	l.limit = b.MaxLimit
	return l, pipeline.Setting{Limit: l.limit}
}

func (l listener) Next(_ time.Time, o pipeline.Outcome) pipeline.Setting {
	if o.RetryAfter > 0 {
		*l.pauses = append(*l.pauses, o.RetryAfter)
	}
	return pipeline.Setting{Limit: l.limit}
}

// TestThePolicyIsToldAPauseAsItIsWaitedOut: the rest would look like time in which attempts
// might have been made.
func TestThePolicyIsToldAPauseAsItIsWaitedOut(t *testing.T) {
	for seed := range uint64(10) {
		var told []time.Duration
		away := comeBack(t, 1, refuses, func(_ int, cfg *pipeline.Config) {
			cfg.Seed, cfg.Policy, cfg.Breaker = seed+1, listener{pauses: &told}, nil
		})
		if len(told) == 0 {
			t.Fatal("told of no pause")
		}
		if pause := told[0]; pause <= time.Minute || away[0] < pause || away[0]-pause > time.Millisecond {
			t.Errorf("seed %d: told of %v, waited %v", seed, pause, away[0])
		}
	}
}
