package pipeline_test

import (
	"context"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// TestEachPromiseIsATestOfThatName finds the test of each promise that the README, and the page of growing
// runs, make under "What always holds".
func TestEachPromiseIsATestOfThatName(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var tests []byte
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, text...)
	}
	for page, least := range map[string]int{"../README.md": 7, "docs/growing.md": 4} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		_, promises, _ := strings.Cut(string(text), "\n## What always holds\n")
		promises, _, _ = strings.Cut(promises, "\n## ")
		bold := regexp.MustCompile(`(?m)^- \*\*(.+?)\*\*`).FindAllStringSubmatch(promises, -1)
		if len(bold) < least {
			t.Fatalf("%s makes %d promises", page, len(bold))
		}
		for _, promise := range bold {
			if name := testOf(promise[1]); !strings.Contains(string(tests), "\nfunc "+name+"(t *testing.T)") {
				t.Errorf("%s: %q: there is no %s", page, promise[1], name)
			}
		}
	}
}

// testOf is the name of a promise's test: "Hold, don't burn." is TestHoldDontBurn.
func testOf(promise string) string {
	name := "Test"
	for _, word := range strings.Fields(promise) {
		letters := []rune(regexp.MustCompile(`[^\pL\pN]`).ReplaceAllString(word, ""))
		name += strings.ToUpper(string(letters[:1])) + string(letters[1:])
	}
	return name
}

// TestHoldDontBurn: while the circuit is open or the budget is empty, nothing starts and
// nothing is taken any more, no job fails for that, and those that were taken wait.
func TestHoldDontBurn(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		max := rapid.IntRange(1, 20).Draw(rt, "max")
		failures := rapid.IntRange(1, 5).Draw(rt, "failures")
		tokens := rapid.Int64Range(1, 50).Draw(rt, "tokens")
		open := rapid.Bool().Draw(rt, "open") // or else a budget is empty
		ordered := rapid.Bool().Draw(rt, "ordered")
		takes := rapid.SampledFrom([]time.Duration{0, time.Millisecond, time.Second}).Draw(rt, "takes")
		return func(f *faults) {
			cfg := pipeline.Config{MaxConcurrency: max, Policy: pipeline.Static{}}
			s := always(answer{takes: takes})
			if open {
				cfg.Breaker = &pipeline.Breaker{Failures: failures, OpenFor: time.Hour}
				s = always(answer{takes: takes, ending: fails})
			} else {
				cfg.Budgets = []pipeline.Budget{{Tokens: tokens, Window: time.Hour, Requests: true}}
			}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			if ordered {
				p.Ordered()
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var taken, burned atomic.Int64
			results := p.Run(ctx, endless(ctx, &taken))
			done := make(chan int)
			go func() {
				n := 0
				for r := range results {
					if n++; r.Err != nil && r.Attempts > 0 {
						burned.Add(1)
					}
				}
				done <- n
			}()
			time.Sleep(30 * time.Minute)
			synctest.Wait()
			started, inside, lost := s.count(), taken.Load(), burned.Load()
			time.Sleep(29 * time.Minute)
			synctest.Wait()
			f.check(s.count() == started, "%d attempts started while there was nothing to start for", s.count()-started)
			f.check(taken.Load() == inside, "%d jobs taken meanwhile", taken.Load()-inside)
			f.check(burned.Load() == lost, "%d jobs burned meanwhile", burned.Load()-lost)
			f.check(int(inside) <= started+8*max+16, "%d jobs taken for %d attempts, max %d", inside, started, max)
			if !open {
				f.check(started == int(tokens) && lost == 0, "%d attempts and %d lost, want %d and none", started, lost, tokens)
			}
			cancel()
			n := <-done
			f.check(n == int(taken.Load()), "%d jobs taken, %d came back", taken.Load(), n)
		}
	})
}

