package controller

import (
	"math"
	"testing"
)

// calm is what was in force when all was well: 100 a second, ten in flight.
var calm = pressure{rate: 100, slots: 10, proven: true}

// missed returns a outage that has seen so many misses, one each 10 ms from a time on.
func missed(n int, from float64) *outage {
	d := &outage{}
	d.succeed(1)
	for i := range n {
		d.miss(attempt{int64(i + 1), from + 0.01*float64(i)}, calm)
	}
	return d
}

func TestOutageIsSilentWhenNothingIsAcceptedWhereTwentyShouldHaveBeen(t *testing.T) {
	unproven := calm
	unproven.proven = false
	for _, c := range []struct {
		misses       int
		now, latency float64
		pressed      pressure
		want         bool
	}{
		{4, 10.21, 0.01, calm, true},
		{4, 10.19, 0.01, calm, false}, // not yet twenty
		{3, 10.21, 0.01, calm, false}, // too few to say
		{4, 10.39, 0.2, calm, false},  // not yet twice as long as one takes
		{4, 10.41, 0.2, calm, true},
		{4, 12.99, 0.01, unproven, false},
		{4, 13.01, 0.01, unproven, true},
	} {
		d := missed(c.misses, 10)
		d.pressed = c.pressed
		if got := d.silent(c.now, c.latency); got != c.want {
			t.Errorf("%d misses since 10, now %v, latency %v, %+v: %v, want %v", c.misses, c.now, c.latency, c.pressed, got, c.want)
		}
	}
}

func TestOutageIsNotSilentAfterASuccess(t *testing.T) {
	d := missed(10, 10)
	d.succeed(9) // of an attempt that started before them
	if !d.silent(11, 0.01) {
		t.Error("a success from before counts")
	}
	d.succeed(10.5)
	d.miss(attempt{20, 10.6}, calm)
	if d.silent(11, 0.01) {
		t.Error("a success from after them does not count")
	}
}

func TestOutageSilenceBeginsWithTheOldestMiss(t *testing.T) {
	d := missed(4, 10)
	d.miss(attempt{0, 9}, calm) // its end is told late
	if d.began != 9 || d.newest != 10.03 {
		t.Errorf("from %v to %v, want 9 to 10.03", d.began, d.newest)
	}
}

// It takes more in a row, the more are in flight; fewer, if they started one right
// after another.
func TestOutageIsFailingAfterAFewInARow(t *testing.T) {
	for _, c := range []struct {
		inFlight, gap, want int
	}{{1, 1, 4}, {1, 2, 5}, {3, 1, 4}, {3, 2, 6}, {127, 1, 7}, {127, 2, 11}, {1023, 1, 8}, {1023, 2, 14}} {
		var d outage
		d.succeed(1)
		n := 0
		for ; !d.failing(c.inFlight, 0); n++ {
			d.miss(attempt{int64(n*c.gap + 1), 10}, calm)
		}
		if n != c.want {
			t.Errorf("%d in flight, each %dth fails: down after %d, want %d", c.inFlight, c.gap, n, c.want)
		}
		d.succeed(11)
		if d.failing(c.inFlight, 0) {
			t.Errorf("%d in flight: still down after a success", c.inFlight)
		}
	}
}

func TestOutageKeepsWhatWasInForceAtTheFirstMiss(t *testing.T) {
	d := missed(1, 10)
	d.miss(attempt{2, 10.1}, pressure{rate: 1, slots: 1})
	if d.pressed != calm {
		t.Errorf("%+v, want %+v", d.pressed, calm)
	}
	d.succeed(11)
	d.miss(attempt{3, 12}, pressure{rate: 50, slots: 5})
	if d.pressed.rate != 50 {
		t.Errorf("%+v, want what was in force when all was well last", d.pressed)
	}
}

