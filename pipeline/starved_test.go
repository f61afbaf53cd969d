package pipeline_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// A run that has done all and whose channel is open is said so, once; not one whose jobs come
// now and then, nor one that has not got any yet, nor one whose results are not read yet.
func TestThatNobodyClosesTheChannelIsSaidOnce(t *testing.T) {
	for name, c := range map[string]struct {
		every time.Duration // a job comes
		jobs  int
		reads bool
		want  int64
	}{
		"open for ever":       {0, 20, true, 1},
		"a job now and then":  {9 * time.Second, 20, true, 0},
		"a pause, and more":   {11 * time.Second, 20, true, 1},
		"no job yet":          {0, 0, true, 0},
		"nobody has read yet": {0, 20, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said atomic.Int64
				p := newPipeline(t, func(context.Context, int) (int, error) { return 0, nil }, pipeline.Config{
					OnEvent: func(e pipeline.Event) {
						if e.Kind == pipeline.EventNotClosed {
							said.Add(1)
						}
					},
				})
				jobs := make(chan int)
				results := p.Run(t.Context(), jobs)
				read := make(chan int)
				begin := make(chan struct{})
				go func() {
					<-begin
					read <- len(collect(results))
				}()
				if c.reads {
					close(begin)
				}
				for i := range c.jobs {
					jobs <- i
					time.Sleep(c.every)
				}
				if c.every == 0 {
					time.Sleep(time.Hour)
				}
				synctest.Wait()
				if got := said.Load(); got != c.want {
					t.Errorf("said %d times, want %d", got, c.want)
				}
				close(jobs)
				if !c.reads {
					close(begin)
				}
				if got := <-read; got != c.jobs {
					t.Errorf("got %d results, want %d", got, c.jobs)
				}
			})
		})
	}
}

// A queue or a journal feeds a run as long as it is there.
func TestAQueueThatIsEmptyIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(t, func(context.Context, int) (int, error) { return 0, nil }, pipeline.Config{
			OnEvent: func(e pipeline.Event) { t.Errorf("got event %v, want none", e) },
		})
		ctx, cancel := context.WithCancel(stage.WithEndless(t.Context()))
		jobs := make(chan int)
		results := p.Run(ctx, jobs)
		jobs <- 1
		<-results
		time.Sleep(time.Hour)
		cancel()
		collect(results)
	})
}

// An iterator that gives nothing for a while is not a channel that nobody closes.
func TestASlowIteratorIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipeline(t, func(context.Context, int) (int, error) { return 0, nil }, pipeline.Config{
			OnEvent: func(e pipeline.Event) { t.Errorf("got event %v, want none", e) },
		})
		for range p.Each(t.Context(), func(yield func(int) bool) {
			for i := range 3 {
				time.Sleep(time.Minute)
				if !yield(i) {
					return
				}
			}
		}) {
		}
	})
}
