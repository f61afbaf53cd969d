package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// step is what a job's number grows by at each stage, so that it tells where the
// job has been.
const step = 1000

// A link is a stage of a chain: a service behind a throttle, asked for one job at a
// time or for many.
type link struct {
	cfg     pipeline.Config
	shared  bool // the throttle of the stage before it
	ordered bool
	size    int // of a batch; 0: one at a time
	wait    time.Duration
	service *service
}

// drawLink draws a link that comes behind another one, unless that is nil.
func drawLink(t *rapid.T, before *link, jobs int) *link {
	l := &link{
		cfg:     drawConfig(t),
		shared:  before != nil && rapid.IntRange(0, 3).Draw(t, "shared") == 3,
		ordered: rapid.Bool().Draw(t, "ordered"),
		size:    rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "size"),
		wait:    rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second}).Draw(t, "wait"),
	}
	if l.shared {
		l.cfg = before.cfg
	}
	l.service = &service{answer: drawAnswers(t, l.cfg, jobs)}
	return l
}

func (l *link) work(ctx context.Context, n int) (int, error) {
	_, err := l.service.work(ctx, n%step)
	return n + step, err
}

// workAll answers each job of a batch as it would alone, as far as the others let it.
func (l *link) workAll(ctx context.Context, ns []int) ([]int, error) {
	var asked []*attempt
	for _, n := range ns {
		a := l.service.begin(n % step)
		defer l.service.finish(a)
		asked = append(asked, a)
	}
	outs, errs := make([]int, len(ns)), make([]error, len(ns))
	for i, a := range asked {
		pass(ctx, a.answer)
		a.err = a.answer.err(ctx)
		outs[i], errs[i] = ns[i]+step, a.err
	}
	return outs, pipeline.Partial(errs)
}

// stage returns the link as it is in a chain.
func (l *link) stage(t *pipeline.Throttle) pipeline.Stage[int, int] {
	if l.size == 0 {
		p := pipeline.Attach(t, l.work)
		if l.ordered {
			p.Ordered()
		}
		return p
	}
	p := pipeline.Attach(t, l.workAll)
	if l.ordered {
		p.Ordered()
	}
	return pipeline.Batch(p, l.size, l.wait)
}

// chainOf returns the links as one stage, and their throttles.
func chainOf(f *faults, links []*link) (chain pipeline.Stage[int, int], throttles []*pipeline.Throttle) {
	for i, l := range links {
		if !l.shared {
			t, err := pipeline.NewThrottle(l.cfg)
			if err != nil {
				f.add("%v", err)
				return nil, nil
			}
			throttles = append(throttles, t)
		}
		next := l.stage(throttles[len(throttles)-1])
		if i == 0 {
			chain = next
			continue
		}
		chain = pipeline.Then(chain, next)
	}
	return chain, throttles
}

// TestOneJobOneResultThroughAChain plays random schedules on random chains.
func TestOneJobOneResultThroughAChain(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		v := drawVisit(rt, 0)
		var links []*link
		var before *link
		for range rapid.IntRange(1, 3).Draw(rt, "links") {
			before = drawLink(rt, before, v.jobs)
			links = append(links, before)
		}
		closes := rapid.IntRange(0, 2).Draw(rt, "closes")
		closeAt := drawMoment(rt, "closeAt")
		drainAt := drawMoment(rt, "drainAt")
		return func(f *faults) {
			chain, throttles := chainOf(f, links)
			if chain == nil {
				return
			}
			ended := make(chan struct{})
			at(closeAt, ended, throttles[min(closes, len(throttles)-1)].Close)
			at(drainAt, ended, func() {
				if err := throttles[0].Drain(context.Background()); err != nil {
					f.add("Drain: %v", err)
				}
			})
			v.pass(f, chain, links)
			close(ended)
			synctest.Wait()
			for _, t := range throttles {
				f.check(t.Snapshot().InFlight == 0, "%d in flight after all", t.Snapshot().InFlight)
			}
		}
	})
}

