package controller

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// Whose fault is it? The job's, chance's, the pressure's, or is the service away: the
// tests here are of what Seek makes of each.

// chancePlant answers so that a share of attempts goes wrong whatever the pressure.
type chancePlant struct {
	plant
	manners
	share float64
	says  Verdict
}

func (p *chancePlant) arrive(now float64) answer {
	if p.random.Float64() < p.share {
		return p.refuse(p.says)
	}
	return p.plant.arrive(now)
}

func byChance(seed uint64, share float64, says Verdict, of plant) plant {
	return &chancePlant{plant: of, manners: politely(seed + 200), share: share, says: says}
}

// TestSeekIsNotSlowedByRefusalsByChance: at least 93% of what could be had, once it has
// had a minute to find the limit.
func TestSeekIsNotSlowedByRefusalsByChance(t *testing.T) {
	for _, c := range []struct {
		name  string
		could float64 // a second
		plant func(seed uint64) plant
	}{
		{"no limit", 400, func(seed uint64) plant { return &noisePlant{manners: politely(seed)} }},
		{"50 a second", 50, func(seed uint64) plant {
			return &bucketPlant{manners: politely(seed), rate: constant(50), burst: 5}
		}},
		{"20 at once", 200, func(seed uint64) plant {
			return &slotsPlant{manners: politely(seed), most: constant(20)}
		}},
	} {
		for _, share := range []float64{0.005, 0.01, 0.03} {
			sum, n := 0.0, uint64(3) // also under the race detector: one says little
			for seed := range n {
				r, p := startRun(Seek{}, ample(40)), byChance(seed, share, Overload, c.plant(seed))
				r.against(p, 60)
				r.forget()
				r.against(p, 360)
				could := 300 * c.could
				if c.name != "50 a second" { // there, a refusal by chance costs no token
					could *= 1 - share
				}
				got := float64(r.successes) / could
				t.Logf("%s, %.1f%% by chance, seed %d: %.1f%%, %.2f%% wasted", c.name, 100*share, seed, 100*got, 100*r.wasted())
				if sum += got; got < 0.88 {
					t.Errorf("%s, %.1f%% by chance, seed %d: %.1f%% of what could be had, want 88%%", c.name, 100*share, seed, 100*got)
				}
				if r.fault != "" {
					t.Error(r.fault)
				}
			}
			if mean := sum / float64(n); mean < 0.93 {
				t.Errorf("%s, %.1f%% by chance: %.1f%% of what could be had in the mean, want 93%%", c.name, 100*share, 100*mean)
			}
		}
	}
}

// TestSeekFindsARateWhateverPauseRefusalsAskFor that is always the same one.
func TestSeekFindsARateWhateverPauseRefusalsAskFor(t *testing.T) {
	for _, pause := range []float64{0.05, 0.5, 2, 5} {
		for seed := range seedsOf(3) {
			r := startRun(Seek{}, ample(64))
			p := &bucketPlant{manners: politely(seed), rate: constant(100), burst: 10, pause: pause}
			r.against(p, 60)
			r.forget()
			r.against(p, 360)
			got := float64(r.successes) / (300 * 100)
			t.Logf("pause of %v s, seed %d: %.1f%%, %.2f%% wasted", pause, seed, 100*got, 100*r.wasted())
			if got < 0.85 {
				t.Errorf("pause of %v s, seed %d: %.1f%% of what could be had, want 85%%", pause, seed, 100*got)
			}
		}
	}
}

// pausingPlant asks for a pause with each refusal.
type pausingPlant struct {
	plant
	pause float64
}

func (p *pausingPlant) arrive(now float64) answer {
	a := p.plant.arrive(now)
	if a.verdict == Overload {
		a.retryAfter = p.pause
	}
	return a
}

