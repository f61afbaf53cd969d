package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

type keyed = pipeline.Keyed[int]

func newKeyed(t testing.TB, cfg pipeline.KeyedConfig[int]) *keyed {
	t.Helper()
	cfg.Each.Spread = exact(cfg.Each.Spread)
	k, err := pipeline.NewKeyed(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// until collects garbage until ok, or for so long that it is not to be hoped for.
func until(ok func() bool) bool {
	for range 200 {
		if runtime.GC(); ok() {
			return true
		}
		runtime.Gosched()
	}
	return false
}

// windUp waits until nothing of ours runs any more, outside of a bubble, where a
// test has to play because a bubble's clock holds on to timers that were stopped,
// and so to what they are of.
func windUp() {
	buf := make([]byte, 1<<20)
	for strings.Contains(string(buf[:runtime.Stack(buf, true)]), "paceline/stage.(*Dispatcher)") {
		runtime.Gosched()
	}
}

func count(k *keyed) (n int) {
	for range k.All() {
		n++
	}
	return n
}

// pushOut uses other keys until all that nobody uses is collected.
func pushOut(t *testing.T, k *keyed, keep, used int) {
	t.Helper()
	for other := range 4 * keep {
		k.Throttle(-1 - other)
	}
	look := func() bool {
		k.Throttle(-1) // one that was in use when it was pushed out is looked at again when a key is used
		return count(k) <= keep+used
	}
	if !until(look) {
		t.Errorf("%d throttles are kept, want %d, and %d that are used", count(k), keep, used)
	}
}

func TestKeyHasOneThrottleWhoeverAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, keep := range []int{1, 3, 1000} {
			k := newKeyed(t, pipeline.KeyedConfig[int]{Keep: keep})
			var all sync.WaitGroup
			const keys, callers = 8, 8
			var mu sync.Mutex
			throttles := make(map[int]map[*pipeline.Throttle]bool)
			for key := range keys {
				throttles[key] = make(map[*pipeline.Throttle]bool) // which holds them
			}
			for caller := range callers {
				all.Go(func() {
					for i := range 200 {
						key := (i*caller + i) % keys
						throttle := k.Throttle(key)
						mu.Lock()
						throttles[key][throttle] = true
						mu.Unlock()
						if i%100 == 50 {
							runtime.GC()
						}
					}
				})
			}
			all.Wait()
			for key, different := range throttles {
				if len(different) > 1 {
					t.Errorf("keep %d: key %d had %d throttles", keep, key, len(different))
				}
			}
			runtime.KeepAlive(throttles)
		}
	})
}

func TestKeyHasOneThrottleThoughAllAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 4
		for range 300 {
			k := newKeyed(t, pipeline.KeyedConfig[int]{})
			var all sync.WaitGroup
			got := make([]*pipeline.Throttle, callers)
			begin := make(chan struct{})
			for caller := range callers {
				all.Go(func() {
					<-begin
					got[caller] = k.Throttle(0)
				})
			}
			close(begin)
			all.Wait()
			if len(slices.Compact(got)) > 1 {
				t.Fatal("a key has two throttles")
			}
		}
	})
}