// pass sends the visit's jobs through a chain and checks that each job that was
// taken came back once.
func (v visit) pass(f *faults, chain pipeline.Stage[int, int], links []*link) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	ended := make(chan struct{})
	at(v.cancelAt, ended, func() { cancel(errLeft) })
	at(24*time.Hour, ended, func() {
		f.add("nothing has happened for a day")
		cancel(errStalled)
	})
	var sent, got []int
	take := func(r result) {
		got = append(got, r.In)
		judgeChain(f, r, links)
		time.Sleep(v.slow)
	}
	if v.each {
		sent = v.passEach(f, chain, ctx, take)
	} else {
		sent = v.passRun(chain, ctx, take)
	}
	close(ended)
	slices.Sort(got)
	f.check(len(slices.Compact(slices.Clone(got))) == len(got), "a job came back twice: %v", got)
	if v.breaks > 0 && len(got) >= v.breaks {
		f.check(len(got) == v.breaks, "%d results after leaving at %d", len(got), v.breaks)
		return
	}
	f.check(slices.Equal(sent, got), "taken %v, came back %v", sent, got)
}

// passRun returns the jobs that were taken from the channel.
func (v visit) passRun(chain pipeline.Stage[int, int], ctx context.Context, take func(result)) (sent []int) {
	jobs, ended := make(chan int), make(chan struct{})
	var feeder sync.WaitGroup
	feeder.Go(func() {
		for job := range v.jobs {
			time.Sleep(v.gap)
			select {
			case jobs <- job:
				sent = append(sent, job)
			case <-ended:
				return
			}
		}
		if !v.unclosed {
			close(jobs)
		}
	})
	results := chain.Run(ctx, jobs)
	time.Sleep(v.sleepy)
	for r := range results {
		take(r)
	}
	close(ended)
	feeder.Wait()
	return sent
}

// passEach returns the jobs that the iterator yielded.
func (v visit) passEach(f *faults, chain pipeline.Stage[int, int], ctx context.Context, take func(result)) (sent []int) {
	var jobs iter.Seq[int] = func(yield func(int) bool) {
		for job := range v.jobs {
			time.Sleep(v.gap)
			if v.seqPanic > 0 && len(sent) == v.seqPanic {
				panic("jobs panicked")
			}
			sent = append(sent, job)
			if !yield(job) {
				return
			}
		}
	}
	defer func() {
		r := recover()
		f.check(r == nil || v.seqPanic > 0 && strings.Contains(fmt.Sprint(r), "jobs panicked"), "Each panicked: %v", r)
	}()
	n := 0
	for r := range chain.Each(ctx, jobs) {
		take(r)
		if n++; n == v.breaks {
			break
		}
	}
	return sent
}

// judgeChain checks that a result tells what the services know of the job: it has
// passed one after the other, and was asked for no more where it had succeeded.
func judgeChain(f *faults, r result, links []*link) {
	attempts, passed := 0, true
	for i, l := range links {
		log := l.service.of(r.In)
		attempts += len(log)
		f.check(passed || len(log) == 0, "job %d: got to stage %d, which it should not", r.In, i)
		for k, a := range log[:max(len(log)-1, 0)] {
			f.check(a.err != nil, "job %d: stage %d: attempt %d of %d had succeeded", r.In, i, k, len(log))
		}
		passed = len(log) > 0 && log[len(log)-1].answer.ending == succeeds
	}
	f.check(r.Attempts == attempts, "job %d: %d attempts, the services count %d", r.In, r.Attempts, attempts)
	f.check(r.Waited >= 0 && r.Took >= 0, "job %d: waited %v, took %v", r.In, r.Waited, r.Took)
	if r.Err == nil {
		f.check(passed, "job %d: no error, but it has not succeeded at every stage", r.In)
		f.check(r.Out == r.In+step*len(links), "job %d: got %d", r.In, r.Out)
		return
	}
	var panicked *pipeline.PanicError
	inTheWay := errors.As(r.Err, &panicked) || strings.Contains(r.Err.Error(), "Goexit") // another one of its batch
	f.check(!passed || inTheWay, "job %d: has succeeded at every stage, but: %v", r.In, r.Err)
}

