package stage

import (
	"io"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

func TestRecordedOutcomeCountsAsAJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, budgeted(
			controller.Budget{Tokens: 100, Window: minute},
			controller.Budget{Tokens: 100, Window: minute, Requests: true},
		))
		time.Sleep(minute)
		s.Record(nil, second, 10)
		s.Record(io.EOF, time.Hour, 0) // began before there was anything of us
		s.Record(Fatal(io.EOF), 0, 5)
		s.RecordTokens(7)
		snap := s.Snapshot()
		if snap.Completed != 1 || snap.Failed != 2 || snap.Retries != 0 || snap.FailureCount != 1 {
			t.Errorf("%+v", snap)
		}
		if snap.Budgets[0].Used != 22 || snap.Budgets[1].Used != 3 {
			t.Errorf("%d tokens and %d requests used", snap.Budgets[0].Used, snap.Budgets[1].Used)
		}
		// What attempts use is learned from those that used something.
		if mean, _ := s.gate.usage.Mean(); mean != 8 {
			t.Errorf("a mean of %d, want that of 10 and 5", mean)
		}
	})
}

func TestRecordedUseIsWithinReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, budgeted(controller.Budget{Tokens: 100, Window: minute}))
		for range 3 {
			s.Record(nil, 0, math.MaxInt64)
			s.RecordTokens(math.MaxInt64)
		}
		if used := s.Snapshot().Budgets[0].Used; used != 6*mostTokens {
			t.Errorf("%d used", used)
		}
		if mean, _ := s.gate.usage.Mean(); mean != mostTokens {
			t.Errorf("a mean of %d", mean)
		}
		time.Sleep(minute)
		if err := s.Do(t.Context(), s.work("call", 0)); err != nil {
			t.Error(err)
		}
	})
}

// What was recorded has begun before, but not before there was anything of us.
func TestRecordedOutcomeHasATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{}
		s := newStand(t, 2, func(cfg *Config) { cfg.Controller.Policy = l })
		time.Sleep(minute)
		s.Record(io.EOF, second, 5)
		s.Record(nil, time.Hour, 0)
		s.Snapshot()
		for i, want := range []controller.Outcome{
			{Verdict: failed, Start: s.begin.Add(59 * second), Took: second, Tokens: 5},
			{Verdict: succeeded, Start: s.begin, Took: time.Hour},
		} {
			want.Final, want.InFlight = true, 1
			if l.told[i] != want {
				t.Errorf("got %+v, want %+v", l.told[i], want)
			}
		}
	})
}

// Whatever Classify does, Record returns or ends with its goroutine, and books.
func TestRecordSurvivesItsCallbacks(t *testing.T) {
	for name, classify := range map[string]func(error) controller.Verdict{
		"panics": func(error) controller.Verdict { panic("oh") },
		"exits":  func(error) controller.Verdict { runtime.Goexit(); return failed },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 2, breakingBy(controller.Breaker{Failures: 1}), func(cfg *Config) { cfg.Classify = classify })
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.Record(io.EOF, 0, 5)
			}()
			<-done
			if snap := s.Snapshot(); snap.Failed != 1 || snap.FailureCount != 0 || snap.Circuit != controller.BreakerClosed {
				t.Errorf("%s: %+v", name, snap)
			}
		})
	}
}
