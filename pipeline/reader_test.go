package pipeline_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// stages are doors with a results channel, all of which do jobs that take so long.
var stages = map[string]func(t *testing.T, takes time.Duration, cfg pipeline.Config) pipeline.Stage[int, int]{
	"pipeline": func(t *testing.T, takes time.Duration, cfg pipeline.Config) pipeline.Stage[int, int] {
		return newLine(t, always(answer{takes: takes}), cfg)
	},
	"ordered": func(t *testing.T, takes time.Duration, cfg pipeline.Config) pipeline.Stage[int, int] {
		return newLine(t, always(answer{takes: takes}), cfg).Ordered()
	},
	"chain": func(t *testing.T, takes time.Duration, cfg pipeline.Config) pipeline.Stage[int, int] {
		return pipeline.Then(newLine(t, always(answer{takes: takes}), cfg), newLine(t, always(answer{takes: takes}), cfg))
	},
	"batch": func(t *testing.T, takes time.Duration, cfg pipeline.Config) pipeline.Stage[int, int] {
		p, err := pipeline.New(func(_ context.Context, in []int) ([]int, error) {
			time.Sleep(takes)
			return in, nil
		}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return pipeline.Batch(p, 10, time.Millisecond)
	},
}

func eachStage(t *testing.T, test func(t *testing.T, s func(takes time.Duration, cfg pipeline.Config) pipeline.Stage[int, int])) {
	for name, stage := range stages {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, func(takes time.Duration, cfg pipeline.Config) pipeline.Stage[int, int] { return stage(t, takes, cfg) })
			})
		})
	}
}

func TestReaderMayLeaveOnceTheContextIsDone(t *testing.T) {
	for _, takes := range []time.Duration{0, time.Millisecond, time.Minute} {
		for _, reads := range []int{0, 1, 100} {
			for _, slow := range []time.Duration{0, time.Second} {
				t.Run(fmt.Sprint(takes, reads, slow), func(t *testing.T) {
					eachStage(t, func(t *testing.T, stage func(time.Duration, pipeline.Config) pipeline.Stage[int, int]) {
						leave(t, stage(takes, pipeline.Config{Policy: pipeline.Static{}}), reads, slow)
						if stacks := ours(); len(stacks) > 0 {
							t.Errorf("%d goroutines are left, the first:\n%s", len(stacks), stacks[0])
						}
					})
				})
			}
		}
	}
}

// leave reads some results of a run, slowly, and leaves as users do: with a deferred cancel.
func leave(t *testing.T, s pipeline.Stage[int, int], reads int, slow time.Duration) {
	defer func() {
		time.Sleep(time.Hour)
		synctest.Wait()
	}()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var taken atomic.Int64
	results := s.Run(ctx, endless(ctx, &taken))
	time.Sleep(slow) // so that all that has room is inside
	for ; reads > 0; reads-- {
		<-results
		time.Sleep(slow)
	}
}

func TestResultsThatNobodyHasReadAreStillThereAfterTheEnd(t *testing.T) {
	eachStage(t, func(t *testing.T, stage func(time.Duration, pipeline.Config) pipeline.Stage[int, int]) {
		ctx, cancel := context.WithCancel(t.Context())
		var taken atomic.Int64
		results := stage(time.Millisecond, pipeline.Config{Policy: pipeline.Static{}}).Run(ctx, endless(ctx, &taken))
		time.Sleep(time.Minute)
		cancel()
		time.Sleep(time.Hour)
		if stacks := ours(); len(stacks) > 0 {
			t.Errorf("%d goroutines are left, the first:\n%s", len(stacks), stacks[0])
		}
		n := int64(0)
		for range results {
			n++
		}
		if n == 0 || n != taken.Load() {
			t.Errorf("%d jobs taken, %d came back", taken.Load(), n)
		}
	})
}

func TestReaderMayLeaveAfterAnUpdateToMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{takes: time.Minute}), pipeline.Config{Policy: pipeline.Static{}})
		ctx, cancel := context.WithCancel(t.Context())
		var taken atomic.Int64
		p.Run(ctx, endless(ctx, &taken))
		if err := p.Throttle().Update(pipeline.Config{MaxConcurrency: 5000, Policy: pipeline.Static{}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := taken.Load(); n < 500 || n > 2048+1 {
			t.Errorf("%d jobs taken, nobody reads", n)
		}
		cancel()
		time.Sleep(time.Hour)
		if stacks := ours(); len(stacks) > 0 {
			t.Errorf("%d goroutines are left, the first:\n%s", len(stacks), stacks[0])
		}
	})
}

// A reader who comes back after a pause is seen, at once if he reads fast, and whatever the
// throttle's clock.
func TestIntakeGoesOnWhenASlowReaderReads(t *testing.T) {
	eachStage(t, func(t *testing.T, stage func(time.Duration, pipeline.Config) pipeline.Stage[int, int]) {
		mock := clock.NewMock()
		s := stage(0, pipeline.Config{Policy: pipeline.Static{}, Clock: mock})
		jobs := make(chan int, 4*aRead)
		for i := range cap(jobs) {
			jobs <- i
		}
		close(jobs)
		n, start := 0, time.Now()
		for range s.Run(t.Context(), jobs) {
			if n++; n%aRead == 0 {
				time.Sleep(time.Minute)
			}
			mock.Add(time.Millisecond) // for the batches
		}
		if n != cap(jobs) {
			t.Errorf("got %d results, want %d", n, cap(jobs))
		}
		if waited := time.Since(start); waited > 5*time.Minute {
			t.Errorf("%d results took %v, the reader four minutes", n, waited)
		}
	})
}

// Who forgets to read the results sees a run that does nothing: it is said why, once. Somebody who
// reads slowly is not told.
func TestThatNobodyReadsIsSaidOnce(t *testing.T) {
	for _, slow := range []time.Duration{0, 5 * time.Second} { // 0: reads nothing
		t.Run(fmt.Sprint(slow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said atomic.Int64
				p := newPipeline(t, func(context.Context, int) (int, error) { return 0, nil }, pipeline.Config{
					OnEvent: func(e pipeline.Event) {
						if e.Kind == pipeline.EventNotRead {
							said.Add(1)
						}
					},
				})
				results := p.Run(t.Context(), feed(3000))
				read := 0
				if slow == 0 {
					time.Sleep(9 * time.Second)
					synctest.Wait()
					if said.Load() != 0 {
						t.Error("said after 9 s, want after ten")
					}
					time.Sleep(time.Hour)
				}
				for ; slow > 0 && read < 200; read++ {
					<-results
					time.Sleep(slow)
				}
				synctest.Wait()
				if want := map[bool]int64{true: 1}[slow == 0]; said.Load() != want {
					t.Errorf("said %d times, want %d", said.Load(), want)
				}
				for range results {
					read++
				}
				if read != 3000 {
					t.Errorf("got %d results, want 3000", read)
				}
			})
		})
	}
}