func TestASlowLastStageStopsTheIntakeOfAChain(t *testing.T) {
	const most, size = 4, 10
	synctest.Test(t, func(t *testing.T) {
		quick, slow := always(answer{}), always(answer{takes: time.Hour})
		cfg := pipeline.Config{MaxConcurrency: most, Policy: pipeline.Static{}}
		many := &link{service: always(answer{})}
		calls := pipeline.Attach(newThrottle(t, cfg), many.workAll)
		chain := pipeline.Then(pipeline.Then(newLine(t, quick, cfg), pipeline.Batch(calls, size, time.Second)), newLine(t, slow, cfg))

		var taken atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		results := chain.Run(ctx, endless(ctx, &taken))
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		// What a run may hold, four times the concurrency and what is unread, for each
		// pipeline; that of batches holds so many batches.
		before, bound := taken.Load(), int64((2+size)*(8*most+16))
		if before < most || before > bound {
			t.Errorf("%d jobs taken behind a slow stage, want %d to %d", before, most, bound)
		}
		// As many as leave come in, and once some more, when a stage happens to work further ahead.
		const rounds = 10
		time.Sleep(rounds * time.Hour)
		synctest.Wait()
		if more := taken.Load() - before; more > rounds*most+bound/4 {
			t.Errorf("%d more jobs taken for %d that the slow stage has done", more, rounds*most)
		}
		cancel()
		if n := int64(len(collect(results))); n != taken.Load() {
			t.Errorf("%d jobs taken, %d came back", taken.Load(), n)
		}
	})
}

func TestTheSlowestStageSetsThePaceOfAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := always(answer{})
		quick := pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Static{}}
		slow := quick
		slow.MinDispatchInterval = 10 * time.Millisecond
		chain := pipeline.Then(pipeline.Then(newLine(t, s, quick), newLine(t, s, quick)), newLine(t, s, slow))
		begin := time.Now()
		if n := len(collect(chain.Run(t.Context(), feed(1000)))); n != 1000 {
			t.Errorf("%d results of 1000", n)
		}
		if took := time.Since(begin); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("1000 jobs at 100/s took %v", took)
		}
	})
}

func TestManyJobsOfAChainTakeNoMoreMemoryThanFew(t *testing.T) {
	total := max(aMillion/10, 5000)
	throttle := newThrottle(t, pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}})
	next := func(_ context.Context, n int) (int, error) { return n + 1, nil }
	all := func(_ context.Context, ns []int) ([]int, error) { return ns, nil }
	chain := pipeline.Then(pipeline.Attach(throttle, next), pipeline.Batch(pipeline.Attach(throttle, all), 5, time.Second))
	jobs := func(yield func(int) bool) {
		for n := range total {
			if !yield(n) {
				return
			}
		}
	}
	var early uint64
	n := 0
	for r := range chain.Each(t.Context(), jobs) {
		if r.Err != nil || r.Out != r.In+1 {
			t.Fatalf("got %+v", r)
		}
		if n++; n == total/2 {
			early = heap()
		}
	}
	if late := heap(); n != total || late > early+1<<19 {
		t.Errorf("heap: %d bytes after half of %d jobs, %d after %d", early, total, late, n)
	}
	runtime.KeepAlive(chain)
}

