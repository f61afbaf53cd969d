package controller

import (
	"math"
	"testing"
	"time"
)

func TestSeekBeginsWithOneUnlessItIsToldLess(t *testing.T) {
	for _, c := range []struct{ initial, most, want int }{{20, 20, 1}, {5, 20, 5}, {1, 1, 1}} {
		law, set := Seek{}.Start(Bounds{InitialLimit: c.initial, MaxLimit: c.most, MaxInterval: time.Minute})
		if set.Limit != c.want || set.Interval != 0 || set.Ceiling != c.most || set.Reason != ReasonStart {
			t.Errorf("%+v: %+v", c, set)
		}
		if s := law.(*seek); s.Refusals != 0.005 || s.price.bank != 3 || !math.IsInf(s.price.changed, -1) || s.pace.works != unpaced {
			t.Errorf("%+v: %v of refusals, %+v, %v/s", c, s.Refusals, s.price, s.pace.works)
		}
	}
	law, _ := Seek{Refusals: 0.02}.Start(ample(20))
	if s := law.(*seek); s.Refusals != 0.02 {
		t.Errorf("%v of refusals, want as many as it was told", s.Refusals)
	}
}

func TestSeeksPaceIsNoFasterThanTheBoundsFromTheStart(t *testing.T) {
	law, set := Seek{}.Start(Bounds{InitialLimit: 5, MaxLimit: 20, MinInterval: 100 * ms, MaxInterval: time.Minute})
	s := law.(*seek)
	if s.fastest != 10 || !about(s.slowest, 1./60) || set.Interval != 100*ms {
		t.Errorf("%v to %v/s, %v", s.slowest, s.fastest, set)
	}
	if law, _ := (Seek{}).Start(Bounds{InitialLimit: 5, MaxLimit: 20, MaxInterval: time.Microsecond}); law.(*seek).pace.works != unpaced {
		t.Errorf("%v/s, want it finite from the start", law.(*seek).pace.works)
	}
	s.bound(Bounds{MaxLimit: 20, MinInterval: time.Minute, MaxInterval: time.Second})
	if s.slowest != s.fastest {
		t.Errorf("%v to %v/s, want the slowest no faster than the fastest", s.slowest, s.fastest)
	}
	s.pace.works = 1e9
	if s.keepWithin(); s.pace.works != unpaced {
		t.Errorf("%v/s, want it finite", s.pace.works)
	}
	s.pace.works = 1e-9
	if s.keepWithin(); s.pace.works != s.slowest {
		t.Errorf("%v/s, want no less than %v", s.pace.works, s.slowest)
	}
}

func TestSeekHearsOfARefusalAsSoonAsOfTheOnesBefore(t *testing.T) {
	s := seekAtRest()
	if got := s.trip.echo(); got != 0.1 {
		t.Errorf("%v s, want what a success takes, since there was no refusal", got)
	}
	s.trip.refusal = mean{1, 0.02}
	if got := s.trip.echo(); got != 0.02 {
		t.Errorf("%v s, want what a refusal takes", got)
	}
	s.trip.adjacent = mean{1, 0.09}
	if got := s.trip.echo(); got != 0.09 || s.trip.quickRefusals() {
		t.Errorf("%v s, quick %v; want what those take that are hardly by chance", got, s.trip.quickRefusals())
	}
	s.trip.adjacent = mean{1, 0.01}
	if got := s.trip.echo(); got != 0.02 {
		t.Errorf("%v s, want no less than what refusals take", got)
	}
}

func TestSeekTellsRefusalsInARowFromThoseByChance(t *testing.T) {
	s := seekAtRest()
	s.newest = attempt{50, 98}
	took := func(seq int64, d time.Duration) {
		s.refuse(attempt{seq, 97}, &Outcome{Verdict: Overload, InFlight: 4, Took: d})
	}
	took(30, 10*time.Millisecond)
	took(31, 10*time.Millisecond)
	if s.trip.adjacent.n != 0 {
		t.Fatalf("%+v: nothing is refused by chance", s.trip.adjacent)
	}
	s.chance = knownChance(0.01)
	for seq := int64(40); seq < 50; seq += 2 {
		took(seq, 10*time.Millisecond)
	}
	if s.trip.adjacent.n != 0 {
		t.Fatalf("%+v: none of these followed another", s.trip.adjacent)
	}
	took(47, 90*time.Millisecond) // between two
	took(39, 90*time.Millisecond) // before one
	took(49, 90*time.Millisecond) // after one
	if s.trip.adjacent.n != 3 || !about(s.trip.adjacent.value, 0.09) || s.trip.refusal.n != 10 {
		t.Errorf("%+v of %+v, want the three", s.trip.adjacent, s.trip.refusal)
	}
}