// TestThrottleThatIsUsedStaysTheOne though others have pushed it out and nobody
// has it in hand.
func TestThrottleThatIsUsedStaysTheOne(t *testing.T) {
	const keep, key = 3, 7
	hour := pipeline.Config{Policy: pipeline.Static{}, Retry: &pipeline.Retry{BaseDelay: time.Hour, MaxDelay: time.Hour, Backoff: pipeline.Fixed}}
	parked := hour
	park := *hour.Retry
	park.Park = true
	parked.Retry = &park
	dry := pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 1, Window: time.Hour}}}
	for _, test := range []struct {
		name string
		each pipeline.Config
		use  func(ctx context.Context, throttle *pipeline.Throttle, started func())
		is   func(pipeline.Snapshot) bool // while it is used
	}{
		{"by a call", pipeline.Config{}, func(ctx context.Context, throttle *pipeline.Throttle, started func()) {
			_, _ = pipeline.Execute(ctx, throttle, func(ctx context.Context) (int, error) {
				started()
				<-ctx.Done()
				return 0, ctx.Err()
			})
		}, func(s pipeline.Snapshot) bool { return s.InFlight == 1 }},
		{"by a slot", pipeline.Config{}, func(ctx context.Context, throttle *pipeline.Throttle, started func()) {
			slot, err := throttle.Acquire(ctx)
			started()
			<-ctx.Done()
			slot.Release(err)
		}, func(s pipeline.Snapshot) bool { return s.InFlight == 1 }},
		{"by a run", pipeline.Config{}, func(ctx context.Context, throttle *pipeline.Throttle, started func()) {
			results := pipeline.Attach(throttle, func(ctx context.Context, _ int) (int, error) {
				started()
				<-ctx.Done()
				return 0, ctx.Err()
			}).Run(ctx, feed(1))
			collect(results)
		}, func(s pipeline.Snapshot) bool { return s.InFlight == 1 }},
		{"by a call that backs off", hour, func(ctx context.Context, throttle *pipeline.Throttle, started func()) {
			_, _ = pipeline.Execute(ctx, throttle, func(context.Context) (int, error) {
				started()
				return 0, errService
			})
		}, func(s pipeline.Snapshot) bool { return s.InFlight == 0 && s.Waiting == 1 }},
		{"by a job that is parked", parked, func(ctx context.Context, throttle *pipeline.Throttle, started func()) {
			results := pipeline.Attach(throttle, func(context.Context, int) (int, error) {
				started()
				return 0, errService
			}).Run(ctx, feed(1))
			collect(results)
		}, func(s pipeline.Snapshot) bool { return s.InFlight == 0 && s.Waiting == 1 }},
		{"by a call that waits for a budget", dry, func(ctx context.Context, throttle *pipeline.Throttle, started func()) {
			throttle.RecordTokens(1)
			started()
			_, _ = pipeline.Execute(pipeline.WithCost(ctx, 1), throttle, func(context.Context) (int, error) { return 0, nil })
		}, func(s pipeline.Snapshot) bool { return s.Waiting == 1 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			defer windUp()
			k := newKeyed(t, pipeline.KeyedConfig[int]{Each: test.each, Keep: keep})
			ctx, cancel := context.WithCancel(t.Context())
			started, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				test.use(ctx, k.Throttle(key), func() { close(started) })
			}()
			<-started
			for !test.is(k.Throttle(key).Snapshot()) {
				runtime.Gosched()
			}
			for range 3 {
				pushOut(t, k, keep, 1)
			}
			if snap := k.Throttle(key).Snapshot(); !test.is(snap) {
				t.Errorf("another throttle has taken its place: %+v", snap)
			}
			cancel()
			<-ended
			if len(test.each.Budgets) > 0 { // it is used, and so it stays
				pushOut(t, k, keep, 1)
				if snap := k.Throttle(key).Snapshot(); snap.Tokens != 1 {
					t.Errorf("another throttle has taken its place: %+v", snap)
				}
				return
			}
			pushOut(t, k, keep, 0)
			if snap := k.Throttle(key).Snapshot(); snap.Failed+snap.Completed != 0 {
				t.Errorf("it is still the one: %+v", snap)
			}
		})
	}
}

func TestThrottlesThatNobodyUsesAreForgotten(t *testing.T) {
	defer windUp()
	k := newKeyed(t, pipeline.KeyedConfig[int]{Keep: 10, Shared: []pipeline.Budget{{Tokens: 1 << 40, Window: time.Hour}}})
	held := k.Throttle(-1)
	const keys = 250 * aFew
	for key := range keys {
		throttle := k.Throttle(key)
		if key%10 > 0 {
			continue
		}
		if _, err := pipeline.Execute(t.Context(), throttle, func(context.Context) (int, error) { return 0, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if !until(func() bool { k.Throttle(keys - 1); return count(k) <= 11 }) {
		t.Errorf("%d throttles are there, want 10 and the one in hand", count(k))
	}
	kept := maps.Collect(k.All())
	for key := keys - 10; key < keys; key++ {
		if kept[key] == nil {
			t.Errorf("%d is gone, which was among the latest", key)
		}
	}
	if kept[-1] != held {
		t.Error("the one in hand is not the one")
	}
}

// TestKeysThatNobodyUsesAreForgotten with their throttles: these could be
// collected if nothing on the shelf had them.
func TestKeysThatNobodyUsesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, err := pipeline.NewKeyed(pipeline.KeyedConfig[*[64]byte]{Keep: 10})
		if err != nil {
			t.Fatal(err)
		}
		var keys []weak.Pointer[[64]byte]
		for range 1000 {
			key := new([64]byte)
			keys = append(keys, weak.Make(key))
			k.Throttle(key)
		}
		left := func() (n int) {
			for _, key := range keys {
				if key.Value() != nil {
					n++
				}
			}
			return n
		}
		if !until(func() bool { return left() <= 10 }) {
			t.Errorf("%d keys are there, want 10", left())
		}
		runtime.KeepAlive(k)
	})
}

func TestDroppedKeyedIsCollectedWithItsThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, told := range []bool{false, true} {
			cfg := pipeline.KeyedConfig[int]{Shared: []pipeline.Budget{{Tokens: 100, Window: time.Hour}}}
			if told {
				cfg.OnEvent = func(int, pipeline.Event) {}
			}
			k := newKeyed(t, cfg)
			var throttles []weak.Pointer[pipeline.Throttle]
			for key := range 3 {
				throttle := k.Throttle(key)
				throttle.RecordTokens(1)
				throttles = append(throttles, weak.Make(throttle))
			}
			gone := weak.Make(k)
			inHand := k.Throttle(0)
			k = nil
			dead := func() bool {
				return gone.Value() == nil && throttles[1].Value() == nil && throttles[2].Value() == nil
			}
			if !until(dead) {
				t.Errorf("told of events: %v: one throttle in hand keeps the whole Keyed", told)
			}
			if throttles[0].Value() != inHand {
				t.Error("the throttle in hand is gone")
			}
			inHand = nil
			if !until(func() bool { return dead() && throttles[0].Value() == nil }) {
				t.Errorf("told of events: %v: still there when nobody has it", told)
			}
		}
	})
}

// A tenant is one key's traffic.
type tenant struct {
	jobs     int
	arrives  time.Duration
	cancelAt time.Duration // or never
	calls    bool          // Execute instead of a run
}

// TestSharedBudgetsAreNeverOvershot: in any window, what started under all keys
// together did not use more than a shared budget, but for what it used beyond
// its estimate; and everybody gets his turn.
func TestSharedBudgetsAreNeverOvershot(t *testing.T) {
	attack(t, func(rt *rapid.T) func(*faults) {
		budget := rapid.Custom(func(t *rapid.T) pipeline.Budget {
			return pipeline.Budget{
				Tokens: rapid.Int64Range(10, 100).Draw(t, "tokens"),
				Window: time.Duration(rapid.Int64Range(1, 2000).Draw(t, "window")) * time.Millisecond,
			}
		})
		draw := rapid.Custom(func(t *rapid.T) pipeline.Config {
			cfg := drawConfig(t)
			cfg.Budgets = rapid.SliceOfN(budget, 0, 1).Draw(t, "own")
			cfg.AttemptTimeout = 0
			if cfg.Breaker != nil {
				cfg.Breaker.Wait = true
			}
			return cfg
		})
		cfg := pipeline.KeyedConfig[int]{
			Each:   draw.Draw(rt, "each"),
			Shared: rapid.SliceOfN(budget, 1, 2).Draw(rt, "shared"),
		}
		other, updateAt := draw.Draw(rt, "other"), drawMoment(rt, "updateAt")
		tenants := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) tenant {
			return tenant{
				jobs:     rapid.IntRange(0, 20).Draw(t, "jobs"),
				arrives:  max(drawMoment(t, "arrives"), 0),
				cancelAt: drawMoment(t, "cancelAt"),
				calls:    rapid.Bool().Draw(t, "calls"),
			}
		}), 1, 5).Draw(rt, "tenants")
		numbers := func(what string, most int64) []int64 {
			return rapid.SliceOfN(rapid.Int64Range(0, most), 8, 8).Draw(rt, what)
		}
		costs, uses, takes := numbers("costs", 10), numbers("uses", 20), numbers("takes", int64(300*time.Millisecond))
		bad := rapid.SliceOfN(rapid.SampledFrom([]ending{succeeds, succeeds, fails, refuses, failsFatally}), 8, 8).Draw(rt, "bad")
		return func(f *faults) {
			k, err := pipeline.NewKeyed(cfg)
			if err != nil {
				f.add("%v", err)
				return
			}
			s := &service{answer: func(job, number int) answer {
				a := answer{takes: time.Duration(takes[(job+number)%8]), tokens: uses[(job+3*number)%8]}
				if number < 3 {
					a.ending = bad[(job+number)%8]
				}
				return a
			}}
			cost := func(job int) int64 { return costs[job%8] }
			var all sync.WaitGroup
			for key, who := range tenants {
				all.Go(func() { who.come(f, k, key, s, cost) })
			}
			ended := make(chan struct{})
			at(updateAt, ended, func() {
				if err := k.Update(other); err != nil {
					f.add("%v", err)
				}
			})
			all.Wait()
			close(ended)
			if err := k.Drain(context.Background()); err != nil {
				f.add("%v", err)
			}
			for _, b := range cfg.Shared {
				for i, first := range s.log {
					sum := int64(0)
					for _, a := range s.log[i:] {
						if a.start.Sub(first.start) < b.Window {
							sum += held(a, cost)
						}
					}
					f.check(sum <= b.Tokens, "%d tokens in %v, budget %d", sum, b.Window, b.Tokens)
				}
			}
			runtime.KeepAlive(k)
		}
	})
}