// TestSeekIsBackSoonAfterAStall of three seconds in which everything is refused. Now and
// then it is not: if the stall begins just after a cut, what was in force before is not
// taken for proven, and the pace is lowered with each refusal. Of 60 seeds with a pause of
// 100 ms, that is two.
func TestSeekIsBackSoonAfterAStall(t *testing.T) {
	for _, pause := range []float64{0, 0.1, 1} {
		late := 0
		for seed := range seedsOf(10) {
			m := politely(seed)
			p := &pausingPlant{&outagePlant{
				plant: &bucketPlant{manners: m, rate: constant(100), burst: 10}, manners: m, from: 100, to: 103, says: Overload,
			}, pause}
			r := startRun(Seek{}, ample(64))
			r.against(p, 118)
			r.forget()
			r.against(p, 148)
			if got := float64(r.successes) / (30 * 100); got < 0.9 {
				t.Logf("pause of %v s, seed %d: %.1f%% from 15 s after the stall", pause, seed, 100*got)
				late++
			}
			r.forget()
			r.against(p, 200)
			r.forget()
			r.against(p, 230)
			if got := float64(r.successes) / (30 * 100); got < 0.9 {
				t.Errorf("pause of %v s, seed %d: %.1f%% from 97 s after the stall, want 90%%", pause, seed, 100*got)
			}
		}
		if most := int(seedsOf(10)) / 10; late > most {
			t.Errorf("pause of %v s: %d are not back 15 s after the stall, want at most %d", pause, late, most)
		}
	}
}

// A feeder steps a law with outcomes of attempts one after another, none of which waits
// for the setting.
type feeder struct {
	law Law
	now float64
	seq int64
	Setting
}

func feed(p Policy, most int) *feeder {
	law, set := p.Start(ample(most))
	return &feeder{law: law, Setting: set}
}

// next takes an attempt of 100 ms as one of those in flight that the limit allows.
func (f *feeder) next(o Outcome) {
	f.seq++
	f.now += max(0.1/float64(f.Limit), f.Interval.Seconds())
	o.Seq, o.InFlight = f.seq, f.Limit
	o.Start, o.Took = moment(f.now-0.1), 100*ms
	f.Setting = f.law.Next(moment(f.now), o)
}

func (f *feeder) succeed(n int) {
	for range n {
		f.next(Outcome{Verdict: Succeeded, Attempt: 1})
	}
}

// TestSeekTakesNothingForDownThatNeverWorked: failures are answers, so refusals now and
// then between them are no silence.
func TestSeekTakesNothingForDownThatNeverWorked(t *testing.T) {
	f := feed(Seek{}, 40)
	for i := range 200 {
		o := Outcome{Verdict: Failed, Attempt: 1 + i%3}
		if i%10 == 9 {
			o = Outcome{Verdict: Overload, Attempt: 1}
		}
		if f.next(o); f.Reason == ReasonDown || f.Probing {
			t.Fatalf("down after %d failures and %d refusals", i-i/10, (i+1)/10)
		}
	}
}

func TestSeekIsNeverSlowedByFailuresOfRetries(t *testing.T) {
	f := feed(Seek{}, 40)
	f.succeed(3000)
	for i := range 3000 {
		limit, interval := f.Limit, f.Interval
		f.next(Outcome{Verdict: Failed, Attempt: 2 + i%3})
		if f.Limit < limit || f.Interval > interval || f.Probing {
			t.Fatalf("after %d failures of retries: %v, was limit %d, interval %v", i+1, f.Setting, limit, interval)
		}
	}
}

func TestSeekIsNotChangedByRefusalsThatAreTheJobsOwn(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second} {
		with, without := feed(Seek{}, 40), feed(Seek{}, 40)
		for i := range 5000 {
			with.next(Outcome{Verdict: Succeeded, Attempt: 1})
			if i%10 == 9 {
				with.next(Outcome{Verdict: Overload, Own: true, Attempt: 3, RetryAfter: after})
			}
			without.next(Outcome{Verdict: Succeeded, Attempt: 1})
			if with.Probing || with.Reason == ReasonRefusedRate || with.Reason == ReasonRefusedLimit || with.Reason == ReasonTrialFailed {
				t.Fatalf("after %d: %v, %v", i, with.Setting, with.Reason)
			}
		}
		if with.Limit < without.Limit || with.Interval > without.Interval {
			t.Errorf("pause %v: %v with refusals that are a job's own, %v without", after, with.Setting, without.Setting)
		}
	}
}

// jobsPlant fails those attempts whose number is among the bad ones.
type jobsPlant struct {
	manners
	bad func(n int) bool
	n   int
}

func (p *jobsPlant) arrive(float64) answer {
	p.n++
	if p.bad(p.n) {
		return p.refuse(Failed)
	}
	return p.succeed()
}

