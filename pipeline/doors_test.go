package pipeline_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

func TestAbsentReaderHoldsUpHisOwnDoorAlone(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		cfg := drawConfig(rt)
		cfg.Budgets, cfg.Breaker, cfg.AttemptTimeout = nil, nil, 0
		absent := rapid.IntRange(1, 3).Draw(rt, "absent")
		ordered := rapid.Bool().Draw(rt, "ordered")
		jobs := rapid.IntRange(0, 100).Draw(rt, "jobs")
		answers := drawAnswers(rt, cfg, 10)
		return func(f *faults) {
			s := &service{answer: func(job, number int) answer { return answers(job%10, number) }}
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			ctx, cancel := context.WithCancel(context.Background())
			var unread []<-chan result
			for range absent {
				p := pipeline.Attach(throttle, s.work)
				if ordered {
					p.Ordered()
				}
				jobs := make(chan int, 200)
				for i := range cap(jobs) {
					jobs <- i
				}
				unread = append(unread, p.Run(ctx, jobs))
			}
			time.Sleep(time.Second)
			ended := make(chan struct{})
			at(24*time.Hour, ended, func() {
				f.add("the reader who reads is held up: %+v", throttle.Snapshot())
				cancel()
			})
			n := len(collect(pipeline.Attach(throttle, s.work).Run(ctx, feed(jobs))))
			f.check(n == jobs, "%d results of %d", n, jobs)
			close(ended)
			cancel()
			for _, results := range unread {
				collect(results)
			}
		}
	})
}

func TestDoorsThatHaveWorkTakeTurns(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		doors := rapid.IntRange(2, 5).Draw(rt, "doors")
		limit := rapid.IntRange(1, 10).Draw(rt, "limit")
		interval := rapid.SampledFrom([]time.Duration{0, time.Microsecond, time.Millisecond}).Draw(rt, "interval")
		const jobs = 30
		return func(f *faults) {
			s := always(answer{takes: time.Millisecond})
			throttle, err := pipeline.NewThrottle(pipeline.Config{
				MaxConcurrency: limit, MinDispatchInterval: interval, Policy: pipeline.Static{},
			})
			if err != nil {
				f.add("%v", err)
				return
			}
			var all sync.WaitGroup
			begin := make(chan struct{})
			for d := range doors {
				work := func(ctx context.Context, _ int) (int, error) { return s.work(ctx, d) }
				all.Go(func() {
					<-begin
					collect(pipeline.Attach(throttle, work).Run(context.Background(), feed(jobs)))
				})
			}
			synctest.Wait()
			close(begin)
			all.Wait()
			counts := make([]int, doors)
			for _, a := range s.log {
				counts[a.job]++
				least, most := jobs, 0
				for _, n := range counts {
					least, most = min(least, n), max(most, n)
				}
				if most < jobs { // all have work
					f.check(most-least <= limit+3, "started of each door: %v, limit %d", counts, limit)
				}
			}
		}
	})
}
