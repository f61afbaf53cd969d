package controller

import (
	"math"
	"testing"
)

// knownChance knows that such a share is refused by chance.
func knownChance(share float64) chance {
	return chance{refused: 5, attempts: 5/share - priorAttempts, lowered: true, e: share}
}

// suspectedChance has seen a share refused, of too few to be sure.
func suspectedChance(share float64) chance {
	return chance{refused: 2, attempts: (2-math.Sqrt2)/share - priorAttempts, lowered: true, e: share}
}

func TestChanceIsLearnedOnlyFarBelow(t *testing.T) {
	for _, c := range []struct {
		name              string
		lowered, alone    bool
		epoch             float64
		refused, attempts float64
	}{
		{"far below", true, true, 20, 1, 1},
		{"together with others", true, false, 20, 0, 1},
		{"at raised pressure it hardly counts", false, true, 20, 0.1, 0.1},
		{"at raised pressure, with others", false, false, 20, 0, 0.1},
		{"just after a change", true, true, 19, 0, 0},
		{"long after a change", true, true, 500, 1, 1},
	} {
		k := chance{lowered: c.lowered, epoch: c.epoch}
		k.refuse(c.alone)
		if k.refused != c.refused || k.attempts != c.attempts || k.missed != 1 || k.epoch != c.epoch+1 {
			t.Errorf("%s: %+v, want %v refused of %v", c.name, k, c.refused, c.attempts)
		}
	}
}

func TestChanceTakesNoNoticeOfTheFirstTwentyAfterAChange(t *testing.T) {
	for _, c := range []struct {
		lowered  bool
		epoch, n float64
		want     float64
	}{{true, 0, 10, 0}, {true, 15, 10, 5}, {true, 30, 10, 10}, {true, 0, 50, 30}, {false, 15, 10, 0.5}} {
		k := chance{lowered: c.lowered, epoch: c.epoch}
		k.accept(c.n)
		if k.attempts != c.want || k.epoch != c.epoch+c.n {
			t.Errorf("%+v: counted %v of %v, want %v", c, k.attempts, k.epoch, c.want)
		}
	}
}

// As if forty more had been seen; and of one or two refusals next to nothing is concluded.
func TestChanceIsTakenAtTheLowerEnd(t *testing.T) {
	for _, c := range []struct{ refused, attempts, want float64 }{
		{0.5, 60, 0},
		{1, 60, 0},
		{2, 60, (2 - math.Sqrt2) / 100},
		{3, 60, 0.03},
		{10, 460, 0.02},
		{50, 460, 0.06}, // more is never put down to chance
	} {
		k := chance{lowered: true, refused: c.refused, attempts: c.attempts - 1}
		if k.add(1); !about(k.e, c.want) {
			t.Errorf("%v of %v were refused: %v, want %v", c.refused, c.attempts, k.e, c.want)
		}
	}
}

func TestChanceForgetsWhatIsAThousandAttemptsAgo(t *testing.T) {
	k := chance{lowered: true, refused: 10, attempts: 900}
	if k.add(350); k.attempts != 1000 || k.refused != 8 {
		t.Errorf("%v refused of %v, want 8 of 1000", k.refused, k.attempts)
	}
	k = chance{lowered: true, refused: 1e-9, attempts: 1000}
	if k.add(1); k.refused != 0 {
		t.Errorf("%v refused, want nothing left of it", k.refused)
	}
}

func TestChanceIsKnownFromThreeRefusalsOfAShareThatMatters(t *testing.T) {
	for _, c := range []struct {
		refused, share float64
		want           bool
	}{{3, 0.002, true}, {2.9, 0.05, false}, {3, 0.0019, false}, {100, 0.06, true}} {
		k := chance{refused: c.refused, e: c.share}
		if k.known() != c.want {
			t.Errorf("%+v: known is %v", c, !c.want)
		}
	}
}