func TestSeekWaitsLongerTheLongerNothingIsAccepted(t *testing.T) {
	for _, c := range []struct {
		name   string
		run    int
		passed float64
		pace   float64
		began  float64
		want   float64
	}{
		{"three in a row", 3, 2, 100, 90, 6},
		{"two in a row", 2, 2, 100, 90, 0},
		{"a success since", 3, 2, 100, 99, 0},
		{"a success just then", 3, 2, 100, 98, 6},
		{"in the first second, where much is sent", 3, 0.5, 100, 90, 0.25},
		{"in the first second, where little is sent", 3, 0.5, 10, 90, 1.5},
		{"in the first second, where a bit more is sent", 3, 0.5, 11, 90, 0.25},
		{"after a second", 3, 1, 100, 90, 3},
	} {
		s := seekAtRest()
		s.pace.works, s.outage.began = c.pace, c.began
		for i := range c.run {
			s.delivery.add(refusal{int64(i + 1), s.now - c.passed, s.now, 0, false})
		}
		if got := s.silentWait(); got != c.want {
			t.Errorf("%s: waits %v s, want %v", c.name, got, c.want)
		}
	}
}

// The fiftieth attempt was at 90; ten more are due an eighth of a second later.
func TestSeekTakesNoteOfATimeWithoutJobs(t *testing.T) {
	for _, c := range []struct {
		name  string
		but   func(*seek, *Outcome)
		start float64
		want  bool
	}{
		{"two round trips and four times what is due", nil, 90.75, false},
		{"more than that", nil, 90.7501, true},
		{"the pace held it back", func(_ *seek, o *Outcome) { o.Paced = true }, 95, false},
		{"the first", func(s *seek, _ *Outcome) { s.newest = attempt{} }, 95, false},
		{"a pause that was asked for", func(s *seek, _ *Outcome) { s.delivery.add(refusal{50, 90, 90, 4, false}) }, 95, false},
		{"a pause that was asked for before", func(s *seek, _ *Outcome) { s.delivery.add(refusal{49, 90, 90, 4, false}) }, 95, true},
	} {
		s, o := seekAtRest(), &Outcome{}
		s.newest, s.trip.success.value, s.pace.works, s.constraint.seen = attempt{50, 90}, 0.125, 80, 9
		if c.but != nil {
			c.but(s, o)
		}
		s.rested(attempt{60, c.start}, o)
		if rested := s.trip.raised == c.start; rested != c.want || rested != (s.constraint == constraint{since: c.start}) {
			t.Errorf("%s: rested %v, %+v", c.name, rested, s.constraint)
		}
	}
}

func TestSeekIsUnhinderedIfNothingIsToBeFoundOut(t *testing.T) {
	for _, c := range []struct {
		name string
		but  func(*seek)
		want bool
	}{
		{"all that the bounds allow", func(*seek) {}, true},
		{"something was refused", func(s *seek) { s.startup.on = false }, false},
		{"attempts take a while", func(s *seek) { s.trip.success.value = 10e-6 }, false},
		{"few were done", func(s *seek) { s.trip.success.n = 63 }, false},
		{"fewer in flight", func(s *seek) { s.slots.works = 99 }, false},
		{"slower", func(s *seek) { s.pace.works = unpaced - 1 }, false},
	} {
		s := starting(100, 100)
		s.trip.success, s.pace.works = mean{64, 9e-6}, unpaced
		c.but(s)
		if s.unhindered() != c.want {
			t.Errorf("%s: unhindered is %v", c.name, !c.want)
			continue
		}
		s.last = Setting{Limit: 77}
		got := s.Next(moment(200), Outcome{Verdict: Succeeded, Seq: 5, Start: moment(100)})
		if skipped := got.Limit == 77 && s.now == 100; skipped != c.want {
			t.Errorf("%s: %+v, at %v", c.name, got, s.now)
		}
	}
	s := starting(100, 100)
	s.trip.success, s.pace.works = mean{64, 9e-6}, unpaced
	s.Next(moment(200), Outcome{Verdict: Succeeded, Took: time.Second})
	if !about(s.trip.success.value, 9e-6+(1-9e-6)/64) {
		t.Errorf("%v s, want it counted how long it took", s.trip.success.value)
	}
	if s.Next(moment(200), Outcome{Verdict: Overload, Seq: 1}); s.trip.refusal.n != 1 {
		t.Error("a refusal is not taken note of")
	}
}