// While a service refuses, a probe comes after half the time that it was down for at first;
// the waits grow to a minute in the end, since some services begin a ban anew with each request.
func TestOutageProbesThatAreRefusedComeLessAndLessOften(t *testing.T) {
	for _, c := range []struct{ rate, soon float64 }{{100, 4}, {10, 10}, {1, 60}, {0.01, 60}} {
		d := missed(5, 10)
		d.pressed.rate = c.rate
		d.start(attempt{5, 10.04}, true)
		if !d.is || d.since != 10 {
			t.Fatalf("%+v, want it down since 10", d)
		}
		last := 0.0
		for now := 10.0; now < 2000; now += last {
			wait := d.patience(now)
			if wait < last || wait > max(1.5*last, 0.001)+1e-9 && last > 0.001 || wait > 60 {
				t.Fatalf("%v/s, %v s down: waits %v after %v", c.rate, now-10, wait, last)
			}
			if passed := now - 10; passed > 2*c.soon && passed < 8*c.soon && wait != c.soon {
				t.Fatalf("%v/s, %v s down: waits %v, want %v", c.rate, passed, wait, c.soon)
			}
			if passed := now - 10; passed > 0.01 && passed < c.soon && !about(wait, passed/2) {
				t.Fatalf("%v/s, %v s down: waits %v, want half of that", c.rate, passed, wait)
			}
			last = wait
		}
		if last != 60 {
			t.Errorf("%v/s: waits %v at last, want a minute", c.rate, last)
		}
	}
}

// Failures may be those of many bad jobs, so where many attempts are done in a second,
// probes are close together at first.
func TestOutageProbesThatFailComeOftenAtFirst(t *testing.T) {
	for _, c := range []struct {
		rate, passed, want float64
	}{
		{100, 0, 0.001}, {100, 1, 0.08}, {100, 10, 0.8}, {100, 20, 1}, {100, 64, 2}, {100, 10_000, 60},
		{10, 1, 0.15}, {10, 100, 10}, {1, 1, 1}, {1, 30, 30}, {1, 100, 60},
	} {
		d := missed(5, 10)
		d.pressed.rate = c.rate
		d.start(attempt{5, 10.04}, false)
		if got := d.patience(10 + c.passed); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v/s, %v s down: waits %v, want %v", c.rate, c.passed, got, c.want)
		}
	}
}

// Where a share of jobs fails anyway, more failures in a row are needed.
func TestOutageIsNotTheFailuresThatAreUsual(t *testing.T) {
	for _, c := range []struct {
		share float64
		want  int
	}{{0, 4}, {0.05, 4}, {0.2, 6}, {0.4, 11}, {1, 88}} {
		var d outage
		d.succeed(1)
		n := 0
		for ; !d.failing(1, c.share); n++ {
			d.miss(attempt{int64(n + 1), 10}, calm)
		}
		if n != c.want {
			t.Errorf("%v%% fail anyway: down after %d in a row, want %d", 100*c.share, n, c.want)
		}
	}
}

// A success says that what missed before it started was no silence, also if others missed
// later.
func TestOutageSilenceBeginsAnewWithASuccessInBetween(t *testing.T) {
	d := missed(11, 10) // until 10.1
	d.succeed(10.05)
	if d.began != 10.05 || d.misses != 6 {
		t.Errorf("%d misses since %v, want the 6 or so since 10.05", d.misses, d.began)
	}
}

func TestOutageIsOverWithASuccessFromAfterTheLastMiss(t *testing.T) {
	d := missed(5, 10)
	d.start(attempt{5, 10.04}, true)
	d.lastMiss = 20
	for start, want := range map[float64]bool{9: false, 10: false, 15: false, 19.9: false, 20: true, 21: true} {
		if got := d.over(start); got != want {
			t.Errorf("a success that started at %v: over is %v, want %v", start, got, want)
		}
	}
}

// A probe of a job that had not failed before, and can be tried again, costs none.
func TestOutageIsAskedMuchWithJobsThatHadNotFailed(t *testing.T) {
	d := missed(5, 10)
	d.start(attempt{5, 10.04}, false)
	if got := d.share(); got != 0.5 {
		t.Errorf("at first: %v of what was sent before, want half", got)
	}
	fresh := Outcome{Verdict: Failed, Attempt: 1}
	for before, many := range map[int64]int{0: 20, 100: 20, 400: 60, 1000: 100, 1e6: 100} {
		d.start(attempt{5, 10.04}, false)
		for range many {
			d.probed(&fresh)
		}
		d.last = before + int64(many)
		if got := d.share(); math.Abs(got-0.25) > 1e-9 {
			t.Errorf("%d attempts before, after %d that failed: %v of what was sent, want a quarter", before, many, got)
		}
	}
	for name, costly := range map[string]Outcome{
		"a retry":       {Verdict: Failed, Attempt: 2},
		"its last time": {Verdict: Failed, Attempt: 1, Final: true},
	} {
		d.probed(&costly)
		if got := d.share(); got != 0 {
			t.Errorf("%s: %v of what was sent before, want one attempt now and then", name, got)
		}
		d.probed(&fresh)
		if got := d.share(); got == 0 {
			t.Errorf("after %s, one that had not failed: want many again", name)
		}
	}
	d.start(attempt{5, 10.04}, true)
	if got := d.share(); got != 0 {
		t.Errorf("refused: %v of what was sent before, want one attempt now and then", got)
	}
	d.start(attempt{5, 10.04}, false)
	if got := d.share(); got != 0.5 {
		t.Errorf("down again: %v of what was sent before, want half", got)
	}
}

