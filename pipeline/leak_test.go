package pipeline_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// ours returns the stacks of other goroutines that run our code.
func ours() (stacks []string) {
	synctest.Wait() // until those that are on their way out are gone
	buf := make([]byte, 1<<20)
	all := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	for _, stack := range all[1:] {
		if strings.Contains(stack, "runtime.runCleanups(") {
			continue // the runtime's own, which forgets what an earlier test has left
		}
		if strings.Contains(stack, "paceline/stage.") || strings.Contains(stack, "paceline/controller.") ||
			strings.Contains(stack, "paceline/pipeline.") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

func TestNoGoroutineOutlivesItsOwner(t *testing.T) {
	busy := everything()
	busy.AttemptTimeout = time.Second
	busy.Retry.BaseDelay = time.Second
	ten := func(yield func(int) bool) {
		for i := 0; i < 10 && yield(i); i++ {
		}
	}
	mixed := func() *service {
		return &service{answer: func(job, _ int) answer {
			return answer{ending: ending(job % int(hangs+1)), takes: time.Duration(job) * time.Millisecond}
		}}
	}
	for _, test := range []struct {
		name string
		run  func(t *testing.T, p *line)
	}{
		{"results closed", func(t *testing.T, p *line) { collect(p.Run(t.Context(), feed(30))) }},
		{"cancelled", func(t *testing.T, p *line) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			defer cancel()
			collect(p.Run(ctx, make(chan int)))
			collect(p.Run(ctx, feed(30)))
		}},
		{"drained", func(t *testing.T, p *line) {
			results := p.Run(t.Context(), make(chan int))
			if err := p.Throttle().Drain(t.Context()); err != nil {
				t.Error(err)
			}
			collect(results)
		}},
		{"left the loop", func(t *testing.T, p *line) {
			for range p.Each(t.Context(), ten) {
				break
			}
		}},
		{"panic in the jobs", func(t *testing.T, p *line) {
			defer func() { recover() }()
			for range p.Each(t.Context(), func(yield func(int) bool) { yield(0); yield(1); panic("jobs") }) {
			}
		}},
		{"panic in the loop", func(t *testing.T, p *line) {
			defer func() { recover() }()
			for range p.Each(t.Context(), ten) {
				panic("loop")
			}
		}},
		{"left by Goexit", func(t *testing.T, p *line) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range p.Each(t.Context(), ten) {
					runtime.Goexit()
				}
			}()
			<-done
		}},
		{"never looped over", func(t *testing.T, p *line) { p.Each(t.Context(), ten) }},
		{"only asked", func(t *testing.T, p *line) { p.Throttle().Snapshot() }},
		{"closed", func(t *testing.T, p *line) { p.Throttle().Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newLine(t, mixed(), busy)
				test.run(t, p)
				for _, stack := range ours() {
					t.Errorf("still there:\n%s", stack)
				}
			})
		})
	}
}

func TestDrainedThrottleRunsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{takes: time.Second})
		throttle := newThrottle(t, everything())
		for range 3 {
			go collect(pipeline.Attach(throttle, s.work).Run(context.Background(), feed(20)))
		}
		time.Sleep(1500 * time.Millisecond)
		if err := throttle.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		for _, stack := range ours() {
			t.Errorf("still there:\n%s", stack)
		}
	})
}