func TestSeekCountsWhatHasPassedSinceTheNewest(t *testing.T) {
	s := seekAtRest()
	s.epoch = moment(0)
	for _, c := range []struct {
		seq, passed int64
		start, want float64
	}{{50, 50, 98, 98}, {53, 3, 99, 99}, {51, 0, 98.5, 99}, {54, 1, 99.5, 99.5}} {
		s.Next(moment(100), Outcome{Verdict: Ignored, Seq: c.seq, Start: moment(c.start)})
		if s.passed != c.passed || !about(s.newest.start, c.want) {
			t.Errorf("number %d: %d passed, the newest at %v; want %d, %v", c.seq, s.passed, s.newest.start, c.passed, c.want)
		}
	}
}

// What ends without saying anything is a reason to go on, and so is a refusal that is the
// job's own.
func TestSeekGoesOnWithWhatSaysNothing(t *testing.T) {
	for _, o := range []Outcome{{Verdict: Ignored}, {Verdict: Overload, Own: true}} {
		s := seekAtRest()
		s.epoch, s.newest = moment(0), attempt{1000, 99}
		s.tells(86, 5, 0)
		o.Start, o.Seq = moment(99), 900
		if got := s.Next(moment(100), o); s.pace.trial == 0 || got.Reason != ReasonTrial || len(s.delivery.list) != 0 {
			t.Errorf("%+v: %+v, want a trial", o, got)
		}
	}
}

func TestSeekNotesARestWhenTheNextAttemptEnds(t *testing.T) {
	s := seekAtRest()
	s.epoch, s.newest = moment(0), attempt{50, 90}
	s.Next(moment(100), Outcome{Verdict: Succeeded, Seq: 50, Start: moment(95)})
	if s.trip.raised != 0 {
		t.Error("a rest before an attempt that is not the newest")
	}
	s.Next(moment(100), Outcome{Verdict: Succeeded, Seq: 51, Start: moment(95)})
	if s.trip.raised != 95 {
		t.Errorf("raised at %v, want at the end of the rest", s.trip.raised)
	}
}

func TestSeeksTimesAreSinceTheFirstAttempt(t *testing.T) {
	law, _ := Seek{}.Start(ample(20))
	s := law.(*seek)
	s.Next(moment(7), Outcome{Verdict: Succeeded, Seq: 1, Start: moment(5)})
	s.Next(moment(9), Outcome{Verdict: Succeeded, Seq: 2, Start: moment(8)})
	if s.now != 4 || s.newest.start != 3 {
		t.Errorf("now %v, started %v; want 4 and 3", s.now, s.newest.start)
	}
}

