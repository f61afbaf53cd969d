package controller

import (
	"testing"
	"time"
)

// Eighty are left of a hundred if all came back, since twenty have started.
func TestRenewalIsPartialIfLessThanHalfOfTheQuotaCameBack(t *testing.T) {
	for _, c := range []struct {
		name      string
		remaining int64
		partial   int
		want      int
		but       func(*ledger, *time.Time)
	}{
		{"less than half", 39, 1, 2, nil},
		{"half", 40, 1, 1, nil},
		{"nearly all", 71, 1, 1, nil},
		{"all but a tenth", 72, 1, 0, nil},
		{"all", 80, 0, 0, nil},
		{"less than half again and again", 0, 4, 4, nil},
		{"nothing started", 39, 1, 1, func(l *ledger, _ *time.Time) { l.renewal.begun = time.Time{} }},
		{"it is not known how much there is", 0, 1, 1, func(l *ledger, _ *time.Time) { l.limit = 0 }},
		{"of an attempt from before", 39, 1, 1, func(_ *ledger, start *time.Time) { *start = t0.Add(-1) }},
	} {
		l := &ledger{limit: 100, whole: t0, renewal: renewal{partial: c.partial, begun: t0, before: 50}}
		start := t0
		if c.but != nil {
			c.but(l, &start)
		}
		l.renewal.hear(l, Hint{Remaining: c.remaining}, start, t0.Add(time.Second), 70)
		if l.renewal.partial != c.want {
			t.Errorf("%s: partial %d times, want %d", c.name, l.renewal.partial, c.want)
		}
	}
}

func TestRenewalKnowsHowFarTheServerLooksAheadAndHowOldHintsAre(t *testing.T) {
	l := &ledger{}
	r := &l.renewal
	r.hear(l, Hint{Reset: 10 * time.Second}, t0, t0.Add(16*time.Second), 0)
	if r.longest != 26*time.Second || r.usual != time.Second {
		t.Errorf("looks ahead %v, hints are %v old; want 26 s, and a sixteenth of 16 s", r.longest, r.usual)
	}
	r.hear(l, Hint{Reset: time.Second}, t0, t0.Add(17*time.Second), 0)
	if r.longest != 26*time.Second || r.usual != 2*time.Second {
		t.Errorf("looks ahead %v, hints are %v old; want 26 s at most, and 2 s", r.longest, r.usual)
	}
	r.begun = t0
	if got := r.lapse(); got != t0.Add(34*time.Second) {
		t.Errorf("lapses after %v, want 26 s and four times 2 s", got.Sub(t0))
	}
}

func TestRenewalIsLateIfHintsTakeAsLongAsTheServerLooksAhead(t *testing.T) {
	for usual, want := range map[time.Duration]bool{5 * time.Second: false, 5*time.Second + 1: true} {
		r := renewal{longest: 10 * time.Second, usual: usual}
		if r.late() != want {
			t.Errorf("hints %v old: late is %v", usual, !want)
		}
	}
}

func TestRenewalIsSilentAfterASuccessWithoutAHint(t *testing.T) {
	for _, c := range []struct {
		begun  time.Time
		number int64
		want   bool
	}{{t0, 7, true}, {t0, 8, true}, {t0, 6, false}, {time.Time{}, 8, false}} {
		r := renewal{begun: c.begun, number: 7}
		r.end(c.number)
		if r.silent != c.want {
			t.Errorf("begun %v with number 7, number %d ended: silent is %v", c.begun, c.number, r.silent)
		}
		r.end(1)
		if r.silent != c.want {
			t.Error("another one has made it another")
		}
	}
}