// held is what an attempt holds of a budget, as long as it counts.
func held(a *attempt, cost func(int) int64) int64 {
	switch {
	case a.answer.tokens > 0:
		return min(a.answer.tokens, cost(a.job))
	case a.answer.ending == succeeds:
		return cost(a.job)
	}
	return 0
}

// come sends all jobs of a key and checks that they come back.
func (who tenant) come(f *faults, k *keyed, key int, s *service, cost func(int) int64) {
	time.Sleep(who.arrives)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	ended := make(chan struct{})
	defer close(ended)
	at(who.cancelAt, ended, func() { cancel(errLeft) })
	at(24*time.Hour, ended, func() {
		f.add("nothing has happened under key %d for a day: %+v", key, k.Throttle(key).Snapshot())
		cancel(errStalled)
	})
	if !who.calls {
		jobs := make(chan int, who.jobs)
		for job := range who.jobs {
			jobs <- 100*key + job
		}
		close(jobs)
		collect(pipeline.Attach(k.Throttle(key), s.work).Cost(cost).Run(ctx, jobs))
		return
	}
	var all sync.WaitGroup
	for job := range who.jobs {
		all.Go(func() {
			_, _ = pipeline.Wrap(k.Throttle(key), s.work)(pipeline.WithCost(ctx, cost(100*key+job)), 100*key+job)
		})
	}
	all.Wait()
}

// sharing is a Keyed of whose budgets a minute has 100 tokens.
func sharing(t *testing.T) *keyed {
	return newKeyed(t, pipeline.KeyedConfig[int]{
		Each:   static(5),
		Shared: []pipeline.Budget{{Name: "all", Tokens: 100, Window: time.Minute}},
	})
}

// TestDearJobIsNotOvertakenForEver by cheap ones of other keys, of which there
// are always some.
func TestDearJobIsNotOvertakenForEver(t *testing.T) {
	for _, disturbed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			k := sharing(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var cheap sync.WaitGroup
			for key := 1; key <= 3; key++ {
				cheap.Go(func() {
					s := always(answer{takes: time.Second})
					p := pipeline.Attach(k.Throttle(key), s.work).Cost(constant(1 + int64(key)))
					collect(p.Run(ctx, endlessly(ctx)))
				})
			}
			time.Sleep(10 * time.Minute)
			begin := time.Now()
			done := make(chan struct{})
			if disturbed { // by what makes its own controller think
				go func() {
					for ctx.Err() == nil {
						k.Throttle(0).RecordFailure(errService)
						time.Sleep(200 * time.Millisecond)
					}
				}()
			}
			go func() {
				defer close(done)
				_, err := pipeline.Execute(pipeline.WithCost(ctx, 100), k.Throttle(0), func(context.Context) (int, error) { return 0, nil })
				if took := time.Since(begin); err != nil || took > 2*time.Minute {
					t.Errorf("disturbed: %v: the dear job came after %v, %v", disturbed, took, err)
				}
			}()
			time.Sleep(10 * time.Minute)
			cancel()
			<-done
			cheap.Wait()
			time.Sleep(time.Second)
		})
	}
}

// endlessly returns a channel that always has a job.
func endlessly(ctx context.Context) <-chan int {
	jobs := make(chan int)
	go func() {
		for {
			select {
			case jobs <- 1:
			case <-ctx.Done():
				return
			}
		}
	}()
	return jobs
}

