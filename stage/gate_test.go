package stage

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/controller"
)

// opening is when the gates of the tests are made.
var opening = time.Unix(1000, 0)

const (
	second = time.Second
	minute = time.Minute
)

// newGate returns a gate for four attempts at once.
func newGate(changes ...func(*Config)) *gate {
	var cfg Config
	for _, change := range changes {
		change(&cfg)
	}
	g := &gate{commons: cfg.Commons, random: seeded(1)}
	cfg.Controller.Bounds.MaxLimit = 4
	g.update(opening, cfg)
	return g
}

func sharing(c *Commons) func(*Config) { return func(cfg *Config) { cfg.Commons = c } }

// asks returns a job of so many tokens and one call.
func asks(cost int64) *Job { return &Job{Ask: Ask{Cost: cost, Weight: 1}, tokens: Unknown} }

// A patient is a dispatcher that only notes that it is called.
func patient() *Dispatcher {
	d := new(Dispatcher)
	d.awake.Store(true)
	return d
}

func wasCalled(d *Dispatcher) bool { return d.nudged.Swap(false) }

// pass lets an attempt through that nothing may hold up.
func pass(t interface{ Fatalf(string, ...any) }, g *gate, now time.Time, j *Job, interval time.Duration) {
	if h, wait, _ := g.check(now, patient(), j, interval); h != free {
		t.Fatalf("held by %v for %v", h, wait)
	}
	g.pass(now, j, interval)
}

func TestGateNamesWhatHoldsAnAttemptUp(t *testing.T) {
	tokens := func(n int64, window time.Duration) controller.Budget {
		return controller.Budget{Tokens: n, Window: window}
	}
	requests := controller.Budget{Tokens: 2, Window: minute, Requests: true}
	breaker := breakingBy(controller.Breaker{Failures: 1, OpenFor: 30 * second})
	fail := func(g *gate) {
		j := asks(0)
		pass(t, g, opening, j, 0)
		j.verdict, j.counted = failed, failed
		g.settle(opening, j)
	}
	start := func(cost int64, interval time.Duration) func(*gate) {
		return func(g *gate) { pass(t, g, opening, asks(cost), interval) }
	}
	pause := func(d time.Duration) func(*gate) {
		return func(g *gate) { g.hint(opening, controller.Hint{RetryAfter: d}, marks{}) }
	}
	type setup = []func(*gate)
	type config = []func(*Config)
	for _, test := range []struct {
		name     string
		config   config
		before   setup
		after    time.Duration // from then
		interval time.Duration
		cost     int64
		hold     hold
		wait     time.Duration
		budget   int
	}{
		{name: "nothing"},
		{name: "nothing, whatever was before", before: setup{start(5, second), fail}, cost: 9},
		{name: "circuit", config: config{breaker}, before: setup{fail}, after: 10 * second, hold: byCircuit, wait: 20 * second},
		{name: "circuit, for a probe", config: config{breaker}, before: setup{fail}, after: 30 * second},
		{name: "circuit comes first", config: config{breaker}, before: setup{fail, pause(time.Hour)}, hold: byCircuit, wait: 30 * second},
		{name: "server", before: setup{pause(minute)}, after: 10 * second, hold: byServer, wait: 50 * second},
		{name: "server, over", before: setup{pause(minute)}, after: minute},
		{name: "budget", config: config{budgeted(tokens(10, minute))}, before: setup{start(8, 0)}, after: 15 * second, cost: 3, hold: byBudget, wait: 45 * second},
		{name: "budget with room", config: config{budgeted(tokens(10, minute))}, before: setup{start(8, 0)}, cost: 2},
		{name: "the second budget", config: config{budgeted(tokens(100, minute), tokens(10, minute))}, before: setup{start(8, 0)}, cost: 3, hold: byBudget, wait: minute, budget: 1},
		{name: "the budget that takes longer", config: config{budgeted(tokens(10, 2*minute), tokens(10, minute))}, before: setup{start(8, 0)}, cost: 3, hold: byBudget, wait: 2 * minute},
		{name: "requests", config: config{budgeted(requests)}, before: setup{start(0, 0), start(0, 0)}, hold: byBudget, wait: minute},
		{name: "requests left", config: config{budgeted(requests)}, before: setup{start(0, 0)}},
		{name: "rate", config: config{rated(2, 1)}, before: setup{start(0, 0)}, after: 100 * time.Millisecond, hold: byRate, wait: 400 * time.Millisecond},
		{name: "rate with a burst", config: config{rated(2, 2)}, before: setup{start(0, 0)}},
		{name: "pace", before: setup{start(0, second)}, after: 100 * time.Millisecond, interval: second, hold: byPace, wait: 900 * time.Millisecond},
		{name: "no pace any more", before: setup{start(0, second)}, interval: 0},
		{name: "pace before rate", config: config{rated(2, 1)}, before: setup{start(0, second)}, interval: second, hold: byPace, wait: second},
		{name: "rate before pace", config: config{rated(0.5, 1)}, before: setup{start(0, second)}, interval: second, hold: byRate, wait: 2 * second},
		{name: "budget before server", config: config{budgeted(tokens(10, minute))}, before: setup{start(8, 0), pause(second)}, cost: 3, hold: byBudget, wait: minute},
		{name: "server before budget", config: config{budgeted(tokens(10, minute))}, before: setup{start(8, 0), pause(2 * minute)}, cost: 3, hold: byServer, wait: 2 * minute},
		{name: "budget before all", config: config{budgeted(tokens(10, minute)), rated(2, 1)}, before: setup{start(8, second), pause(second)}, interval: second, cost: 3, hold: byBudget, wait: minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGate(test.config...)
			for _, f := range test.before {
				f(g)
			}
			h, wait, budget := g.check(opening.Add(test.after), patient(), asks(test.cost), test.interval)
			if h != test.hold || wait != test.wait || h == byBudget && budget != test.budget {
				t.Errorf("got %v, %v, budget %d, want %v, %v, budget %d", h, wait, budget, test.hold, test.wait, test.budget)
			}
		})
	}
}

