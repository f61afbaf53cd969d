package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// heard is what the program's own logger was told. It may be written by any goroutine.
type heard struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *heard) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *heard) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The five commonest mistakes each look like a hang or a crawl. Each ends in a sentence that names
// it, within a minute and a half, in a program that has set no logger.
func TestNothingHangsSilently(t *testing.T) {
	fails := func(err error) pipeline.Work[int, int] {
		return func(context.Context, int) (int, error) { return 0, err }
	}
	works := func(context.Context, int) (int, error) { return 0, nil }
	for _, c := range []struct {
		mistake string
		work    pipeline.Work[int, int]
		cfg     pipeline.Config
		cost    int64
		open    bool // nobody closes the channel
		unread  bool // nobody reads the results
		want    []string
	}{
		{mistake: "work that always fails", work: fails(errors.New("connection refused")),
			want: []string{"nothing has succeeded yet", "connection refused"}},
		{mistake: "work that always fails, tried again", work: fails(errors.New("connection refused")), cfg: pipeline.Config{Retry: &pipeline.Retry{}},
			want: []string{"nothing has succeeded yet", "connection refused"}},
		{mistake: "everything marked as refused", work: fails(pipeline.Overloaded(errors.New("bad row"), 0)), cfg: pipeline.Config{Retry: &pipeline.Retry{}},
			want: []string{"nothing has succeeded yet", "refused by the service", "bad row"}},
		{mistake: "everything marked as refused for a second", work: fails(pipeline.Overloaded(errors.New("bad row"), time.Second)), cfg: pipeline.Config{Retry: &pipeline.Retry{}},
			want: []string{"nothing has succeeded yet", "refused by the service", "bad row"}},
		{mistake: "everything marked as refused for a minute", work: fails(pipeline.Overloaded(errors.New("bad row"), time.Minute)), cfg: pipeline.Config{Retry: &pipeline.Retry{}},
			want: []string{"nothing has succeeded yet", "refused by the service", "bad row"}},
		{mistake: "nobody reads", work: works, unread: true,
			want: []string{"nobody reads the results", "read the channel until it is closed"}},
		{mistake: "nobody closes the channel", work: works, open: true,
			want: []string{"close the channel of jobs"}},
		{mistake: "a budget smaller than a job", work: works, cost: 200, cfg: pipeline.Config{Budgets: []pipeline.Budget{{Name: "tokens", Tokens: 100, Window: time.Minute}}},
			want: []string{"cost", "200", "100", "tokens"}},
		{mistake: "a budget smaller than what a job turns out to use", work: func(ctx context.Context, _ int) (int, error) {
			pipeline.SlotFrom(ctx).RecordTokens(200)
			return 0, nil
		}, cfg: pipeline.Config{Budgets: []pipeline.Budget{{Name: "tokens", Tokens: 100, Window: time.Minute}}},
			want: []string{"used more than all of a budget", "budget=tokens", "the budget tokens is used up"}},
	} {
		t.Run(c.mistake, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := new(heard)
				before := slog.Default()
				defer slog.SetDefault(before)
				slog.SetDefault(slog.New(slog.NewTextHandler(said, nil)))
				ctx, cancel := context.WithCancel(t.Context())
				p := newPipeline(t, c.work, c.cfg)
				if c.cost > 0 {
					p.Cost(func(int) int64 { return c.cost })
				}
				jobs := make(chan int, 3000)
				for i := range cap(jobs) {
					if c.open && i == 20 {
						break
					}
					jobs <- i
				}
				if !c.open {
					close(jobs)
				}
				results := p.Run(ctx, jobs)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					if c.unread {
						<-ctx.Done()
						return
					}
					for r := range results {
						if r.Err != nil {
							slog.Error("as a program may print it", "error", r.Err)
						}
					}
				}()
				select {
				case <-ended:
				case <-time.After(90 * time.Second):
				}
				slog.Info(p.Throttle().Snapshot().String())
				for _, want := range c.want {
					if !strings.Contains(said.String(), want) {
						t.Errorf("got %.1500s\nwant %q in it", said, want)
					}
				}
				cancel()
				<-ended
				for range results {
				}
			})
		})
	}
}

// A budget of tokens that is smaller than what a job uses is told of once; one that is as large, or of
// requests, is not.
func TestABudgetThatIsTooSmallIsToldOnce(t *testing.T) {
	for name, c := range map[string]struct {
		budget pipeline.Budget
		want   int64
	}{
		"too small":   {pipeline.Budget{Tokens: 199, Window: time.Second}, 1},
		"just enough": {pipeline.Budget{Tokens: 200, Window: time.Second}, 0},
		"of requests": {pipeline.Budget{Tokens: 1, Window: time.Second, Requests: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said atomic.Int64
				p := newPipeline(t, func(ctx context.Context, _ int) (int, error) {
					pipeline.SlotFrom(ctx).RecordTokens(200)
					return 0, nil
				}, pipeline.Config{Budgets: []pipeline.Budget{c.budget}, OnEvent: func(e pipeline.Event) {
					if e.Kind == pipeline.EventBudgetTooSmall {
						said.Add(1)
					}
				}})
				if n := len(collect(p.Run(t.Context(), feed(5)))); n != 5 {
					t.Errorf("got %d results, want 5", n)
				}
				synctest.Wait()
				if got := said.Load(); got != c.want {
					t.Errorf("said %d times, want %d", got, c.want)
				}
			})
		})
	}
}