// TestSeekIsNotTakenDownByAFewBadJobs: five side by side may look like a service that is
// down, but not for more than moments.
func TestSeekIsNotTakenDownByAFewBadJobs(t *testing.T) {
	for _, most := range []int{2, 5, 20, 64} {
		for seed := range seedsOf(3) {
			p := &jobsPlant{manners: politely(seed), bad: func(n int) bool { return n >= 500 && n < 505 }}
			r := startRun(Seek{}, ample(most))
			down := 0.0
			for r.successes < 995 && r.now < 3600 {
				r.against(p, r.now+0.01)
				if r.setting.Probing {
					down += 0.01
				}
			}
			least := startRun(Static{}, ample(most))
			q := &jobsPlant{manners: politely(seed), bad: p.bad}
			for least.successes < 995 {
				least.against(q, least.now+0.01)
			}
			t.Logf("%d at once, seed %d: %.1f s instead of %.1f s, down for %.2f s", most, seed, r.now, least.now, down)
			if down > 1 {
				t.Errorf("%d at once, seed %d: taken for down for %.2f s, want moments", most, seed, down)
			}
		}
	}
}

func TestSeekIsNotSlowedByManyBadJobs(t *testing.T) {
	for _, most := range []int{5, 40} {
		for seed := range seedsOf(3) {
			r, p := startRun(Seek{}, ample(most)), &noisePlant{manners: politely(seed), share: 0.2}
			r.against(p, 20)
			r.forget()
			r.against(p, 140)
			got := float64(r.attempts) / (120 * 10 * float64(most))
			t.Logf("%d at once, seed %d: %.1f%%", most, seed, 100*got)
			if got < 0.93 {
				t.Errorf("20%% fail, %d at once, seed %d: %.1f%% of what could be had, want 93%%", most, seed, 100*got)
			}
		}
	}
}

// A service that has never worked is not down: the jobs are to fail and come back, each
// after its attempts.
func TestSeekDoesNotTakeWhatNeverWorkedForDown(t *testing.T) {
	r, p := startRun(Seek{}, ample(40)), &noisePlant{manners: politely(1), share: 1}
	for r.now < 60 {
		r.against(p, r.now+0.1)
		if r.setting.Probing {
			t.Fatalf("after %.1f s: probing", r.now)
		}
	}
	if r.setting.Limit != 40 || r.setting.Interval > 0 && r.setting.Interval > 5*ms {
		t.Errorf("after a minute of failures: %v, want limit 40 and next to no interval", r.setting)
	}
	r.forget()
	r.against(&noisePlant{manners: politely(2)}, 70)
	if r.successes < 3600 {
		t.Errorf("%d a second when it works at last, want 400", r.successes/10)
	}
}

func TestSeekTakesAServiceThatFailsEveryFirstAttemptForDown(t *testing.T) {
	f := feed(Seek{}, 20)
	f.succeed(2000)
	was := f.Setting
	n := 0
	for ; !f.Probing && n < 100; n++ {
		f.next(Outcome{Verdict: Failed, Attempt: 1})
	}
	if !f.Probing || f.Limit > 10 || f.Reason != ReasonDown {
		t.Fatalf("after %d failures: %v, probing %v, %v", n, f.Setting, f.Probing, f.Reason)
	}
	t.Logf("down after %d failures, with %v", n, was)
	for range 10 {
		f.next(Outcome{Verdict: Failed, Attempt: 1})
		if !f.Probing {
			t.Fatal("not probing while it fails")
		}
	}
	f.now++
	f.succeed(1)
	if f.Probing || f.Reason != ReasonBack {
		t.Errorf("after a success: probing %v, %v", f.Probing, f.Reason)
	}
	if f.Limit < was.Limit || f.Interval > was.Interval+was.Interval/20 {
		t.Errorf("%v when it is back, %v before", f.Setting, was)
	}
}