func TestChanceWeighsWhatIsRefusedBesides(t *testing.T) {
	k := knownChance(0.05)
	if got := k.refusal(0.05); !about(got, math.Ln2) {
		t.Errorf("a refusal that is twice as likely weighs %v, want log 2", got)
	}
	if got := k.success(0.475); !about(got, -math.Ln2) {
		t.Errorf("a success that is half as likely weighs %v, want -log 2", got)
	}
	if got := k.success(2); !about(got, math.Log(0.01/0.95)) {
		t.Errorf("a success that is next to impossible weighs %v, want it bounded", got)
	}
	k = chance{}
	if got := k.refusal(0.0005); !about(got, math.Ln2) {
		t.Errorf("where nothing is known, a refusal weighs %v, want log 2: one of two thousand is chance", got)
	}
}

// One refusal is evidence where chance never refuses. Where it does, the more it takes the
// more chance refuses.
func TestChanceDoesNotExplainManyRefusalsInARow(t *testing.T) {
	for _, c := range []struct {
		name string
		chance
		want int
	}{
		{"nothing is known", chance{}, 1},
		{"known", knownChance(0.01), 4},
		{"known, and much", knownChance(0.06), 5}, // five are unlikely whatever the weight
		{"suspected", suspectedChance(0.01), 3},
	} {
		n := 1
		for ; !c.restRefusal(true, leastChance); n++ {
		}
		if n != c.want {
			t.Errorf("%s: %d refusals are evidence, want %d", c.name, n, c.want)
		}
	}
}

func TestChanceIsARefusalNowAndThen(t *testing.T) {
	k := knownChance(0.01)
	for i := range 1000 {
		if k.restRefusal(true, leastChance) {
			t.Fatalf("the refusal after %d times 99 successes is evidence", i)
		}
		if k.restSuccess(99); k.rest != 0 {
			t.Fatalf("a weight of %v after 99 successes, want none left, and none less", k.rest)
		}
	}
	if k.e < 0.009 || k.e > 0.01 {
		t.Errorf("a share of %v, want one of a hundred", k.e)
	}
}

func TestChancesSuccessesOutsideOfTrialsWeighAgainstARefusal(t *testing.T) {
	k := knownChance(0.05)
	k.rest = 1
	if k.restSuccess(3); !about(k.rest, 1+3*math.Log(0.9/0.95)) {
		t.Errorf("three successes leave %v", k.rest)
	}
	if k.epoch != 3 {
		t.Errorf("%v attempts, want 3", k.epoch)
	}
}

func TestChanceIsUnlikelyIfFarMoreIsRefusedThanUsual(t *testing.T) {
	for _, c := range []struct {
		share, missed, of float64
		want              bool
	}{
		{0.01, 5, 20, true},
		{0.01, 4, 4, false}, // too few to say
		{0.01, 5, 5, true},
		{0.01, 5, 100, false}, // five times as much, of a hundred
		{0.01, 10, 200, true}, // and of two hundred
		{0.01, 5, 500, false},
		{0.01, 5, 5000, false}, // far less
		{0.06, 5, 6, true},
		{0.06, 5, 16, false},
	} {
		k := knownChance(c.share)
		k.missed, k.epoch = c.missed, c.of
		if got := k.unlikely(k.share()); got != c.want {
			t.Errorf("%+v: unlikely is %v", c, got)
		}
	}
}

func TestChancesTrialIsShownByItsSuccesses(t *testing.T) {
	k := knownChance(0.05)
	k.trialSuccess(2, 0.25) // a quarter more, of which a fifth is too much
	if !about(k.trial, 2*math.Log(0.75/0.95)) || k.tried != 2 || k.trialMissed != 0 {
		t.Errorf("got %+v, want two tried, each of log(0.75/0.95)", k)
	}
	k.trialSuccess(1000, 0.25)
	if k.trial != -longEvidence {
		t.Errorf("a weight of %v, want no more than what a refusal has to weigh up", k.trial)
	}
	k = suspectedChance(0.05)
	if k.trialSuccess(1000, 0.25); k.trial != -evidence {
		t.Errorf("a weight of %v where chance is not known, want %v", k.trial, -evidence)
	}
}