// One at a time of jobs that may be lost by it, however many are in flight otherwise.
func TestSeekAsksOneAtATimeWhereAProbeMayCostAJob(t *testing.T) {
	f := feed(Seek{}, 20)
	f.succeed(2000)
	for range 20 {
		f.next(Outcome{Verdict: Failed, Attempt: 1})
	}
	if f.Limit < 2 || !f.Probing {
		t.Fatalf("with jobs that had not failed: %v, probing %v; want some at a time", f.Setting, f.Probing)
	}
	f.next(Outcome{Verdict: Failed, Attempt: 2})
	if f.Limit != 1 || !f.Probing {
		t.Errorf("with a job that had: %v, probing %v; want one at a time", f.Setting, f.Probing)
	}
}

// Where a block of bad rows begins, failures come in between the successes of those in
// flight. Then they are taken for pressure, until there is no success any more.
func TestSeekTakesAServiceForDownAlsoWhenFailuresHadBecomeMany(t *testing.T) {
	f := feed(Seek{}, 20)
	f.succeed(2000)
	for range 12 {
		f.next(Outcome{Verdict: Failed, Attempt: 1})
		f.next(Outcome{Verdict: Failed, Attempt: 1})
		f.succeed(1)
	}
	if f.Reason != ReasonFailures {
		t.Fatalf("two of three fail: %v, want less because of that", f.Reason)
	}
	for range 7 {
		f.next(Outcome{Verdict: Failed, Attempt: 1})
	}
	if !f.Probing {
		t.Errorf("7 more failed, and nothing succeeded: %v, %v; want it taken for down", f.Setting, f.Reason)
	}
}

// What was in force when it fell again at once may have been what took it down.
func TestOutageComesBackWithLessIfItIsDownAgainSoon(t *testing.T) {
	var d outage
	for _, c := range []struct {
		newest int64
		share  float64
	}{{50, 1}, {149, 0.8}, {248, 0.8}, {348, 1}, {447, 0.8}} {
		if got := d.back(attempt{seq: c.newest}, true, false); got != c.share {
			t.Errorf("back at number %d: with %v of what was in force, want %v", c.newest, got, c.share)
		}
	}
}

func TestOutageComesBackWithAllIfNobodyHadWaited(t *testing.T) {
	d := outage{returned: attempt{seq: 50}}
	if got := d.back(attempt{seq: 60}, false, false); got != 1 || d.returned.seq != 60 {
		t.Errorf("back at 60 with %v of what was in force, noted at %d", got, d.returned.seq)
	}
}

// If failures are known to be the pressure's, it was that, however long ago it was back.
func TestOutageComesBackWithLessIfFailuresAreThePressures(t *testing.T) {
	d := outage{returned: attempt{seq: 50}}
	if got := d.back(attempt{seq: 5000}, false, true); got != 0.8 {
		t.Errorf("back with %v of what was in force, want 0.8", got)
	}
}

// A probe that costs a job one of its attempts is made less often, and one that costs a job is made seldom.
func TestAnOutageWaitsLongerWhereProbesCostJobs(t *testing.T) {
	for _, c := range []struct {
		name        string
		probe       Outcome
		early, late float64 // wait after half a second and after 100 s
	}{
		{"a retry", Outcome{Attempt: 2}, 0.2, 100. / 32},
		{"a last attempt", Outcome{Attempt: 3, Final: true}, 0.25, 25},
		{"a job that has only one", Outcome{Attempt: 1, Final: true}, 0.25, 25},
	} {
		d := outage{is: true, since: 10, pressed: pressure{rate: 200, slots: 10}}
		d.probed(&c.probe)
		if early, late := d.patience(10.5), d.patience(110); !about(early, c.early) || !about(late, c.late) {
			t.Errorf("%s: waits %v s, and after 100 s %v s, want %v and %v", c.name, early, late, c.early, c.late)
		}
	}
}