func TestWaitingKeyIsWokenWhenAnotherSettlesForLess(t *testing.T) {
	for name, give := range map[string]func(slot *pipeline.Slot){
		"less":    func(slot *pipeline.Slot) { slot.RecordTokens(40); slot.Release(nil) },
		"nothing": func(slot *pipeline.Slot) { slot.Release(pipeline.Overloaded(errService, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := sharing(t)
				slot, err := k.Throttle(0).Acquire(pipeline.WithCost(t.Context(), 100))
				if err != nil {
					t.Fatal(err)
				}
				var waiting sync.WaitGroup
				for key := 1; key <= 3; key++ {
					waiting.Go(func() {
						if _, err := k.Throttle(key).Acquire(pipeline.WithCost(t.Context(), 20)); err != nil {
							t.Error(err)
						}
					})
				}
				begin := time.Now()
				time.Sleep(time.Second)
				give(slot)
				waiting.Wait()
				if took := time.Since(begin); took != time.Second {
					t.Errorf("they came after %v, 1s after tokens were free", took-time.Second)
				}
			})
		})
	}
}

func TestCancelledWaiterDoesNotBlockTheQueue(t *testing.T) {
	for _, leave := range []struct {
		name  string
		leave func(k *keyed, cancel func())
	}{
		{"cancelled", func(_ *keyed, cancel func()) { cancel() }},
		{"too dear by now", func(k *keyed, _ func()) {
			cfg := static(5)
			cfg.Budgets = []pipeline.Budget{{Tokens: 10, Window: time.Minute}}
			if err := k.Throttle(1).Update(cfg); err != nil {
				panic(err)
			}
		}},
		{"held up by something else", func(k *keyed, _ func()) {
			k.Throttle(1).RecordFailure(pipeline.Overloaded(errService, time.Hour))
		}},
	} {
		for _, run := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, run: %v", leave.name, run), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					k := sharing(t)
					k.Throttle(9).RecordTokens(90)
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					ended := make(chan struct{})
					go func() { // the first in the queue, who wants all
						defer close(ended)
						if run {
							collect(pipeline.Attach(k.Throttle(1), always(answer{}).work).Cost(constant(100)).Run(ctx, feed(3)))
							return
						}
						_, _ = k.Throttle(1).Acquire(pipeline.WithCost(ctx, 100))
					}()
					synctest.Wait()
					begin := time.Now()
					others := make(chan time.Duration, 2)
					for key := 2; key <= 3; key++ {
						go func() {
							_, err := k.Throttle(key).Acquire(pipeline.WithCost(t.Context(), 5))
							if err != nil {
								t.Error(err)
							}
							others <- time.Since(begin)
						}()
					}
					time.Sleep(10 * time.Second)
					if len(others) > 0 {
						t.Error("the cheap ones overtake")
					}
					leave.leave(k, cancel)
					for range 2 {
						if took := <-others; took != 10*time.Second {
							t.Errorf("came after %v, want 10s", took)
						}
					}
					cancel()
					<-ended
				})
			})
		}
	}
}

func TestEventsOfAKeyedCarryTheirKey(t *testing.T) {
	for _, panicking := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			told := make(map[int][]string)
			var each eventLog
			cfg := static(5)
			cfg.OnEvent = func(e pipeline.Event) {
				each.add(e)
				if panicking {
					panic("each")
				}
			}
			k := newKeyed(t, pipeline.KeyedConfig[int]{Each: cfg, OnEvent: func(key int, e pipeline.Event) {
				mu.Lock()
				defer mu.Unlock()
				told[key] = append(told[key], e.Kind.String())
			}})
			k.Throttle(1).RecordFailure(pipeline.Overloaded(errService, time.Hour))
			k.Throttle(2).Close()
			k.Throttle(3)
			synctest.Wait()
			cfg.OnEvent = nil
			if err := k.Update(cfg); err != nil {
				t.Fatal(err)
			}
			k.Throttle(3).Close()
			k.Throttle(4).Close()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			closed := []string{"closed", "drained"}
			want := map[int][]string{1: {"paused", "resumed"}, 2: closed, 3: closed, 4: closed}
			if !maps.EqualFunc(told, want, slices.Equal[[]string]) {
				t.Errorf("Each.OnEvent panics: %v: told %v, want %v", panicking, told, want)
			}
			if n := len(each.events); n != 3 {
				t.Errorf("Each.OnEvent was told %d events, want 3", n)
			}
			runtime.KeepAlive(k)
		})
	}
}

func TestKeyedUpdateReachesAllThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, pipeline.KeyedConfig[int]{Each: static(5), Keep: 2, Shared: []pipeline.Budget{{Name: "all", Tokens: 10, Window: time.Hour}}})
		k.Throttle(0).RecordTokens(3)
		var inHand []*pipeline.Throttle
		for key := range 5 { // of which three are pushed out
			inHand = append(inHand, k.Throttle(key))
		}
		check := func(limit int) {
			t.Helper()
			for key := range 7 {
				snap := k.Throttle(key).Snapshot()
				if snap.MaxConcurrency != limit || snap.Concurrency != limit || snap.Budgets[0].Used != 3 {
					t.Errorf("key %d: limit %d, used %d; want %d, 3", key, snap.Concurrency, snap.Budgets[0].Used, limit)
				}
			}
		}
		check(5)
		if err := k.Update(static(8)); err != nil {
			t.Fatal(err)
		}
		check(8)
		bad := static(9)
		bad.Jitter = 7
		clashing := static(9)
		clashing.Budgets = []pipeline.Budget{{Name: "all", Tokens: 1, Window: 1}}
		for _, cfg := range []pipeline.Config{bad, clashing} {
			if err := k.Update(cfg); err == nil {
				t.Error("an invalid update is taken")
			}
		}
		check(8)
		runtime.KeepAlive(inHand)
	})
}

// TestConcurrentKeyedUpdatesLeaveOneOfThemInForce for all keys alike.
func TestConcurrentKeyedUpdatesLeaveOneOfThemInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, pipeline.KeyedConfig[int]{Each: static(1)})
		for key := range 20 {
			k.Throttle(key)
		}
		for round := range aFew {
			var all sync.WaitGroup
			for n := 1; n <= 4; n++ {
				all.Go(func() {
					if err := k.Update(static(n)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Go(func() { // keys come meanwhile
				for new := range 10 {
					k.Throttle(20 + 10*round + new)
				}
			})
			all.Wait()
			limits := make(map[int]bool)
			for key := range 20 + 10*round + 11 {
				limits[k.Throttle(key).Snapshot().MaxConcurrency] = true
			}
			if len(limits) != 1 {
				t.Fatalf("round %d: limits %v are in force", round, slices.Collect(maps.Keys(limits)))
			}
		}
	})
}

func TestClosedKeyedClosesAllThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, pipeline.KeyedConfig[int]{Each: static(5), Shared: []pipeline.Budget{{Tokens: 100, Window: time.Minute}}})
		for key := range 3 {
			go collect(pipeline.Attach(k.Throttle(key), always(answer{takes: time.Second}).work).Cost(constant(50)).Run(context.Background(), feed(1)))
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errLeft)
		defer cancel()
		if err := k.Drain(ctx); err != errLeft {
			t.Errorf("Drain: %v, want the cause", err)
		}
		for key := range 5 {
			_, err := pipeline.Execute(t.Context(), k.Throttle(key), func(context.Context) (int, error) { return 0, nil })
			if err != pipeline.ErrClosed {
				t.Errorf("key %d: %v, want ErrClosed", key, err)
			}
		}
		begin := time.Now()
		if err := k.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took != time.Minute+time.Second-time.Millisecond { // the third has to wait for the budget
			t.Errorf("drained after %v", took)
		}
		for key, throttle := range k.All() {
			if got := throttle.Snapshot().State; got != pipeline.Closed {
				t.Errorf("key %d: %v", key, got)
			}
		}
		for _, stack := range ours() {
			t.Errorf("still there:\n%s", stack)
		}
		k.Close()
		runtime.KeepAlive(k)
	})
}

func TestEveryFaultOfAKeyedConfigIsNamed(t *testing.T) {
	twice := pipeline.Budget{Name: "twice", Tokens: 1, Window: time.Second}
	_, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{
		Each:   pipeline.Config{Jitter: 2, Budgets: []pipeline.Budget{{Name: "both", Tokens: 1, Window: 1}}},
		Shared: []pipeline.Budget{{Name: "both", Tokens: 1, Window: 1}, {Tokens: 0, Window: 1}, twice, twice},
		Keep:   -1,
	})
	named := faultsOf(err)
	for _, field := range []string{"jitter", "shared[1].tokens", "shared[3].name", "keep", "shared[0].name"} {
		if named[field] == nil {
			t.Errorf("%v: does not name %s", err, field)
		}
	}
	k := newKeyed(t, pipeline.KeyedConfig[int]{Shared: []pipeline.Budget{twice}})
	named = faultsOf(k.Update(pipeline.Config{Jitter: 2, Clock: &stepClock{}, Budgets: []pipeline.Budget{twice}}))
	for _, field := range []string{"jitter", "clock", "shared[0].name"} {
		if named[field] == nil {
			t.Errorf("Update: does not name %s", field)
		}
	}
}