func TestSeeksSetting(t *testing.T) {
	for _, c := range []struct {
		name     string
		but      func(*seek)
		limit    int
		interval time.Duration
		probing  bool
	}{
		{"what works", func(*seek) {}, 10, 10 * ms, false},
		{"what is tried", func(s *seek) { s.slots.trial, s.pace.trial = 12, 200 }, 12, 5 * ms, false},
		{"no pace", func(s *seek) { s.pace.works = unpaced }, 10, 0, false},
		{"one after another at first", func(s *seek) { s.startup.on, s.slots.works = true, 1 }, 1, 0, false},
		{"two at first", func(s *seek) { s.startup.on, s.slots.works = true, 2 }, 2, 10 * ms, false},
		{"one after another later", func(s *seek) { s.slots.works = 1 }, 1, 10 * ms, false},
		{"two misses in a row", func(s *seek) { s.outage.inARow = 2; s.refusesInARow(3) }, 10, 10 * ms, false},
		{"three misses in a row", func(s *seek) { s.outage.inARow = 3; s.refusesInARow(3) }, 10, 3 * time.Second, false},
		{"three misses in a row, where the pace is slower yet", func(s *seek) {
			s.outage.inARow, s.pace.works = 3, 0.2
			s.refusesInARow(3)
		}, 10, 5 * time.Second, false},
		{"down", func(s *seek) { s.outage = outage{is: true, since: 98, refusing: true, pressed: calm} }, 1, time.Second, true},
		{"down, but it never worked", func(s *seek) {
			s.outage, s.trip.worked = outage{is: true, since: 98, refusing: true, pressed: calm}, false
		}, 1, time.Second, false},
		{"a quota that is used up", func(s *seek) {
			s.outage = outage{is: true, since: 98, refusing: true, pressed: calm, misses: 2}
			s.quota, s.newest.start = quota{turned: 50, period: 60}, 90
		}, 1, 20 * time.Second, true},
	} {
		s := seekAtRest()
		c.but(s)
		if got := s.setting(); got.Limit != c.limit || got.Interval != c.interval || got.Probing != c.probing || got.Ceiling != 1000 {
			t.Errorf("%s: %+v, want %d, %v, %v", c.name, got, c.limit, c.interval, c.probing)
		}
	}
}

func TestSeeksSettingFollowsTheTimeOnlyWhileTheServiceIsMissing(t *testing.T) {
	for _, c := range []struct {
		but     func(*seek)
		missing bool
	}{
		{func(*seek) {}, false},
		{func(s *seek) { s.outage.is = true }, true},
		{func(s *seek) { s.outage.inARow = 3 }, true},
		{func(s *seek) { s.outage.inARow = 2 }, false},
	} {
		s := seekAtRest()
		c.but(s)
		s.changed()
		if s.changed() != c.missing {
			t.Errorf("%+v: the setting changes with the time: %v", s.outage, !c.missing)
		}
		s.outage = outage{}
		if s.changed() != c.missing {
			t.Error("the setting is what it was while the service was missing")
		}
	}
}

func TestSeeksSettingFollowsAllThatItIsMadeOf(t *testing.T) {
	for i, change := range []func(*seek){
		func(s *seek) { s.slots.works-- },
		func(s *seek) { s.slots.trial = s.slots.works + 1 },
		func(s *seek) { s.pace.works /= 2 },
		func(s *seek) { s.pace.trial = 2 * s.pace.works },
		func(s *seek) { s.reason = ReasonUpdate },
		func(s *seek) { s.startup.on = !s.startup.on },
	} {
		s := seekAtRest()
		s.changed()
		if change(s); !s.changed() || s.changed() {
			t.Errorf("change %d: want it noticed once", i)
		}
	}
}

func TestSeekUpdateEndsATrialThatIsBeyondTheBounds(t *testing.T) {
	s := seekAtRest()
	s.slots.works, s.slots.trial, s.pace.trial = 1, 6, 200
	if set, _ := s.Update(Seek{}, ample(5)); set.Limit != 1 || s.slots.trial != 0 || s.pace.trial != 200 {
		t.Errorf("%+v, trials of %v and %v; want that of the slots ended", set, s.slots.trial, s.pace.trial)
	}
	s.slots.works = 10
	if s.Update(Seek{}, ample(5)); s.slots.works != 5 {
		t.Errorf("%v in flight, want 5", s.slots.works)
	}
}

func TestSeekUpdateKeepsWhatIsToBeRestoredWithinTheBounds(t *testing.T) {
	s := seekAtRest()
	s.descent.from.slots, s.outage.pressed.slots = 30, 40
	s.pace.works = 500
	b := Bounds{InitialLimit: 5, MaxLimit: 5, MinInterval: 10 * ms, MaxInterval: time.Second}
	set, ok := s.Update(Seek{Refusals: 0.1}, b)
	if !ok || set.Limit != 5 || set.Interval != 10*ms || set.Reason != ReasonUpdate || s.last != set {
		t.Errorf("%+v, %v", set, ok)
	}
	if s.descent.from.slots != 5 || s.outage.pressed.slots != 5 || s.pace.works != 100 || s.Refusals != 0.1 {
		t.Errorf("%v and %v in flight are to be restored, %v/s, %v of refusals", s.descent.from.slots, s.outage.pressed.slots, s.pace.works, s.Refusals)
	}
	s.Update(Seek{}, ample(50))
	if s.descent.from.slots != 5 || s.outage.pressed.slots != 5 || s.Refusals != 0.005 {
		t.Errorf("%v and %v in flight are to be restored, want no more than before; %v of refusals", s.descent.from.slots, s.outage.pressed.slots, s.Refusals)
	}
	if _, ok := s.Update(Static{}, b); ok || s.bounds.MaxLimit != 50 {
		t.Error("goes on under another policy")
	}
}

