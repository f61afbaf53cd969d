package pipeline_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

func flatMap(t testing.TB, cfg pipeline.Config, work pipeline.FlatWork[int, int]) (*pipeline.FlatPipeline[int, int], *pipeline.Throttle) {
	t.Helper()
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.FlatMap(throttle, work), throttle
}

func upTo(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i++ {
		}
	}
}

// TestTheSlowestReaderSetsThePace: one job has ten thousand results, and each of them waits until the
// reader takes it, so that memory is flat.
func TestTheSlowestReaderSetsThePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const results = 10_000
		var emitted atomic.Int64
		p, _ := flatMap(t, pipeline.Config{}, func(_ context.Context, _ int, out *pipeline.Emitter[int, int]) error {
			for i := range results {
				if err := out.Emit(i); err != nil {
					return err
				}
				emitted.Add(1)
			}
			return nil
		})
		began, got, ends := time.Now(), 0, 0
		for piece := range p.Each(t.Context(), upTo(1)) {
			if piece.End {
				if ends++; piece.Err != nil || piece.Index != results || piece.Attempts != 1 {
					t.Errorf("got %+v, want the end of %d results", piece, results)
				}
				continue
			}
			if piece.Out != got || piece.Index != got || ends > 0 {
				t.Fatalf("got %+v as number %d", piece, got)
			}
			got++
			time.Sleep(time.Second)
			synctest.Wait()
			if ahead := int(emitted.Load()) - got; ahead > 0 {
				t.Fatalf("%d results wait for the reader", ahead)
			}
		}
		if took := time.Since(began); got != results || ends != 1 || took != results*time.Second {
			t.Errorf("got %d results and %d ends in %v", got, ends, took)
		}
	})
}

// TestNoResultIsHandedOutTwice: whatever fails, is tried again, is cancelled or closed, each result of a job
// comes once, in order, and the job has one end.
func TestNoResultIsHandedOutTwice(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.AttemptTimeout = 0
		jobs := rapid.IntRange(0, 20).Draw(rt, "jobs")
		answers := drawAnswers(rt, cfg, jobs)
		many := rapid.SliceOfN(rapid.IntRange(0, 9), 20, 20).Draw(rt, "results")
		upToFailure := rapid.SliceOfN(rapid.IntRange(0, 9), 20, 20).Draw(rt, "until it fails")
		resumes := rapid.Bool().Draw(rt, "resumes")
		cancelAt, closeAt := drawMoment(rt, "cancelAt"), drawMoment(rt, "closeAt")
		breaks := rapid.SampledFrom([]int{0, 0, 1, 7}).Draw(rt, "breaks")
		slow := rapid.SampledFrom([]time.Duration{0, time.Millisecond, 20 * time.Millisecond}).Draw(rt, "slow")
		return func(f *faults) {
			s := &service{answer: answers}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			p := pipeline.FlatMap(throttle, func(ctx context.Context, job int, out *pipeline.Emitter[int, int]) error {
				first := 0
				if resumes {
					first = out.Resume()
				}
				emit := func(to int) error {
					for ; first < to; first++ {
						if err := out.Emit(100*job + first); err != nil {
							return err
						}
					}
					return nil
				}
				if err := emit(min(many[job], upToFailure[(job+pipeline.SlotFrom(ctx).Attempt())%20])); err != nil {
					return err
				}
				if _, err := s.work(ctx, job); err != nil {
					return err
				}
				return emit(many[job])
			})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan struct{})
			defer close(ended)
			at(cancelAt, ended, cancel)
			at(closeAt, ended, throttle.Close)
			taken, looks, broken := 0, 0, false
			next, ends := make([]int, jobs), make([]int, jobs)
			for piece := range p.Each(ctx, func(yield func(int) bool) {
				for job := range jobs {
					if taken++; !yield(job) {
						return
					}
				}
			}) {
				job := piece.In
				f.check(ends[job] == 0 && piece.Index == next[job], "job %d: got index %d, want %d, and nothing after the end", job, piece.Index, next[job])
				if piece.End {
					ends[job]++
					f.check(piece.Err != nil || next[job] == many[job], "job %d: got %d results, want %d", job, next[job], many[job])
				} else {
					f.check(piece.Out == 100*job+next[job], "job %d: got %d as result %d", job, piece.Out, next[job])
					next[job]++
				}
				time.Sleep(slow)
				if looks++; looks == breaks {
					broken = true
					break
				}
			}
			for job := range taken {
				f.check(broken || ends[job] == 1, "job %d: got %d ends, want one", job, ends[job])
			}
		}
	})
}