// A half-open circuit whose probes are all out holds until one is back, or they have
// been out for as long as it was open.
func TestHalfOpenCircuitHoldsUntilAProbeIsBackOrTakenForLost(t *testing.T) {
	g := newGate(breakingBy(controller.Breaker{Failures: 1, OpenFor: second, Probes: 2}))
	g.circuit.Record(opening, failed)
	now := opening.Add(second)
	var probes [2]*Job
	for i := range probes {
		probes[i] = asks(0)
		pass(t, g, now, probes[i], 0)
		if !probes[i].probe {
			t.Error("it is no probe")
		}
	}
	now = now.Add(second / 2)
	held := func() bool {
		h, wait, _ := g.check(now, nil, asks(0), 0)
		if h == byCircuit && wait != second/2 {
			t.Errorf("holds for %v, want until the probes have been out for a second", wait)
		}
		return h == byCircuit
	}
	if !held() {
		t.Error("a third probe passes")
	}
	g.giveBack(now, probes[0], 0)
	if held() || probes[0].probe {
		t.Error("a probe that was given back keeps its place")
	}
	pass(t, g, now, probes[0], 0)
	probes[1].skipped, probes[1].counted = true, ignored
	g.settle(now, probes[1])
	if held() {
		t.Error("a probe that did not start keeps its place")
	}
	pass(t, g, now, probes[1], 0)
	for i, p := range probes {
		if s := g.circuit.State(now); s != controller.BreakerHalfOpen {
			t.Errorf("after %d probes: %v", i, s)
		}
		p.skipped, p.counted = false, succeeded
		g.settle(now, p)
	}
	if s := g.circuit.State(now); s != controller.BreakerClosed {
		t.Errorf("after both probes: %v", s)
	}
}