func TestSeekLearnsFromASuccess(t *testing.T) {
	s := seekAtRest()
	s.trip.worked = false
	s.price.bank, s.surge.doubt, s.surge.run = 1, 3, 10
	s.outage.inARow = 2
	s.succeed(attempt{50, 99}, &Outcome{Verdict: Succeeded, Took: 164 * ms, InFlight: 7})
	if !s.trip.worked || !about(s.price.bank, 1.005) || s.surge.run != 11 || s.surge.doubt >= 3 || !about(s.trip.success.value, 0.101) {
		t.Errorf("%+v, %v in the bank, %+v", s.trip, s.price.bank, s.surge)
	}
	if s.recovery.most != 7 || s.outage.inARow != 0 {
		t.Errorf("%+v, %+v; want seven at work, and no misses", s.recovery, s.outage)
	}
	if s.succeed(attempt{51, 99}, &Outcome{Attempt: 2}); s.surge.run != 11 {
		t.Errorf("%+v: the success of a retry says nothing of jobs", s.surge)
	}
	s.recovery.most, s.delivery.episode = 0, 99.5
	if s.succeed(attempt{52, 99}, &Outcome{InFlight: 7}); s.recovery.most != 0 {
		t.Errorf("%+v: it started before the episode", s.recovery)
	}
	if s.succeed(attempt{53, 99.5}, &Outcome{InFlight: 7}); s.recovery.most != 7 {
		t.Errorf("%+v: it started as the episode did", s.recovery)
	}
}

func TestASuccessInTheStartupCountsWhatIsWorkedOn(t *testing.T) {
	s := starting(40, 1000)
	if s.succeed(attempt{50, 99}, &Outcome{InFlight: 7}); s.recovery.most != 7 {
		t.Errorf("%d at work, want 7", s.recovery.most)
	}
}

func TestASuccessIsAReasonToLookAgainAndToCatchUp(t *testing.T) {
	s := seekAtRest()
	s.accepts(150)
	s.recovery.review = 99
	if s.succeed(attempt{50, 99}, &Outcome{InFlight: 7}); s.pace.works != 150 {
		t.Errorf("%v/s, want what was accepted", s.pace.works)
	}
	s = seekAtRest()
	s.lean.since, s.constraint.paced, s.pace.works = attempt{100, 50}, 1, 5
	for seq := range int64(3) {
		s.delivery.add(refusal{198 + seq, 51, 51, 0, false})
	}
	if s.succeed(attempt{204, 52}, &Outcome{InFlight: 7}); s.pace.aim != 50.5 {
		t.Errorf("aims for %v/s, want what was given in the mean", s.pace.aim)
	}
}

func TestSeekComparesHowLongAttemptsTakeInItsStartup(t *testing.T) {
	for _, c := range []struct {
		began, start float64
		want         float64
	}{{99, 99, 1}, {99, 98.9, 0}, {-1, 99, 0}, {0, 99, 0}} {
		s := starting(100, 1000)
		s.startup.began, s.trip.success.n = c.began, 1
		s.succeed(attempt{50, c.start}, &Outcome{InFlight: 100})
		if s.queueing.recent.n != c.want {
			t.Errorf("%+v: %v compared", c, s.queueing.recent.n)
		}
	}
}