func TestAnEmitterResumesBeforeItEmits(t *testing.T) {
	p, _ := flatMap(t, pipeline.Config{}, func(_ context.Context, n int, out *pipeline.Emitter[int, int]) error {
		err := out.Emit(n)
		out.Resume()
		return err
	})
	all := slices.Collect(p.Each(t.Context(), upTo(1)))
	if panicked := new(pipeline.PanicError); len(all) != 2 || !errors.As(all[1].Err, &panicked) {
		t.Errorf("got %v, want a result, and a panic as the job's error", all)
	}
}

func TestAFlatPipelineHasCostAndWeight(t *testing.T) {
	p, throttle := flatMap(t, pipeline.Config{
		Budgets: []pipeline.Budget{{Tokens: 100, Window: time.Hour}}, Rate: &pipeline.Rate{PerSecond: 1, Burst: 10},
	}, func(context.Context, int, *pipeline.Emitter[int, int]) error { return nil })
	p.Cost(func(n int) int64 { return 10 + int64(n) }).Weight(func(n int) float64 { return float64(11 * n) })
	all := slices.Collect(p.Each(t.Context(), upTo(2)))
	heavy := new(pipeline.WeightError)
	if slices.SortFunc(all, func(a, b pipeline.Piece[int, int]) int { return a.In - b.In }); len(all) != 2 || all[0].Err != nil || !errors.As(all[1].Err, &heavy) {
		t.Errorf("got %v, want that the second is too heavy", all)
	}
	if used := throttle.Snapshot().TokensUsed; used != 10 {
		t.Errorf("got %d tokens used, want 10", used)
	}
}

func TestAPanicComesOutOfAFlatLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := flatMap(t, pipeline.Config{}, func(_ context.Context, n int, out *pipeline.Emitter[int, int]) error { return out.Emit(n) })
		wantPanic(t, "jobs", func() {
			for range p.Each(t.Context(), func(yield func(int) bool) { yield(0); panic("jobs") }) {
			}
		})
		wantPanic(t, "body", func() {
			for range p.Each(t.Context(), upTo(3)) {
				panic("body")
			}
		})
	})
}

// TestARetryLeavesOutWhatWasHandedOut: of five results, the first attempt has handed out three.
func TestARetryLeavesOutWhatWasHandedOut(t *testing.T) {
	p, _ := flatMap(t, pipeline.Config{Retry: &pipeline.Retry{BaseDelay: 1}}, func(ctx context.Context, _ int, out *pipeline.Emitter[int, int]) error {
		for i := range 5 {
			if i == 3 && pipeline.SlotFrom(ctx).Attempt() == 0 {
				return errService
			}
			if err := out.Emit(i); err != nil {
				return err
			}
		}
		return nil
	})
	var got []int
	for piece := range p.Each(t.Context(), upTo(1)) {
		if piece.End {
			if piece.Err != nil || piece.Attempts != 2 || piece.Index != 5 {
				t.Errorf("got %+v, want the end of five results after two attempts", piece)
			}
			continue
		}
		got = append(got, piece.Out)
	}
	if !slices.Equal(got, []int{0, 1, 2, 3, 4}) {
		t.Errorf("got %v, want each once", got)
	}
}