// TestTheAttemptIsWhatMeetsTheServer: each attempt, retries included, passes the limit,
// the pace, the rate and the budget.
func TestTheAttemptIsWhatMeetsTheServer(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		jobs := rapid.IntRange(1, 40).Draw(rt, "jobs")
		cfg := pipeline.Config{
			MaxConcurrency:      rapid.IntRange(1, 10).Draw(rt, "max"),
			MinDispatchInterval: rapid.SampledFrom([]time.Duration{0, time.Millisecond, 20 * time.Millisecond}).Draw(rt, "interval"),
			Policy:              pipeline.Static{},
			Rate:                &pipeline.Rate{PerSecond: 50, Burst: float64(rapid.IntRange(1, 5).Draw(rt, "burst"))},
			Budgets: []pipeline.Budget{{
				Tokens: rapid.Int64Range(1, 30).Draw(rt, "tokens"), Window: time.Second, Requests: true,
			}},
			Retry: &pipeline.Retry{
				MaxAttempts: 4, BaseDelay: time.Millisecond, Park: rapid.Bool().Draw(rt, "park"), Backoff: pipeline.Fixed,
			},
			Seed: 1,
		}
		answers := drawAnswers(rt, cfg, jobs)
		return func(f *faults) {
			s := &service{answer: answers}
			p, err := pipeline.New(s.work, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			collect(p.Run(context.Background(), feed(jobs)))
			for i, a := range s.log {
				f.check(a.inFlight <= cfg.MaxConcurrency, "attempt %d: %d in flight, limit %d", i, a.inFlight, cfg.MaxConcurrency)
				if i > 0 {
					gap := a.start.Sub(s.log[i-1].start)
					f.check(gap >= cfg.MinDispatchInterval, "attempt %d: a gap of %v, want %v", i, gap, cfg.MinDispatchInterval)
				}
				within := func(d time.Duration) int {
					return len(slices.DeleteFunc(slices.Clone(s.log[:i+1]), func(b *attempt) bool { return a.start.Sub(b.start) >= d }))
				}
				n := within(time.Second)
				f.check(n <= int(cfg.Budgets[0].Tokens), "attempt %d: %d within a second, budget %d", i, n, cfg.Budgets[0].Tokens)
				most := int(cfg.Rate.Burst + cfg.Rate.PerSecond*0.1 + 1e-6)
				n = within(100 * time.Millisecond)
				f.check(n <= most+1, "attempt %d: %d within 0.1 s, the rate allows %d", i, n, most)
			}
		}
	})
}

// TestYourCodeCannotWedgeIt: whichever callbacks panic, block or end their goroutine, and
// whenever they do, each job comes back, and soon.
func TestYourCodeCannotWedgeIt(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		bad := slices.Sorted(func(yield func(string) bool) {
			for name := range misbehaviors {
				if !yield(name) {
					return
				}
			}
		})
		// What is asked about a job may hold up that job, so it does not block here.
		asked := slices.DeleteFunc(slices.Clone(bad), func(name string) bool { return name == "blocks" })
		spoilt := map[string]string{}
		for _, who := range []string{"OnEvent", "OnProgress", "Logger", "Watch"} {
			spoilt[who] = rapid.SampledFrom(append([]string{""}, bad...)).Draw(rt, who)
		}
		for _, who := range []string{"Classify", "Counts", "Retryable", "OnVerdict"} {
			spoilt[who] = rapid.SampledFrom(append([]string{""}, asked...)).Draw(rt, who)
		}
		every := rapid.Int64Range(1, 5).Draw(rt, "every") // so many calls of a callback go well before one does not
		jobs := rapid.IntRange(1, 60).Draw(rt, "jobs")
		cfg := everything()
		cfg.Policy = pipeline.AIMD{FailureThreshold: 1, CoolingPeriod: time.Millisecond}
		cfg.MaxDispatchInterval = time.Millisecond
		answers := drawAnswers(rt, cfg, jobs)
		return func(f *faults) {
			end := make(chan struct{})
			defer close(end)
			calls := map[string]*atomic.Int64{}
			for who := range spoilt {
				calls[who] = new(atomic.Int64)
			}
			do := func(who string) {
				if how := spoilt[who]; how != "" && calls[who].Add(1)%every == 0 {
					misbehaviors[how](end)
				}
			}
			cfg.OnEvent = func(pipeline.Event) { do("OnEvent") }
			cfg.OnProgress = func(pipeline.Snapshot) { do("OnProgress") }
			cfg.Logger = slog.New(badHandler{func() { do("Logger") }})
			cfg.Classify = func(err error) pipeline.Verdict { do("Classify"); return pipeline.Classify(err) }
			breaker, retry := *cfg.Breaker, *cfg.Retry
			breaker.Counts = func(error) bool { do("Counts"); return true }
			breaker.Failures, breaker.OpenFor = 1000, time.Second
			retry.Retryable = func(error) bool { do("Retryable"); return true }
			cfg.Breaker, cfg.Retry = &breaker, &retry
			s := &service{answer: answers}
			p, err := pipeline.New(func(ctx context.Context, job int) (int, error) {
				pipeline.SlotFrom(ctx).OnVerdict(func(pipeline.Verdict) { do("OnVerdict") })
				return s.work(ctx, job)
			}, cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			defer p.Throttle().Watch(func(pipeline.Event) { do("Watch") })()
			begin := time.Now()
			n := len(collect(p.Run(context.Background(), feed(jobs))))
			f.check(n == jobs, "%d results of %d", n, jobs)
			if err := p.Throttle().Drain(context.Background()); err != nil {
				f.add("drain: %v", err)
			}
			f.check(time.Since(begin) < 10*time.Minute, "took %v", time.Since(begin))
		}
	})
}