func TestAnAttemptThatSaysNothingIsAReasonToGoOn(t *testing.T) {
	s := seekAtRest()
	s.tells(86, 5, 0)
	if s.ignore(attempt{50, 99}, &Outcome{}); s.pace.trial == 0 {
		t.Error("no trial")
	}
	s = seekAtRest()
	s.tells(86, 5, 0)
	s.outage.is = true
	if s.ignore(attempt{50, 99}, &Outcome{}); s.pace.trial != 0 {
		t.Error("a trial while the service is down")
	}
	s = starting(40, 1000)
	s.startup.acks = 9
	if s.ignore(attempt{50, 99}, &Outcome{Took: 164 * ms, InFlight: 40}); s.slots.works != 80 || !about(s.trip.success.value, 0.101) {
		t.Errorf("%v in flight, %v s; want it counted in the startup", s.slots.works, s.trip.success.value)
	}
}

func TestAFailureIsAMissOnlyOfAFirstAttemptAtWhatHasWorked(t *testing.T) {
	for _, c := range []struct {
		name    string
		attempt int
		worked  bool
		misses  int
	}{{"a first one", 1, true, 1}, {"a retry", 2, true, 0}, {"what never worked", 1, false, 0}} {
		s := seekAtRest()
		s.trip.worked = c.worked
		s.surge.counted, s.surge.ended = 1000, 1000
		s.fail(attempt{50, 99}, &Outcome{Attempt: c.attempt, InFlight: 10})
		if s.outage.misses != c.misses || (s.surge.failed > 0) != (c.misses > 0) || s.outage.is {
			t.Errorf("%s: %d misses, %+v", c.name, s.outage.misses, s.surge)
		}
	}
}

func TestFailuresThatAreKnownToBeThePressuresAreRefusals(t *testing.T) {
	s := seekAtRest()
	s.surge = surge{counted: 1024, proven: true}
	if s.fail(attempt{50, 99}, &Outcome{InFlight: 10}); s.trip.refusal.n != 1 || len(s.delivery.list) != 1 {
		t.Errorf("%+v, want a refusal", s.trip)
	}
}

func TestSeekTakesAServiceForDownAfterAFewFailuresInARow(t *testing.T) {
	for misses, want := range map[int]bool{3: false, 4: true} {
		s := seekAtRest()
		s.surge.counted, s.surge.ended = 1000, 1000
		s.pace.trial, s.slots.trial = 110, 11
		for i := range misses {
			s.newest = attempt{int64(50 + i), 98}
			s.fail(s.newest, &Outcome{InFlight: 1})
		}
		if s.outage.is != want {
			t.Errorf("%d failures: down is %v", misses, s.outage.is)
		}
		if want && (s.outage.refusing || s.reason != ReasonDown || s.pace.trial != 0 || s.slots.trial != 0 || s.outage.since != 98) {
			t.Errorf("%+v, %v, trials of %v and %v", s.outage, s.reason, s.pace.trial, s.slots.trial)
		}
	}
}

func TestAQuotaIsCountedWhenTheServiceGoesDown(t *testing.T) {
	s := seekAtRest()
	s.quota = quota{turned: 10, first: 100}
	s.newest = attempt{203, 99}
	s.outage.misses, s.outage.pressed = 4, calm
	if s.goDown(true); s.quota.given != 100 {
		t.Errorf("%v given, want the hundred that were accepted since it came back", s.quota.given)
	}
}

func TestFailuresWhileItIsDownPutItsEndOff(t *testing.T) {
	for start, want := range map[float64]float64{99: 99, 97: 98} {
		s := seekAtRest()
		s.outage = outage{is: true, lastMiss: 98, refusing: true}
		s.surge.counted, s.surge.ended = 1000, 1000
		if s.fail(attempt{50, start}, &Outcome{InFlight: 1}); s.outage.lastMiss != want || s.outage.refusing {
			t.Errorf("%+v, want the last miss at %v, and no refusals", s.outage, want)
		}
	}
}

func TestWhatWasInForceIsProvenAfterTenAccepted(t *testing.T) {
	for _, c := range []struct {
		accepted  int
		inStartup bool
		want      bool
	}{{10, false, true}, {9, false, false}, {10, true, false}} {
		s := seekAtRest()
		s.recovery.accepted, s.startup.on = c.accepted, c.inStartup
		s.miss(attempt{50, 99})
		if want := (pressure{rate: 100, slots: 10, proven: c.want}); s.outage.pressed != want {
			t.Errorf("%+v: %+v", c, s.outage.pressed)
		}
	}
}