// TestGateKeepsItsBooks compares what is taken of budgets, commons and rate with
// what attempts that are under way have reserved, and the others have used.
func TestGateKeepsItsBooks(t *testing.T) {
	type booking struct {
		job              *Job
		tokens, requests int64
	}
	rapid.Check(t, func(t *rapid.T) {
		const plenty = 100
		token := controller.Budget{Tokens: plenty, Window: time.Hour}
		request := controller.Budget{Tokens: plenty / 4, Window: time.Hour, Requests: true}
		var own []controller.Budget
		for range rapid.IntRange(0, 3).Draw(t, "own budgets") {
			own = append(own, rapid.SampledFrom([]controller.Budget{token, request}).Draw(t, "own"))
		}
		change := []func(*Config){budgeted(own...), rated(1e-9, plenty)}
		if rapid.Bool().Draw(t, "shared") {
			change = append(change, sharing(NewCommons([]controller.Budget{token, request})))
		}
		g := newGate(change...)
		now := opening
		var under []booking // way
		var used booking
		taken := 0.0

		expect := func(t *rapid.T) {
			want := used
			for _, b := range under {
				want.tokens += b.tokens
				want.requests += b.requests
			}
			for _, b := range g.appendStatus(nil, now) {
				n := want.tokens
				if b.Requests {
					n = want.requests
				}
				if b.Used != n || b.Remaining != max(b.Tokens-n, 0) {
					t.Fatalf("%d of a budget used, %d left, want %d used of %d", b.Used, b.Remaining, n, b.Tokens)
				}
			}
			if left := plenty - taken; g.rate.Wait(now, left) > 0 || g.rate.Wait(now, left+0.25) == 0 {
				t.Fatalf("more or less than %v left of the rate", left)
			}
		}
		pick := func(t *rapid.T) booking {
			if len(under) == 0 {
				t.Skip()
			}
			i := rapid.IntRange(0, len(under)-1).Draw(t, "attempt")
			b := under[i]
			under = append(under[:i:i], under[i+1:]...)
			return b
		}
		d := patient()
		t.Repeat(map[string]func(*rapid.T){
			"": expect,
			"start": func(t *rapid.T) {
				j := asks(rapid.SampledFrom([]int64{Unknown, 0, 1, 7}).Draw(t, "cost"))
				j.Weight = rapid.SampledFrom([]float64{0, 0.5, 1, 2.25}).Draw(t, "weight")
				reserves := g.cost(j, token)
				if h, _, _ := g.check(now, d, j, 0); h != free {
					t.Skip()
				}
				g.pass(now, j, 0)
				under = append(under, booking{j, reserves, int64(math.Ceil(j.Weight))})
				taken += j.Weight
			},
			"give back": func(t *rapid.T) {
				b := pick(t)
				g.giveBack(now, b.job, 0)
				taken -= b.job.Weight
			},
			"skip": func(t *rapid.T) {
				b := pick(t)
				b.job.skipped = true
				g.settle(now, b.job)
			},
			"settle": func(t *rapid.T) {
				b := pick(t)
				b.job.verdict = rapid.SampledFrom([]controller.Verdict{ignored, failed, overload, succeeded}).Draw(t, "verdict")
				b.job.tokens = rapid.SampledFrom([]int64{Unknown, 0, 3, 9}).Draw(t, "tokens")
				b.job.spared = b.job.verdict == overload
				used.tokens += g.used(b.job) // before others change what is expected
				used.requests += b.requests
				g.settle(now, b.job)
			},
			"record": func(t *rapid.T) {
				u := use{tokens: rapid.Int64Range(0, 9).Draw(t, "tokens"), requests: rapid.Int64Range(0, 1).Draw(t, "requests")}
				g.record(now, u)
				used.tokens += u.tokens
				used.requests += u.requests
			},
		})
	})
}

func TestAttemptHasUsedWhatItRecordedOrElseWhatItCosts(t *testing.T) {
	for _, test := range []struct {
		name    string
		cost    int64
		tokens  int64
		verdict controller.Verdict
		want    int64
		learns  bool // what jobs use
	}{
		{"success, estimated", 7, Unknown, succeeded, 7, true},
		{"success, recorded", 7, 3, succeeded, 3, true},
		{"success, recorded none", 7, 0, succeeded, 0, true},
		{"success, of which nothing is known", Unknown, Unknown, succeeded, 0, true},
		{"failure", 7, Unknown, failed, 7, false},
		{"failure, of which nothing is known", Unknown, Unknown, failed, 0, false},
		{"broken off", 7, Unknown, ignored, 7, false},
		{"failure, recorded", 7, 3, failed, 3, true},
		{"refusal", 7, Unknown, overload, 0, false},
		{"refusal, recorded", 7, 3, overload, 3, true},
		{"recorded beyond reason", 7, 1 << 60, succeeded, mostTokens, true},
		{"recorded until it overflowed", 7, -5, succeeded, mostTokens, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGate(budgeted(controller.Budget{Tokens: 1 << 50, Window: minute}))
			j := asks(test.cost)
			g.pass(opening, j, 0)
			j.tokens, j.verdict = test.tokens, test.verdict
			j.spared = j.verdict == overload
			g.settle(opening, j)
			if got := g.budgets[0].Used(opening); got != test.want {
				t.Errorf("used %d, want %d", got, test.want)
			}
			mean, known := g.usage.Mean()
			if known != test.learns || mean != test.want && known {
				t.Errorf("learned %d, %v", mean, known)
			}
		})
	}
}