func TestNoGoroutineOfAChainOutlivesIt(t *testing.T) {
	naturals := func(yield func(int) bool) {
		for n := 0; yield(n); n++ {
		}
	}
	for name, run := range map[string]func(chain *pipeline.Chain[int, int], throttle *pipeline.Throttle){
		"results closed": func(chain *pipeline.Chain[int, int], _ *pipeline.Throttle) {
			collect(chain.Run(context.Background(), feed(30)))
		},
		"left the loop": func(chain *pipeline.Chain[int, int], _ *pipeline.Throttle) {
			for range chain.Each(context.Background(), naturals) {
				break
			}
		},
		"panic in the jobs": func(chain *pipeline.Chain[int, int], _ *pipeline.Throttle) {
			defer func() { recover() }()
			for range chain.Each(context.Background(), func(yield func(int) bool) { yield(0); panic("jobs") }) {
			}
		},
		"panic in the loop": func(chain *pipeline.Chain[int, int], _ *pipeline.Throttle) {
			defer func() { recover() }()
			for range chain.Each(context.Background(), naturals) {
				panic("loop")
			}
		},
		"never looped over": func(chain *pipeline.Chain[int, int], _ *pipeline.Throttle) {
			chain.Each(context.Background(), naturals)
		},
		"drained": func(chain *pipeline.Chain[int, int], throttle *pipeline.Throttle) {
			results := chain.Run(context.Background(), make(chan int))
			if err := throttle.Drain(context.Background()); err != nil {
				t.Error(err)
			}
			collect(results)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				throttle := newThrottle(t, everything())
				s := always(answer{takes: time.Millisecond})
				many := pipeline.Batch(pipeline.Attach(throttle, (&link{service: s}).workAll), 3, time.Second)
				run(pipeline.Then(pipeline.Then(pipeline.Attach(throttle, s.work), many), pipeline.Attach(throttle, s.work)), throttle)
				for _, stack := range ours() {
					t.Errorf("still there:\n%s", stack)
				}
			})
		})
	}
}

func BenchmarkChain(b *testing.B) {
	throttle := newThrottle(b, pipeline.Config{MaxConcurrency: 16, Policy: pipeline.Static{}})
	one := pipeline.Attach(throttle, square)
	many := pipeline.Batch(pipeline.Attach(throttle, func(_ context.Context, jobs []int) ([]int, error) { return jobs, nil }), 100, time.Second)
	for name, stage := range map[string]pipeline.Stage[int, int]{
		"one": one, "two": pipeline.Then(one, one), "three": pipeline.Then(pipeline.Then(one, one), one), "batches of 100": many,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			jobs := make(chan int, 64)
			go func() {
				defer close(jobs)
				for job := range b.N {
					jobs <- job
				}
			}()
			for range stage.Run(b.Context(), jobs) {
			}
		})
	}
}

func TestAChainIsClosedByTheThrottleOfAnyStage(t *testing.T) {
	for name, closed := range map[string]int{"first": 0, "second": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := always(answer{takes: time.Second})
				throttles := []*pipeline.Throttle{newThrottle(t, pipeline.Config{}), newThrottle(t, pipeline.Config{})}
				chain := pipeline.Then(pipeline.Attach(throttles[0], s.work), pipeline.Attach(throttles[1], square))
				var taken atomic.Int64
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				results := chain.Run(ctx, endless(ctx, &taken))
				time.Sleep(10 * time.Second)
				throttles[closed].Close()
				refused := 0
				all := collect(results) // ends, though the jobs do not
				for _, r := range all {
					if errors.Is(r.Err, pipeline.ErrClosed) {
						refused++
					} else if r.Err != nil {
						t.Errorf("job %d: %v", r.In, r.Err)
					}
				}
				synctest.Wait()
				if n := int64(len(all)); n != taken.Load() {
					t.Errorf("%d jobs taken, %d came back", taken.Load(), n)
				}
				if (refused > 1) != (closed == 1) { // one was in hand
					t.Errorf("%d jobs refused", refused)
				}
				for range chain.Run(t.Context(), feed(10)) {
					t.Error("a job was taken by a chain that is closed")
				}
			})
		})
	}
}

func TestAChainAddsUpWhatItsStagesTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := &service{answer: func(_, number int) answer {
			return answer{takes: time.Second, ending: []ending{fails, succeeds}[number]}
		}}
		retry := pipeline.Config{Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second}}
		chain := pipeline.Then(newLine(t, always(answer{takes: time.Second}), retry), newLine(t, second, retry))
		for _, r := range collect(chain.Run(t.Context(), feed(1))) {
			if r.Attempts != 3 || r.Took != 4*time.Second || r.Waited != 0 {
				t.Errorf("got %+v, want 3 attempts that took 4s", r)
			}
		}
	})
}

func TestANilInterfaceIsAJobOfAChain(t *testing.T) {
	nothing := func(_ context.Context, v any) (any, error) { return nil, nil }
	throttle := newThrottle(t, pipeline.Config{})
	chain := pipeline.Then(pipeline.Attach(throttle, nothing), pipeline.Attach(throttle, nothing))
	n := 0
	for r := range chain.Each(t.Context(), slices.Values([]any{nil, 1, nil})) {
		if r.Err != nil || r.Out != nil {
			t.Errorf("got %+v", r)
		}
		n++
	}
	if n != 3 {
		t.Errorf("got %d results, want 3", n)
	}
}

// Costs and weights are asked for the job itself, also in a chain.
func TestCostAndWeightHoldInAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle(t, pipeline.Config{
			Budgets: []pipeline.Budget{{Tokens: 10, Window: time.Hour}},
			Rate:    &pipeline.Rate{PerSecond: 1, Burst: 10},
		})
		dear := pipeline.Attach(throttle, square).Cost(func(n int) int64 { return int64(n) })
		heavy := pipeline.Attach(throttle, square).Weight(func(n int) float64 { return float64(n) })
		var cost *pipeline.CostError
		var weight *pipeline.WeightError
		for _, r := range collect(pipeline.Then(dear, heavy).Run(t.Context(), numbers(2, 4, 11))) {
			switch {
			case r.In == 2 && r.Err == nil:
			case r.In == 4 && errors.As(r.Err, &weight) && weight.Weight == 16:
			case r.In == 11 && errors.As(r.Err, &cost) && cost.Cost == 11:
			default:
				t.Errorf("job %d: %v", r.In, r.Err)
			}
		}
	})
}

// numbers returns a closed channel of jobs.
func numbers(all ...int) <-chan int {
	jobs := make(chan int, len(all))
	for _, n := range all {
		jobs <- n
	}
	close(jobs)
	return jobs
}

func TestMisuseOfAChainPanics(t *testing.T) {
	p := newLine(t, always(answer{}), pipeline.Config{})
	many := pipeline.Attach(p.Throttle(), new(link).workAll)
	chain := pipeline.Then(p, p)
	for want, misuse := range map[string]func(){
		"paceline: Then: first stage is nil":            func() { pipeline.Then[int](nil, p) },
		"paceline: Then: second stage is nil":           func() { pipeline.Then[int, int, int](p, nil) },
		"paceline: Run: context is nil":                 func() { chain.Run(nil, feed(1)) }, //lint:ignore SA1012 the misuse
		"paceline: Run: jobs channel is nil":            func() { chain.Run(t.Context(), nil) },
		"paceline: Each: jobs is nil":                   func() { chain.Each(t.Context(), nil) },
		"paceline: Batch: pipeline is nil":              func() { pipeline.Batch[int, int](nil, 1, 1) },
		"paceline: Batch: size: got 0, want at least 1": func() { pipeline.Batch(many, 0, time.Second) },
		"paceline: Batch: wait: got 0s, want above 0":   func() { pipeline.Batch(many, 1, 0) },
		"paceline: Ordered: must be called before Run and Each": func() {
			collect(chain.Run(t.Context(), feed(1)))
			p.Ordered()
		},
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("got %v, want %s", got, want)
				}
			}()
			misuse()
		})
	}
}
