package pipeline_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func seconds(n ...int) (all []time.Duration) {
	for _, n := range n {
		all = append(all, time.Duration(n)*time.Second)
	}
	return all
}

func TestBackoffsAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			retry pipeline.Retry
			want  []time.Duration
		}{
			{pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: 2 * time.Second}, seconds(0, 2, 4, 6, 8, 10)},
			{pipeline.Retry{Backoff: pipeline.Exponential, MaxDelay: 5 * time.Second}, seconds(0, 1, 3, 7, 12, 17)},
			{pipeline.Retry{Backoff: pipeline.Exponential, Multiplier: 3}, seconds(0, 1, 4, 13, 40, 100)},
		} {
			for _, test.retry.Park = range []bool{false, true} {
				test.retry.MaxAttempts = 6
				s := always(answer{ending: fails})
				begin := time.Now()
				runAll(t, s, pipeline.Config{Policy: pipeline.Static{}, Retry: &test.retry}, 1)
				if got := s.starts(begin); !slices.Equal(got, test.want) {
					t.Errorf("%v, park %v: starts at %v, want %v", test.retry.Backoff, test.retry.Park, got, test.want)
				}
			}
		}
	})
}

func TestJitteredBackoffsAreWithinTheExponentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{ending: fails})
		runAll(t, s, pipeline.Config{MaxConcurrency: 200, Policy: pipeline.Static{}, Seed: 3, Retry: &pipeline.Retry{MaxAttempts: 4}}, 200)
		var sum time.Duration
		for job := range 200 {
			log := s.of(job)
			for i := 1; i < len(log); i++ {
				pause := log[i].start.Sub(log[i-1].end)
				if most := time.Second << (i - 1); pause < 0 || pause > most {
					t.Errorf("pause %d: %v, want at most %v", i, pause, most)
				}
				sum += pause
			}
		}
		if mean := sum / 200; mean < 3*time.Second || mean > 4*time.Second { // half of 1 + 2 + 4
			t.Errorf("mean of all pauses of a job: %v, want about 3.5s", mean)
		}
	})
}

// twoJobs returns when each job starts, with one slot, if the first one of job
// 0 fails.
func twoJobs(t *testing.T, park bool) (first, second []time.Duration) {
	s := &service{answer: func(job, number int) answer {
		if job == 0 && number == 0 {
			return answer{ending: fails}
		}
		return answer{takes: time.Second}
	}}
	begin := time.Now()
	runAll(t, s, pipeline.Config{MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{
		Backoff: pipeline.Fixed, BaseDelay: 10 * time.Second, Park: park,
	}}, 2)
	for _, a := range s.log {
		if a.job == 0 {
			first = append(first, a.start.Sub(begin))
		} else {
			second = append(second, a.start.Sub(begin))
		}
	}
	return first, second
}

func TestSlotIsHeldWhileBackingOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := twoJobs(t, false)
		if !slices.Equal(first, seconds(0, 10)) || !slices.Equal(second, seconds(11)) {
			t.Errorf("first job at %v, second at %v", first, second)
		}
	})
}

func TestParkFreesTheSlotWhileBackingOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := twoJobs(t, true)
		if !slices.Equal(first, seconds(0, 10)) || !slices.Equal(second, seconds(0)) {
			t.Errorf("first job at %v, second at %v", first, second)
		}
	})
}

func TestRetriesGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(job, number int) answer {
			if job == 0 && number == 0 {
				return answer{ending: fails}
			}
			return answer{takes: time.Second}
		}}
		runAll(t, s, pipeline.Config{MaxConcurrency: 1, Retry: &pipeline.Retry{
			Backoff: pipeline.Fixed, BaseDelay: 1500 * time.Millisecond, Park: true,
		}}, 20)
		if a := s.log[3]; a.job != 0 || a.number != 1 {
			t.Errorf("job %d started when the first one's retry was due", a.job)
		}
	})
}

func TestSlotTellsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{ending: fails})
		var told []int
		p, err := pipeline.New(func(ctx context.Context, job int) (int, error) {
			told = append(told, pipeline.SlotFrom(ctx).Attempt())
			return s.work(ctx, job)
		}, pipeline.Config{Retry: &pipeline.Retry{MaxAttempts: 4}})
		if err != nil {
			t.Fatal(err)
		}
		collect(p.Run(t.Context(), feed(1)))
		if !slices.Equal(told, []int{0, 1, 2, 3}) {
			t.Errorf("attempts %v", told)
		}
		if slot := pipeline.SlotFrom(t.Context()); slot == nil || slot.Attempt() != 0 {
			t.Errorf("slot outside an attempt: %v", slot)
		}
		pipeline.SlotFrom(t.Context()).RecordTokens(5) // and nothing happens
	})
}

func TestAttemptTimeoutEndsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{answer: func(_, number int) answer {
			if number < 2 {
				return answer{ending: hangs}
			}
			return answer{takes: time.Second - 1}
		}}
		r := runAll(t, s, pipeline.Config{AttemptTimeout: time.Second, Retry: &pipeline.Retry{
			Backoff: pipeline.Fixed, BaseDelay: time.Minute,
		}}, 1)[0]
		if r.Err != nil || r.Attempts != 3 || r.Took != 2*time.Minute+3*time.Second-1 {
			t.Errorf("%d attempts in %v: %v", r.Attempts, r.Took, r.Err)
		}
	})
}