func TestSeeksStartupEndsWhenTheServiceGoesDown(t *testing.T) {
	for _, on := range []bool{true, false} {
		s := seekAtRest()
		s.startup = startup{on: on, ended: 7}
		s.newest = attempt{50, 97}
		s.goDown(true)
		ended := map[bool]float64{true: 100, false: 7}[on]
		if s.startup.on || s.startup.ended != ended || !s.outage.is || !s.outage.refusing || s.outage.lastMiss != 97 {
			t.Errorf("%+v, %+v; want the startup to have ended at %v", s.startup, s.outage, ended)
		}
	}
}

func TestSeekComesBackWithWhatWasInForce(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name        string
		since       float64
		but         func(*seek)
		rate, fails float64
	}{
		{"soon", 90, nil, 200, 250},
		{"after ten seconds", 89, nil, 200, 250},
		{"after more than ten seconds", 88.9, nil, 200, inf},
		{"after more than twenty seconds", 78, nil, 200, inf},
		{"what failed is overtaken", 90, func(s *seek) { s.pace.fails = 150 }, 200, inf},
		{"with what a window holds", 90, func(s *seek) {
			s.quota = quota{turned: 39, turnMiss: 38.9, given: 600}
			s.outage.lastMiss = 98.9
		}, 600. / 60 * 0.995, 1.01 * 600. / 60 * 0.995},
	} {
		s := seekAtRest()
		s.outage = outage{is: true, since: c.since, lastMiss: 98, pressed: pressure{rate: 200, slots: 20, proven: true}, misses: 7, calm: true}
		s.pace.fails, s.slots.fails = 250, 15
		s.refusesInARow(4)
		if c.but != nil {
			c.but(s)
		}
		s.succeed(attempt{50, 99}, &Outcome{InFlight: 1})
		if !about(s.pace.works, c.rate) || !about(s.pace.fails, c.fails) || s.slots.works != 20 || s.slots.known() {
			t.Errorf("%s: %v/s, fails at %v, %v in flight, fails at %v; want %v/s, %v", c.name, s.pace.works, s.pace.fails, s.slots.works, s.slots.fails, c.rate, c.fails)
		}
		if s.outage.is || s.outage.misses != 0 || len(s.delivery.list) != 0 || s.reason != ReasonBack {
			t.Errorf("%s: %+v, %d refusals, %v; want it over and forgotten", c.name, s.outage, len(s.delivery.list), s.reason)
		}
		if s.recovery.began != 100 || s.pace.rested != 100 || s.slots.rested != 100 || s.outage.pressed != (pressure{rate: s.pace.works, slots: 20}) {
			t.Errorf("%s: %+v, rested %v and %v, pressed with %+v", c.name, s.recovery, s.pace.rested, s.slots.rested, s.outage.pressed)
		}
	}
}

func TestASuccessFromBeforeTheLastMissDoesNotBringSeekBack(t *testing.T) {
	s := seekAtRest()
	s.outage = outage{is: true, since: 90, lastMiss: 99.5}
	if s.succeed(attempt{50, 99}, &Outcome{InFlight: 1}); !s.outage.is || s.reason != NoReason {
		t.Errorf("%+v, %v", s.outage, s.reason)
	}
}