// What was in force is what the service gives if about as much was sent since it was back.
func TestOutageKnowsWhetherWhatWasInForceLasted(t *testing.T) {
	for _, c := range []struct {
		returned, newest attempt
		want             bool
	}{
		{attempt{}, attempt{10, 100}, true}, // it was never down before
		{attempt{100, 20}, attempt{1100, 30}, true},
		{attempt{100, 20}, attempt{151, 30}, true}, // 100/s were in force, and 5% of that is enough
		{attempt{100, 20}, attempt{149, 30}, false},
		{attempt{100, 20}, attempt{105, 21}, true},
		{attempt{100, 20}, attempt{104, 21}, false},
	} {
		d := outage{returned: c.returned, pressed: pressure{rate: 1000, slots: 10}}
		if got := d.sustained(c.newest, 0.1); got != c.want {
			t.Errorf("back at %v, now at %v: got %v, want %v", c.returned, c.newest, got, c.want)
		}
	}
}

func TestSeekComesBackWithLessIfItIsDownAgainSoon(t *testing.T) {
	for _, c := range []struct {
		returned    int64
		pace, slots float64
	}{{0, 100, 11}, {199, 80, 8}, {150, 100, 11}} {
		s := seekAtRest()
		s.newest = attempt{250, 99}
		s.trip.refusal = mean{10, 0.121} // successes take 0.1
		s.outage = outage{is: true, since: 98, returned: attempt{seq: c.returned}, pressed: pressure{rate: 100, slots: 11}}
		s.revive(attempt{250, 99})
		if s.pace.works != c.pace || s.slots.works != c.slots || s.outage.returned.seq != 250 {
			t.Errorf("back at 250, before at %d: pace %v, limit %v; want %v, %v", c.returned, s.pace.works, s.slots.works, c.pace, c.slots)
		}
	}
}

// impatientPlant is a queue whose callers give up: what nobody waits for any more is worked on all
// the same.
type impatientPlant struct {
	queuePlant
	patience float64
}

func (p *impatientPlant) arrive(now float64) answer {
	a := p.queuePlant.arrive(now)
	if a.took > p.patience {
		a.verdict, a.took = Overload, p.patience
	}
	return a
}

// TestSeekLearnsWhatTakesAServiceDown: a pace a little too fast fills up a queue slowly, until nobody gets
// an answer in time. It came back with the same pace each time.
func TestSeekLearnsWhatTakesAServiceDown(t *testing.T) {
	sum, n := 0.0, seedsOf(8)
	for seed := range n {
		quick := manners{random: politely(seed).random, latency: 0.6, sigma: 0.07}
		r := startRun(Seek{}, ample(8))
		r.against(&impatientPlant{queuePlant{manners: quick, servers: 1}, 3.48}, 900)
		got := 0.6 * float64(r.successes) / 900
		t.Logf("seed %d: %.1f%%, %.1f%% wasted", seed, 100*got, 100*r.wasted())
		sum += got
		if r.fault != "" {
			t.Error(r.fault)
		}
	}
	if mean := sum / float64(n); mean < 0.7 {
		t.Errorf("%.1f%% of what could be had in the mean, want 70%%", 100*mean)
	}
}

// A trial that fails may have failed for the stall that follows. Where a refusal costs much, a
// small step afterwards would cost as much as a large one.
func TestSeekForgetsWhatFailedInAStall(t *testing.T) {
	for _, c := range []struct {
		refusing bool
		pause    float64
		started  float64 // when the startup was over
		forgets  bool
	}{{true, 1, 50, true}, {true, 0.05, 50, false}, {false, 1, 50, false}, {true, 1, 92, true}, {true, 1, 94, false}} {
		s := seekAtRest()
		s.newest = attempt{250, 99}
		s.pace.fails = 103
		s.price.pause = mean{10, c.pause}
		s.startup.ended = c.started
		s.outage = outage{is: true, since: 98, refusing: c.refusing, pressed: pressure{rate: 100, slots: 11}}
		s.revive(attempt{250, 99})
		if forgets := math.IsInf(s.pace.fails, 1); forgets != c.forgets || forgets != (s.pace.growth > 0) {
			t.Errorf("refusing %v, with pauses of %v s, started at %v: known to fail %v, step %v; want it forgotten %v", c.refusing, c.pause, c.started, s.pace.fails, s.pace.growth, c.forgets)
		}
	}
}
