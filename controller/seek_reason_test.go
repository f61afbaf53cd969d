package controller

import (
	"slices"
	"testing"
	"time"
)

// reasonsOf runs until a time, and returns the reasons in the order in which they came,
// one after another that is the same left out.
func (r *run) reasonsOf(p plant, until float64) (reasons []Reason) {
	for r.now < until {
		r.against(p, r.now+0.001)
		if n := len(reasons); n == 0 || reasons[n-1] != r.setting.Reason {
			reasons = append(reasons, r.setting.Reason)
		}
	}
	return reasons
}

// inOrder reports whether one reason comes right after another somewhere.
func inOrder(reasons []Reason, first, second Reason) bool {
	for i := 1; i < len(reasons); i++ {
		if reasons[i-1] == first && reasons[i] == second {
			return true
		}
	}
	return false
}

func TestSeekSaysThatItStarts(t *testing.T) {
	_, first := Seek{}.Start(ample(20))
	if first.Reason != ReasonStart {
		t.Errorf("the first setting: %v, want %v", first.Reason, ReasonStart)
	}
	r := startRun(Seek{}, ample(20))
	if got := r.reasonsOf(&noisePlant{manners: politely(1)}, 2); !slices.Equal(got, []Reason{ReasonStart}) {
		t.Errorf("while nothing is refused: %v, want only %v", got, ReasonStart)
	}
}

func TestSeekSaysThatItTriesAndWhatCameOfIt(t *testing.T) {
	for _, c := range []struct {
		name    string
		refused Reason
		plant   plant
	}{
		{"rate", ReasonRefusedRate, &bucketPlant{manners: politely(1), rate: stairs(60, 50, 80), burst: 5}},
		{"slots", ReasonRefusedLimit, &slotsPlant{manners: politely(1), most: stairs(60, 20, 30)}},
	} {
		got := startRun(Seek{}, ample(80)).reasonsOf(c.plant, 120)
		if got[0] != ReasonStart || slices.Contains(got[1:], ReasonStart) {
			t.Errorf("%s: %v, want %v first and only first", c.name, got, ReasonStart)
		}
		if !inOrder(got, ReasonTrial, ReasonTrialHeld) {
			t.Errorf("%s: no trial that held in %v", c.name, got)
		}
		if !inOrder(got, ReasonTrial, ReasonTrialFailed) {
			t.Errorf("%s: no trial that failed in %v", c.name, got)
		}
		if !slices.Contains(got, c.refused) {
			t.Errorf("%s: never %v in %v", c.name, c.refused, got)
		}
		for i, r := range got {
			if i > 0 && (r == ReasonTrialHeld || r == ReasonTrialFailed || r == ReasonTrialEnded) && got[i-1] != ReasonTrial {
				t.Errorf("%s: %v after %v, want it after a trial", c.name, r, got[i-1])
			}
		}
		if slices.Contains(got, ReasonDown) || slices.Contains(got, ReasonQueueing) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// TestSeekSaysWhichOfTheTwoIsRefused where there was no trial: the service gives less than
// it did.
func TestSeekSaysWhichOfTheTwoIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		want  Reason
		plant plant
	}{
		{"rate", ReasonRefusedRate, &bucketPlant{manners: politely(1), rate: stairs(100, 50, 20), burst: 5}},
		{"slots", ReasonRefusedLimit, &slotsPlant{manners: politely(1), most: stairs(100, 20, 8)}},
	} {
		r := startRun(Seek{}, ample(80))
		r.against(c.plant, 100)
		got := r.reasonsOf(c.plant, 103)
		if !slices.Contains(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestSeekSaysThatAttemptsWaitForOneAnother(t *testing.T) {
	got := startRun(Seek{}, ample(80)).reasonsOf(&queuePlant{manners: politely(1), servers: 20}, 100)
	if !slices.Contains(got, ReasonQueueing) {
		t.Errorf("%v, want %v", got, ReasonQueueing)
	}
	if slices.Contains(got, ReasonRefusedRate) || slices.Contains(got, ReasonRefusedLimit) || slices.Contains(got, ReasonTrialFailed) {
		t.Errorf("%v, but nothing was refused", got)
	}
}

func TestSeekSaysThatAServiceIsDownAndBack(t *testing.T) {
	for _, says := range []Verdict{Failed, Overload} {
		r, p := startRun(Seek{}, ample(20)), down(1, says)
		r.against(p, 105)
		if r.setting.Reason != ReasonDown || !r.setting.Probing {
			t.Errorf("%v: %v, probing %v, want %v", says, r.setting.Reason, r.setting.Probing, ReasonDown)
		}
		got := r.reasonsOf(p, 175)
		if !inOrder(got, ReasonDown, ReasonBack) {
			t.Errorf("%v: %v, want %v right after %v", says, got, ReasonBack, ReasonDown)
		}
		if got[0] != ReasonDown {
			t.Errorf("%v: %v while it is down", says, got[0])
		}
	}
}

// TestSeekSaysThatRefusalsWereChance when what was lowered for them is restored.
func TestSeekSaysThatRefusalsWereChance(t *testing.T) {
	r := startRun(Seek{}, ample(40))
	got := r.reasonsOf(byChance(1, 0.01, Overload, &noisePlant{manners: politely(1)}), 60)
	if !slices.Contains(got, ReasonChance) {
		t.Errorf("%v, want %v", got, ReasonChance)
	}
}

func TestSeekSaysThatItWasUpdated(t *testing.T) {
	for _, b := range []Bounds{
		ample(5),
		ample(80),
		{InitialLimit: 20, MaxLimit: 20, MinInterval: 50 * ms, MaxInterval: time.Second},
	} {
		r := startRun(Seek{}, ample(20))
		r.against(&noisePlant{manners: politely(1)}, 10)
		r.update(t, Seek{}, b)
		if r.setting.Reason != ReasonUpdate {
			t.Errorf("%+v: %v, want %v", b, r.setting.Reason, ReasonUpdate)
		}
	}
}

// TestSeekNeverChangesWithoutAReason: as long as the reason is the same, the limit and the
// pace move only the way that it says.
func TestSeekNeverChangesWithoutAReason(t *testing.T) {
	for _, c := range seekCases {
		r := startRun(Seek{}, ample(c.most))
		p, last := c.plant(1), r.setting
		for r.now < c.length/4 {
			r.against(p, r.now+0.001)
			s := r.setting
			if s.Reason == NoReason {
				t.Fatalf("%s, after %.3f s: %v without a reason", c.name, r.now, s)
			}
			if s.Reason == last.Reason && s.Limit < last.Limit && (s.Reason == ReasonTrial || s.Reason == ReasonTrialHeld) {
				t.Errorf("%s, after %.3f s: from %v to %v because of %v", c.name, r.now, last, s, s.Reason)
			}
			if s.Probing && s.Reason != ReasonDown {
				t.Errorf("%s, after %.3f s: probing because of %v", c.name, r.now, s.Reason)
			}
			last = s
		}
	}
}