// TestSeekWaitsLongerBetweenProbesThatAreRefused: some services begin a ban anew with each.
func TestSeekWaitsLongerBetweenProbesThatAreRefused(t *testing.T) {
	for _, after := range []time.Duration{0, 100 * ms} {
		f := feed(Seek{}, 20)
		f.succeed(2000)
		for n := 0; !f.Probing && n < 1000; n++ {
			f.next(Outcome{Verdict: Overload, Attempt: 1, RetryAfter: after})
		}
		if !f.Probing {
			t.Fatalf("not down after a thousand refusals, %v", f.Setting)
		}
		last, probes := time.Duration(0), 0
		for begin := f.now; f.now < begin+3600; probes++ {
			f.next(Outcome{Verdict: Overload, Attempt: 1, RetryAfter: after})
			if f.Interval < last {
				t.Errorf("after %.0f s: %v between probes, was %v", f.now-begin, f.Interval, last)
			}
			last = f.Interval
		}
		if last < 29*time.Second || last > time.Minute { // the bound is 30 s here
			t.Errorf("%v between probes after an hour, want the half minute that is allowed", last)
		}
		if probes > 200 {
			t.Errorf("%d probes in an hour", probes)
		}
	}
	law, _ := Seek{}.Start(Bounds{InitialLimit: 20, MaxLimit: 20, MaxInterval: time.Hour})
	f := &feeder{law: law}
	f.Limit = 1
	f.succeed(2000)
	for range 1000 {
		f.next(Outcome{Verdict: Overload, Attempt: 1})
		if f.Interval > time.Minute {
			t.Fatalf("%v between probes, want a minute at most", f.Interval)
		}
	}
	if f.Interval != time.Minute {
		t.Errorf("%v between probes in the end, want a minute", f.Interval)
	}
}

// A lockstep is several clients of one service.
type lockstep struct {
	runs []*run
	p    plant
}

// until steps all of them through the same service, in slices of a millisecond, in an
// order that changes.
func (l *lockstep) until(end float64) {
	random := rand.New(rand.NewPCG(7, 7))
	for now := l.runs[0].now; now < end; now += 0.001 {
		for _, i := range random.Perm(len(l.runs)) {
			l.runs[i].against(l.p, now)
		}
	}
}

// TestSeekLeavesOthersTheirShareOfABucket: of several that know nothing of one another,
// none is starved, if refusals ask for a pause, in all but one run of ten: one that has fallen far
// behind may stay there. If they do not, one may be today: as soon as another takes its refusals
// for chance. Then only the sum is held.
func TestSeekLeavesOthersTheirShareOfABucket(t *testing.T) {
	for _, n := range []int{2, 3} {
		for _, pause := range []float64{0, 1} {
			runs, starved := max(*seeds, 10), uint64(0)
			for seed := range runs {
				l := &lockstep{p: &bucketPlant{manners: politely(seed), rate: constant(100), burst: 10, pause: pause}}
				for range n {
					l.runs = append(l.runs, startRun(Seek{}, ample(64)))
				}
				l.until(300)
				for _, r := range l.runs {
					r.forget()
				}
				l.until(360)
				least, sum := math.Inf(1), 0.0
				var shares []float64
				for _, r := range l.runs {
					x := float64(r.successes) / 60
					shares = append(shares, math.Round(10*x)/10)
					least, sum = min(least, x), sum+x
				}
				t.Logf("%d at one bucket, pause of %v s, seed %d: %v a second", n, pause, seed, shares)
				if pause > 0 && least < 100/float64(n)/3 {
					starved++
				}
				if sum < 80 {
					t.Errorf("%d at one bucket, pause of %v s, seed %d: %.0f of 100 a second are used", n, pause, seed, sum)
				}
			}
			if starved > runs/10 {
				t.Errorf("%d at one bucket, pause of %v s: in %d of %d runs one has less than a third of its fair share, want at most one in ten", n, pause, starved, runs)
			}
		}
	}
}

// TestSeekIsNotSlowedByABlockOfBadJobsBesideGoodOnes: good single calls in between keep it from
// looking like an outage, so it looks like pressure until less of that changes nothing.
func TestSeekIsNotSlowedByABlockOfBadJobsBesideGoodOnes(t *testing.T) {
	for _, most := range []int{5, 40} {
		for seed := range seedsOf(3) {
			p := &jobsPlant{manners: politely(seed), bad: func(n int) bool { return n >= 1000 && n < 1600 && n%4 > 0 }}
			r := startRun(Seek{}, ample(most))
			for r.successes < 3000 && r.now < 36000 {
				r.against(p, r.now+0.01)
			}
			least := 3450 / (10 * float64(most))
			t.Logf("%d at once, seed %d: %.1f s instead of %.1f s", most, seed, r.now, least)
			if r.now > 1.3*least+1 {
				t.Errorf("%d at once, seed %d: %.1f s, want 1.3 times %.1f s and 1 s", most, seed, r.now, least)
			}
		}
	}
}