func TestChancesTrialFailsWithWhatIsRefusedInIt(t *testing.T) {
	k := knownChance(0.05)
	if k.trialRefusal(0.25, leastChance) || !about(k.trial, math.Log(5)) || k.tried != 1 || k.trialMissed != 1 {
		t.Errorf("got %+v, want one refusal of log 5", k)
	}
	k = knownChance(0.05)
	if k.trialRefusal(0.001, leastChance); !about(k.trial, math.Ln2) {
		t.Errorf("a refusal in a small step weighs %v, want log 2, as elsewhere", k.trial)
	}
	for _, c := range []struct {
		name string
		chance
		want int
	}{{"nothing is known", chance{}, 1}, {"known", knownChance(0.01), 3}, {"suspected", suspectedChance(0.01), 2}} {
		n := 1
		for ; !c.trialRefusal(0.25, leastChance); n++ {
		}
		if n != c.want {
			t.Errorf("%s: a trial fails with %d refusals, want %d", c.name, n, c.want)
		}
	}
}

func TestChanceOfLateRefusalsTakesTwo(t *testing.T) {
	k := chance{}
	if k.lateRefusal() || !about(k.late, math.Log(11)) {
		t.Errorf("one late refusal weighs %v, want log 11, which is not enough", k.late)
	}
	if !k.lateRefusal() {
		t.Errorf("two late refusals weigh %v, want that to be enough", k.late)
	}
	for range 10 {
		k.lateRefusal()
	}
	if k.late != 3*evidence {
		t.Errorf("many late refusals weigh %v, want at most %v, or they would never be made up for", k.late, 3*evidence)
	}
	k.lateSuccess(10)
	if !about(k.late, 3*evidence+10*math.Log(0.78/0.98)) {
		t.Errorf("ten late successes leave %v", k.late)
	}
	if k.lateSuccess(1000); k.late != 0 {
		t.Errorf("a thousand late successes leave %v, want nothing", k.late)
	}
	k.e = 0.05
	if k.lateRefusal(); !about(k.late, math.Log(5)) {
		t.Errorf("where a twentieth is chance, a late refusal weighs %v, want log 5", k.late)
	}
	k.late = 1
	if k.lateSuccess(1); !about(k.late, 1+math.Log(0.75/0.95)) {
		t.Errorf("and a late success leaves %v", k.late)
	}
}

func TestChanceForgetsItsWeightsWithTheNextChange(t *testing.T) {
	k := chance{refused: 4, attempts: 100, epoch: 50, missed: 3, rest: 1, trial: -1, tried: 7, trialMissed: 2, late: 1, e: 0.01}
	k.changed(true)
	if want := (chance{refused: 4, attempts: 100, lowered: true, tried: 7, trialMissed: 2, late: 1, e: 0.01}); k != want {
		t.Errorf("after a change: %+v, want %+v", k, want)
	}
	k = chance{epoch: 50, missed: 3, rest: 1, trial: -1, tried: 7, trialMissed: 2, e: 0.01}
	k.tries()
	if want := (chance{epoch: 50, missed: 3, rest: 1, e: 0.01}); k != want {
		t.Errorf("as a trial begins: %+v, want %+v", k, want)
	}
}

func TestChanceIsNotWhatThePressureHasCaused(t *testing.T) {
	k := knownChance(0.05)
	k.missed, k.epoch, k.trialMissed, k.tried = 5, 20, 3, 40
	if got := k.caused(false); !about(got, 4) {
		t.Errorf("%v caused outside of trials, want 5 less the one of twenty", got)
	}
	if got := k.caused(true); !about(got, 1) {
		t.Errorf("%v caused in the trial, want 3 less the two of forty", got)
	}
	k.epoch, k.tried = 1000, 1000
	if k.caused(false) != 0 || k.caused(true) != 0 {
		t.Errorf("%v and %v caused where fewer were refused than by chance, want 0", k.caused(false), k.caused(true))
	}
}