func TestAttemptReservesItsCostOrWhatOthersUsed(t *testing.T) {
	tokens := controller.Budget{Tokens: 100, Window: minute}
	small := controller.Budget{Tokens: 3, Window: minute}
	requests := controller.Budget{Tokens: 100, Window: minute, Requests: true}
	g := newGate()
	for _, test := range []struct {
		name   string
		learn  int64 // before; 0: nothing
		ask    Ask
		budget controller.Budget
		want   int64
	}{
		{"its cost", 0, Ask{Cost: 60, Weight: 1}, tokens, 60},
		{"no cost", 0, Ask{Cost: 0, Weight: 1}, tokens, 0},
		{"a share for each at once, as long as nothing is known", 0, Ordinary, tokens, 25},
		{"at least something", 0, Ordinary, small, 1},
		{"requests are its weight", 0, Ask{Cost: 60, Weight: 2.25}, requests, 3},
		{"no request", 0, Ask{Cost: 60, Weight: 0}, requests, 0},
		{"the mean", 40, Ordinary, tokens, 40},
		{"its cost, whatever the mean", 0, Ask{Cost: 60, Weight: 1}, tokens, 60},
		{"the mean of a budget that has less", 0, Ordinary, small, 3},
		{"the mean says nothing of requests", 0, Ordinary, requests, 1},
	} {
		if test.learn > 0 {
			g.usage.Add(test.learn)
		}
		if got := g.cost(&Job{Ask: test.ask}, test.budget); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

func TestJobThatNothingHasRoomForIsRefused(t *testing.T) {
	tokens := controller.Budget{Name: "tokens", Tokens: 10, Window: minute}
	dear := controller.Budget{Name: "dear", Tokens: 5, Window: minute}
	requests := controller.Budget{Name: "requests", Tokens: 3, Window: minute, Requests: true}
	for _, test := range []struct {
		name   string
		change []func(*Config)
		ask    Ask
		want   error
	}{
		{"no limits", nil, Ask{Cost: 1 << 60, Weight: 1 << 60}, nil},
		{"unknown cost", []func(*Config){budgeted(tokens)}, Ordinary, nil},
		{"all of a budget", []func(*Config){budgeted(tokens)}, Ask{Cost: 10, Weight: 1}, nil},
		{"more than all", []func(*Config){budgeted(tokens)}, Ask{Cost: 11, Weight: 1}, &CostError{Cost: 11, Limit: 10, Budget: "tokens"}},
		{"more than one of two", []func(*Config){budgeted(tokens, dear)}, Ask{Cost: 6, Weight: 1}, &CostError{Cost: 6, Limit: 5, Budget: "dear"}},
		{"more than the commons", []func(*Config){budgeted(tokens), sharing(NewCommons([]controller.Budget{dear}))}, Ask{Cost: 6, Weight: 1}, &CostError{Cost: 6, Limit: 5, Budget: "dear"}},
		{"negative cost", nil, Ask{Cost: -1, Weight: 1}, &CostError{Cost: -1}},
		{"all requests", []func(*Config){budgeted(requests)}, Ask{Cost: 99, Weight: 3}, nil},
		{"more than all requests, rounded up", []func(*Config){budgeted(requests)}, Ask{Cost: 99, Weight: 3.1}, &CostError{Cost: 4, Limit: 3, Budget: "requests"}},
		{"infinitely many requests", []func(*Config){budgeted(requests)}, Ask{Cost: 0, Weight: math.Inf(1)}, &CostError{Cost: mostTokens, Limit: 3, Budget: "requests"}},
		{"all of the burst", []func(*Config){rated(1, 2.5)}, Ask{Cost: 0, Weight: 2.5}, nil},
		{"more than the burst", []func(*Config){rated(1, 2.5)}, Ask{Cost: 0, Weight: 2.6}, &WeightError{2.6, 2.5}},
		{"no weight", []func(*Config){rated(1, 2.5)}, Ask{Cost: 0, Weight: 0}, nil},
		{"negative weight", []func(*Config){rated(1, 2.5)}, Ask{Cost: 0, Weight: -1}, &WeightError{-1, 2.5}},
		{"negative weight, no rate", nil, Ask{Cost: 0, Weight: -1}, &WeightError{Weight: -1}},
		{"no number", nil, Ask{Cost: 0, Weight: math.NaN()}, &WeightError{Weight: math.NaN()}},
	} {
		var cfg Config
		for _, change := range test.change {
			change(&cfg)
		}
		got := newRules(cfg).tooDear(&Job{Ask: test.ask})
		if fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", test.want, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestRecordedUseIsBooked(t *testing.T) {
	own := controller.Budget{Tokens: 10, Window: minute}
	shared := controller.Budget{Tokens: 20, Window: minute, Requests: true}
	g := newGate(budgeted(own), sharing(NewCommons([]controller.Budget{shared})))
	g.record(opening, use{tokens: 4, requests: 2})
	status := g.appendStatus(nil, opening)
	if status[0].Used != 4 || status[1].Used != 2 {
		t.Errorf("used %d and %d, want 4 and 2", status[0].Used, status[1].Used)
	}
	if used := g.budgets[0].Used(opening.Add(minute)); used != 0 {
		t.Errorf("%d used a window later", used)
	}
}

func TestHintIsTakenByWhatItIsOf(t *testing.T) {
	type left struct {
		pause  time.Duration
		next   time.Duration // until one call may start
		own    int64         // of 10
		shared int64         // of 20
	}
	for _, test := range []struct {
		name string
		hint controller.Hint
		want left
	}{
		{"pause", controller.Hint{RetryAfter: second}, left{second, second, 10, 20}},
		{"quota of requests", controller.Hint{Remaining: 4, Reset: minute}, left{0, 0, 10, 20}},
		{"no requests left", controller.Hint{Remaining: 0, Reset: minute}, left{minute, minute, 10, 20}},
		{"our budget", controller.Hint{Budget: "own", Remaining: 3, Reset: minute}, left{0, 0, 3, 20}},
		{"our budget is empty", controller.Hint{Budget: "own", Remaining: 0, Reset: minute}, left{0, 0, 0, 20}},
		{"our budget and a pause", controller.Hint{Budget: "own", Remaining: 3, Reset: minute, RetryAfter: second}, left{second, second, 3, 20}},
		{"a budget of the commons", controller.Hint{Budget: "shared", Remaining: 3, Reset: minute}, left{0, 0, 10, 3}},
		{"a budget that we do not know", controller.Hint{Budget: "other", Remaining: 3, Reset: minute}, left{0, 0, 10, 20}},
		{"one that we do not know is empty", controller.Hint{Budget: "other", Remaining: 0, Reset: minute}, left{minute, minute, 10, 20}},
		{"and a longer pause", controller.Hint{Budget: "other", Remaining: 0, Reset: minute, RetryAfter: 2 * minute}, left{2 * minute, 2 * minute, 10, 20}},
		{"no reset", controller.Hint{Budget: "own", Remaining: 3}, left{0, 0, 10, 20}},
		{"nonsense", controller.Hint{Budget: "own", Remaining: -3, Reset: minute, RetryAfter: -1}, left{0, 0, 0, 20}},
	} {
		t.Run(test.name, func(t *testing.T) {
			window := func(name string, n int64) controller.Budget {
				return controller.Budget{Name: name, Tokens: n, Window: time.Hour}
			}
			g := newGate(budgeted(window("own", 10)), sharing(NewCommons([]controller.Budget{window("shared", 20)})))
			g.hint(opening, test.hint, marks{})
			status := g.appendStatus(nil, opening)
			_, next, _ := g.check(opening, patient(), asks(0), 0)
			got := left{g.pause(opening), next, status[0].Remaining, status[1].Remaining}
			if got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// What attempts take of a quota that no budget stands for, and what of it comes back.
func TestGateKeepsTheBooksOfAQuota(t *testing.T) {
	recorded := func(n int64) func(*gate, *Job) {
		return func(g *gate, j *Job) {
			j.tokens, j.verdict = n, succeeded
			g.settle(opening, j)
		}
	}
	for _, test := range []struct {
		name   string
		before []int64 // what jobs have used that told no cost
		cost   int64
		then   func(*gate, *Job)
		left   int64
	}{
		{"what it is said to cost", nil, 30, func(*gate, *Job) {}, 70},
		{"what others used, as long as it has not ended", []int64{10, 20}, Unknown, func(*gate, *Job) {}, 85},
		{"what it used, if nobody said what it costs", []int64{10, 20}, Unknown, recorded(5), 95},
		{"what it is said to cost, though it used less", nil, 30, recorded(5), 70},
		{"what it used, if that is more", nil, 30, recorded(40), 60},
		{"nothing, if it was taken back", nil, 30, func(g *gate, j *Job) { g.giveBack(opening, j, 0) }, 100},
		{"nothing, if it did not start", nil, 30, func(g *gate, j *Job) { j.skipped = true; g.settle(opening, j) }, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := newGate()
			for _, used := range test.before {
				j := asks(Unknown)
				pass(t, g, opening, j, 0)
				recorded(used)(g, j)
			}
			g.hint(opening, controller.Hint{Budget: "tokens", Limit: 500, Remaining: 100, Reset: minute}, marks{})
			j := asks(test.cost)
			pass(t, g, opening, j, 0)
			test.then(g, j)
			for cost, want := range map[int64]hold{test.left: free, test.left + 1: byServer} {
				if h, _, _ := g.check(opening, patient(), asks(cost), 0); h != want {
					t.Errorf("%d tokens: held by %v, want %v", cost, h, want)
				}
			}
		})
	}
}

// A server that tells of a quota only now and then is not held to it after its reset.
func TestASuccessWithoutAHintEndsWhatARenewedQuotaHolds(t *testing.T) {
	g := newGate()
	g.hint(opening, controller.Hint{Limit: 1, Remaining: 0, Reset: minute}, marks{})
	now := opening.Add(minute)
	j := asks(0)
	pass(t, g, now, j, 0)
	if h, _, _ := g.check(now, patient(), asks(0), 0); h != byServer {
		t.Errorf("held by %v before it has ended, want the quota", h)
	}
	j.verdict = succeeded
	g.settle(now, j)
	if h, _, _ := g.check(now, patient(), asks(0), 0); h != free {
		t.Errorf("held by %v after it", h)
	}
}

// A budget takes the place of what was told of a quota of its name.
func TestABudgetTakesThePlaceOfAQuota(t *testing.T) {
	empty := controller.Hint{Budget: "tokens", Limit: 9, Remaining: 0, Reset: time.Hour}
	tokens := budgeted(controller.Budget{Name: "tokens", Tokens: 100, Window: minute})
	g := newGate()
	g.hint(opening, empty, marks{})
	var cfg Config
	tokens(&cfg)
	cfg.Controller.Bounds.MaxLimit = 4
	g.update(opening, cfg)
	if h, wait, _ := g.check(opening, patient(), asks(1), 0); h != free {
		t.Errorf("held by %v for %v", h, wait)
	}
}

func TestBudgetsAreNumberedOurOwnFirst(t *testing.T) {
	budget := func(name string, n int64) controller.Budget {
		return controller.Budget{Name: name, Tokens: n, Window: minute}
	}
	shared := []controller.Budget{budget("c", 10), budget("d", 40)}
	g := newGate(budgeted(budget("a", 20), budget("b", 80)), sharing(NewCommons(shared)))
	pass(t, g, opening, asks(8), 0)
	status := g.appendStatus(make([]controller.BudgetSnapshot, 0, 9), opening)
	for i, want := range []struct {
		name string
		free float64
	}{{"a", 0.6}, {"b", 0.9}, {"c", 0.2}, {"d", 0.8}} {
		if g.name(i) != want.name || g.free(opening, i) != want.free || status[i].Name != want.name {
			t.Errorf("budget %d: %q, %v free, %q in the snapshot, want %v", i, g.name(i), g.free(opening, i), status[i].Name, want)
		}
	}
	if h, _, i := g.check(opening, patient(), asks(9), 0); h != byCommons || i != 2 {
		t.Errorf("held by %v, budget %d, want the commons' first, which is 2", h, i)
	}
}

func TestAttemptThatIsHeldUpTakesNothingOfTheCommons(t *testing.T) {
	shared := controller.Budget{Tokens: 10, Window: minute}
	g := newGate(budgeted(controller.Budget{Tokens: 5, Window: minute}), sharing(NewCommons([]controller.Budget{shared})))
	pass(t, g, opening, asks(2), 0)
	if h, _, _ := g.check(opening, patient(), asks(4), 0); h != byBudget {
		t.Errorf("held by %v", h)
	}
	if used := g.appendStatus(nil, opening)[1].Used; used != 2 {
		t.Errorf("%d used of the commons, want 2", used)
	}
}

func TestJitterMakesGapsLongerByUpToItsShare(t *testing.T) {
	jittered := func(cfg *Config) { cfg.Jitter = 0.5 }
	gaps := func(g *gate) (gaps []time.Duration) {
		now := opening
		for range 100 {
			g.pass(now, asks(0), second)
			_, gap, _ := g.check(now, nil, asks(0), second)
			gaps = append(gaps, gap)
			now = now.Add(gap)
		}
		return gaps
	}
	sum, first := time.Duration(0), gaps(newGate(jittered))
	for _, gap := range first {
		if gap < second || gap > 3*second/2 {
			t.Errorf("a gap of %v", gap)
		}
		sum += gap
	}
	if mean := sum / 100; mean < 1200*time.Millisecond || mean > 1300*time.Millisecond {
		t.Errorf("gaps of %v in the mean, want about 1.25s", mean)
	}
	if second := gaps(newGate(jittered)); fmt.Sprint(first) != fmt.Sprint(second) {
		t.Error("the same seed gives other gaps")
	}
	for _, gap := range gaps(newGate()) {
		if gap != second {
			t.Errorf("a gap of %v without jitter", gap)
		}
	}
}

func TestSeedZeroIsAnotherEachTime(t *testing.T) {
	if seeded(0).Uint64() == seeded(0).Uint64() {
		t.Error("two throttles without a seed draw the same numbers")
	}
	if seeded(7).Uint64() != seeded(7).Uint64() {
		t.Error("two throttles of one seed draw others")
	}
}

func TestNewIntervalHoldsFromTheNextGapAndIsNotTakenForTheTraffics(t *testing.T) {
	g := newGate()
	pass(t, g, opening, asks(0), minute)
	g.repace(opening, minute, second)
	if _, wait, _ := g.check(opening, nil, asks(0), second); wait != second {
		t.Errorf("waits for %v, want 1s", wait)
	}
	if gap := g.gaps.Mean(opening.Add(second)); gap != 0 {
		t.Errorf("a gap of %v is measured from before", gap)
	}
}

// What is known of a budget is known by its name and what it counts, or the
// order of those without a name.
func TestUpdateKeepsWhatWasUsedOfABudget(t *testing.T) {
	budget := func(name string, n int64, requests bool) controller.Budget {
		return controller.Budget{Name: name, Tokens: n, Window: minute, Requests: requests}
	}
	g := newGate(budgeted(budget("a", 10, false), budget("", 20, false), budget("", 30, false), budget("a", 5, true)))
	for range 2 {
		pass(t, g, opening, asks(4), 0)
	}
	g.budgets[1].Reserve(opening, 1) // to tell it from the next
	g.update(opening, Config{Budgets: []controller.Budget{
		budget("", 21, false), budget("a", 6, true), budget("b", 40, false), budget("a", 11, false), budget("", 31, false), budget("", 50, false),
	}, Controller: controller.Config{Bounds: controller.Bounds{MaxLimit: 4}}})
	for i, want := range []struct{ tokens, used int64 }{{21, 9}, {6, 2}, {40, 0}, {11, 8}, {31, 8}, {50, 0}} {
		if w := g.budgets[i]; w.Tokens != want.tokens || w.Used(opening) != want.used {
			t.Errorf("budget %d: %d used of %d, want %v", i, w.Used(opening), w.Tokens, want)
		}
	}
}

// An attempt settles what it has claimed, though the budget has gone meanwhile,
// and claims from the new ones when it is tried again.
func TestBudgetsComeAndGoWhileAnAttemptIsUnderWay(t *testing.T) {
	two := []controller.Budget{{Name: "a", Tokens: 10, Window: minute}, {Name: "b", Tokens: 10, Window: minute}}
	update := func(g *gate, b ...controller.Budget) {
		g.update(opening, Config{Budgets: b, Controller: controller.Config{Bounds: controller.Bounds{MaxLimit: 4}}})
	}
	g := newGate(budgeted(two...))
	j := asks(6)
	pass(t, g, opening, j, 0)
	a, b := g.budgets[0], g.budgets[1]
	update(g)
	j.verdict, j.spared = overload, true
	g.settle(opening, j)
	if a.Used(opening)+b.Used(opening) != 0 {
		t.Error("nothing was given back to the budgets that are gone")
	}
	pass(t, g, opening, j, 0) // of nothing
	j.tokens = 9
	g.settle(opening, j)
	if a.Used(opening)+b.Used(opening) != 0 {
		t.Error("an attempt that claimed nothing is booked")
	}
	update(g, two[1], two[0])
	pass(t, g, opening, j, 0)
	j.tokens = 2
	g.settle(opening, j)
	for i, w := range g.budgets {
		if w.Used(opening) != 2 {
			t.Errorf("budget %d: %d used, want 2", i, w.Used(opening))
		}
	}
}

func TestUpdateKeepsWhatWasTakenOfTheRate(t *testing.T) {
	g := newGate(rated(1, 10))
	for range 8 {
		pass(t, g, opening, asks(0), 0)
	}
	g.update(opening, Config{Rate: &controller.Rate{PerSecond: 1, Burst: 12}})
	if g.rate.Wait(opening, 4) != 0 || g.rate.Wait(opening, 5) == 0 {
		t.Error("not 4 of 12 left")
	}
	g.update(opening, Config{})
	if h, _, _ := g.check(opening, nil, &Job{Ask: Ask{Weight: 99}}, 0); h != free {
		t.Errorf("held by %v though there is no rate", h)
	}
	g.update(opening, Config{Rate: &controller.Rate{PerSecond: 1, Burst: 2}})
	if g.rate.Wait(opening, 2) != 0 {
		t.Error("a new rate does not start full")
	}
}

// An attempt says nothing of a circuit that it has not passed.
func TestUpdateTellsAttemptsOfFormerCircuitsApart(t *testing.T) {
	breaker := controller.Breaker{Failures: 1, OpenFor: second}
	update := func(g *gate, b *controller.Breaker) { g.update(opening, Config{Breaker: b}) }
	for name, from := range map[string]*controller.Breaker{"circuit": &breaker, "none": nil} {
		g := newGate(func(cfg *Config) { cfg.Breaker = from })
		j := asks(0)
		pass(t, g, opening, j, 0)
		update(g, nil)
		update(g, nil)
		update(g, &breaker)
		j.counted = failed
		g.settle(opening, j)
		if s := g.circuit.State(opening); s != controller.BreakerClosed {
			t.Errorf("from before, under a %s: %v", name, s)
		}
		pass(t, g, opening, j, 0)
		changed := breaker
		changed.OpenFor = minute
		update(g, &changed)
		g.settle(opening, j)
		if s := g.circuit.State(opening.Add(minute - 1)); s != controller.BreakerOpen {
			t.Errorf("under another description: %v", s)
		}
	}
	// A probe is none any more when there is nothing to probe.
	g := newGate(breakingBy(breaker))
	g.circuit.Record(opening, failed)
	j := asks(0)
	pass(t, g, opening.Add(second), j, 0)
	update(g, nil)
	if pass(t, g, opening.Add(second), j, 0); j.probe {
		t.Error("a probe without a circuit")
	}
}

func TestBreakersRulesAreThoseOfTheConfiguration(t *testing.T) {
	counts := func(err error) bool { return errors.Is(err, errService) }
	r := newRules(Config{Breaker: &controller.Breaker{Counts: counts, Wait: true}})
	if !r.wait || r.counts == nil || !r.counts(errService) {
		t.Error("they are lost")
	}
	if r = newRules(Config{}); r.wait || r.counts != nil {
		t.Error("there are some without a breaker")
	}
}