func TestARefusal(t *testing.T) {
	pausing := &Outcome{Verdict: Overload, Took: 50 * ms, InFlight: 4, Paced: true, RetryAfter: 3 * time.Second}
	for _, c := range []struct {
		name  string
		but   func(*seek)
		start float64
		down  bool
		until float64 // nothing is accepted, if it is down
		pace  float64
		bank  float64
	}{
		{"is a reason to go slower", func(*seek) {}, 99, false, 0, 95, 50},
		{"of what has not worked for long is paid for", func(s *seek) { s.pace.held = 98.5 }, 99, false, 0, 99.5, 49},
		{"of a trial is paid for once", func(s *seek) { s.pace.try(110, 95, 99) }, 99, false, 0, 100, 49},
		{"in the startup is paid for", func(s *seek) { s.startup.on, s.startup.doubt = true, 5 }, 99, false, 0, 50, 49},
		{"of a quota is an outage", func(s *seek) { s.quota.period = 60 }, 99, true, 102, 100, 49},
		{"after a long silence is an outage", func(s *seek) {
			s.outage = outage{misses: 4, began: 98, newest: 98, pressed: calm}
		}, 99, true, 102, 100, 49},
		{"right after a pause is an outage", func(s *seek) {
			s.outage = outage{misses: 1, began: 90, newest: 90, pressed: calm}
			s.delivery.add(refusal{48, 90, 90, 2, false})
		}, 99, true, 102, 100, 49},
		{"while it is down puts its end off", func(s *seek) { s.outage.is = true }, 99, true, 102, 100, 50},
		{"from before a cut says nothing of it", func(s *seek) { s.recovery.began = 99.5 }, 99, false, 0, 100, 50},
	} {
		s := seekAtRest()
		s.recovery.accepted, s.recovery.most = 8, 5
		c.but(s)
		o := *pausing
		if c.pace != 100 {
			o.RetryAfter = 0
		}
		s.newest = attempt{50, 98}
		s.refuse(attempt{50, c.start}, &o)
		if s.outage.is != c.down || s.outage.lastMiss != c.until || c.down && !s.outage.refusing {
			t.Errorf("a refusal %s: %+v, want it down %v, until %v", c.name, s.outage, c.down, c.until)
		}
		if !about(s.pace.works, c.pace) || s.price.bank != c.bank {
			t.Errorf("a refusal %s: %v/s, %v in the bank; want %v/s, %v", c.name, s.pace.works, s.price.bank, c.pace, c.bank)
		}
		if s.trip.refusal != (mean{1, 0.05}) || s.delivery.list[len(s.delivery.list)-1] != (refusal{50, c.start, 100, inSeconds(o.RetryAfter), false}) {
			t.Errorf("a refusal %s: %+v, %+v", c.name, s.trip.refusal, s.delivery.list)
		}
		if asked := s.price.pause.n > 0; asked != (o.RetryAfter > 0) {
			t.Errorf("a refusal %s: %+v", c.name, s.price.pause)
		}
	}
}

func TestFailuresThatAreRefusalsDoNotMakeItRefuse(t *testing.T) {
	for _, but := range []func(*seek){
		func(s *seek) { s.quota.period = 60 },
		func(s *seek) { s.outage.is, s.outage.refusing = true, true },
	} {
		s := seekAtRest()
		but(s)
		if s.refuse(attempt{50, 99}, &Outcome{Verdict: Failed, InFlight: 4}); !s.outage.is || s.outage.refusing {
			t.Errorf("%+v, want it down, and no refusals", s.outage)
		}
	}
}

// Two late refusals are no chance, unless there are so many in a row that they say nothing.
func TestLateRefusalsAreTakenNoteOf(t *testing.T) {
	for _, c := range []struct {
		late float64
		run  int
		want float64
	}{{0, 0, 10}, {2, 0, 3}, {2, 6, 3}, {2, 7, 10}} {
		s := seekAtRest()
		s.recovery.began, s.recovery.suspect, s.chance.late = 99.5, &s.slots, c.late
		for i := range c.run {
			s.delivery.add(refusal{int64(49 - i), 99, 99, 0, false})
		}
		if s.refuse(attempt{50, 99}, &Outcome{Verdict: Overload, InFlight: 4}); s.slots.works != c.want {
			t.Errorf("a weight of %v, %d in a row before: %v in flight, want %v", c.late, c.run, s.slots.works, c.want)
		}
	}
}

// TestSeekTriesSoonAfterAnOutage: what comes back may be another service.
func TestSeekTriesSoonAfterAnOutage(t *testing.T) {
	s := seekAtRest()
	s.outage = outage{is: true, since: 95, lastMiss: 98, pressed: pressure{rate: 200, slots: 20, proven: true}, misses: 7, calm: true}
	s.price.bank, s.now = 1, 99
	s.succeed(attempt{50, 99}, &Outcome{InFlight: 1})
	for name, b := range map[string]*bracket{"pace": &s.pace, "limit": &s.slots} {
		if got := b.rested + s.price.rest(0, s.now); !about(got, 99+closeRest) {
			t.Errorf("%s: rests until %v, want %v", name, got, 99+closeRest)
		}
	}
}