// TestThrottlesAreCollectedInABubbleToo: what runs when one is collected runs
// outside of any bubble.
func TestThrottlesAreCollectedInABubbleToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeyed(t, pipeline.KeyedConfig[int]{Keep: 2})
		for key := range 100 {
			k.Throttle(key)
		}
		if !until(func() bool { return count(k) <= 2 }) {
			t.Errorf("%d throttles are kept, want 2", count(k))
		}
	})
}

// TestThrottleIsMadeOfTheLatestConfiguration, and is the only one, though the
// user's Policy, which has its say when one is made, changes everything.
func TestThrottleIsMadeOfTheLatestConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k *keyed
		var inner *pipeline.Throttle
		var meanwhile []func()
		cfg := pipeline.Config{Policy: starter{func() {
			if len(meanwhile) > 0 {
				do := meanwhile[0]
				meanwhile = meanwhile[1:]
				do()
			}
		}}}
		k = newKeyed(t, pipeline.KeyedConfig[int]{Each: cfg})
		cfg.MaxConcurrency = 9
		meanwhile = []func(){
			func() {
				if err := k.Update(cfg); err != nil {
					t.Error(err)
				}
			},
			func() { inner = k.Throttle(1) },
		}
		throttle := k.Throttle(1)
		if inner == nil || inner != throttle {
			t.Error("the key has two throttles")
		}
		if got := throttle.Snapshot().MaxConcurrency; got != 9 {
			t.Errorf("limit %d, updated to 9", got)
		}
		meanwhile = []func(){func() { k.Close() }}
		if _, err := k.Throttle(2).Acquire(t.Context()); err != pipeline.ErrClosed {
			t.Errorf("a throttle that was made while the Keyed closed: %v", err)
		}
	})
}

// TestKeyIsToldOfTheBudgetThatHoldsItUp, also when others are before it.
func TestKeyIsToldOfTheBudgetThatHoldsItUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		cfg := static(5)
		cfg.OnEvent = log.add
		k := newKeyed(t, pipeline.KeyedConfig[int]{Each: cfg, Shared: []pipeline.Budget{
			{Name: "ample", Tokens: 1e9, Window: time.Minute}, {Name: "scarce", Tokens: 100, Window: time.Minute},
		}})
		k.Throttle(0).RecordTokens(60)
		var all sync.WaitGroup
		for key, cost := range []int64{0, 100, 1, 1} {
			all.Go(func() {
				time.Sleep(time.Duration(key) * time.Second)
				slot, err := k.Throttle(key).Acquire(pipeline.WithCost(t.Context(), cost))
				if err != nil {
					t.Error(err)
					return
				}
				slot.Release(nil)
			})
		}
		all.Wait()
		synctest.Wait()
		exhausted := log.of(pipeline.EventBudgetExhausted)
		if len(exhausted) == 0 {
			t.Error("nothing is told")
		}
		for _, e := range exhausted {
			if e.Budget != "scarce" || e.Wait <= 0 {
				t.Errorf("told %v", e)
			}
		}
	})
}

// TestWaitingKeyIsWokenWhenTheServerHasMoreThanItSaid.
func TestWaitingKeyIsWokenWhenTheServerHasMoreThanItSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sharing(t)
		slot, err := k.Throttle(0).Acquire(pipeline.WithCost(t.Context(), 1))
		if err != nil {
			t.Fatal(err)
		}
		slot.Hint(pipeline.Hint{Budget: "all", Limit: 100, Remaining: 0, Reset: time.Hour})
		begin := time.Now()
		time.AfterFunc(time.Second, func() {
			slot.Hint(pipeline.Hint{Budget: "all", Limit: 100, Remaining: 99, Reset: time.Hour})
		})
		next, err := k.Throttle(1).Acquire(pipeline.WithCost(t.Context(), 20))
		if err != nil {
			t.Fatal(err)
		}
		defer slot.Release(nil)
		defer next.Release(nil)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it came after %v, 1s after the server had more", took)
		}
	})
}
