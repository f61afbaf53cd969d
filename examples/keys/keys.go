package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// newPool returns a pool of the keys. Its throttles are told nothing of their limits.
func (s settings) newPool() (*pipeline.Pool[string], error) {
	var members []pipeline.Member[string]
	for _, key := range s.keys {
		members = append(members, pipeline.Member[string]{Name: key, Value: key, Config: pipeline.Config{
			MaxConcurrency: 50,
			AttemptTimeout: 10 * time.Second,
			Retry:          &pipeline.Retry{},
			Breaker:        &pipeline.Breaker{Failures: 20, OpenFor: time.Second},
		}})
	}
	return pipeline.NewPool(members...)
}

// ask is one attempt: a request with one of the keys.
func (s settings) ask(ctx context.Context, key string, n int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s?n=%d", s.url, n), nil)
	if err != nil {
		return "", pipeline.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	return pacehttp.Attempt(nil, req, func(res *http.Response) (string, error) {
		text, err := io.ReadAll(res.Body)
		return strings.TrimSpace(string(text)), err
	})
}

// work does all jobs, and calls for as long as there are any. After Ctrl-C, what was taken is
// finished, within a minute.
func (s settings) work(ctx context.Context, out io.Writer) (*summary, error) {
	if s.url == "" {
		embedded, err := startService(s.keys, s.away)
		if err != nil {
			return nil, err
		}
		defer embedded.close()
		s.url = embedded.url
	}
	defer http.DefaultClient.CloseIdleConnections()
	pool, err := s.newPool()
	if err != nil {
		return nil, err
	}

	end, err := s.servePage(pool, out)
	if err != nil {
		return nil, err
	}
	defer end()

	sum := &summary{settings: s, by: make(map[string]int), began: time.Now()}
	lines := log.New(out, "", 0)
	lines.Printf("%d bulk jobs and a call every %v, by %d keys", s.bulk, s.every, len(s.keys))
	done := make(chan struct{})
	var beside sync.WaitGroup
	beside.Go(func() { sum.calls = s.call(ctx, pool, done) })
	beside.Go(func() { s.watch(lines, pool, sum.began, done) })
	p := pipeline.ByChoice(pool, s.ask)
	for r := range p.Each(ctx, count(s.bulk)) {
		if r.Err != nil {
			sum.failed = append(sum.failed, r.Err)
			continue
		}
		sum.by[r.Key]++
	}
	close(done)
	sum.took, sum.ended = time.Since(sum.began), pipeline.Interrupted(ctx) != nil
	beside.Wait()
	return sum, nil
}

func count(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// A call is one that was made by itself.
type call struct {
	took time.Duration
	err  error
}

// call makes calls until done or the pool is closed, and returns those that were answered or have
// failed, when all have ended.
func (s settings) call(ctx context.Context, pool *pipeline.Pool[string], done <-chan struct{}) (calls []call) {
	var all sync.WaitGroup
	var mu sync.Mutex
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
		case <-pool.Done():
			done = pool.Done()
		case <-done:
		}
		if closed(done) {
			all.Wait()
			return calls
		}
		all.Go(func() {
			began := time.Now()
			_, err := pipeline.ExecuteAny(ctx, pool, func(ctx context.Context, key string) (string, error) {
				return s.ask(ctx, key, -n)
			})
			if errors.Is(err, pipeline.ErrClosed) {
				return // Ctrl-C came before it
			}
			mu.Lock()
			defer mu.Unlock()
			calls = append(calls, call{time.Since(began), err})
		})
	}
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// watch says now and then what each key does.
func (s settings) watch(lines *log.Logger, pool *pipeline.Pool[string], began time.Time, done <-chan struct{}) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			snapshot := pool.Snapshot()
			slices.SortFunc(snapshot.Keys, func(a, b pipeline.KeySnapshot[string]) int { return strings.Compare(a.Key, b.Key) })
			for _, k := range snapshot.Keys {
				lines.Printf("%4.0fs  key %s: %v", time.Since(began).Seconds(), k.Key, k.Snapshot)
			}
		}
	}
}
