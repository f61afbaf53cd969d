package controller

import (
	"testing"
	"time"
)

// flowing is a ledger of ten, of which two come back in a second.
func flowing(level float64) *ledger {
	return &ledger{limit: 10, level: level, at: t0, refill: refill{known: true, lowest: 2}}
}

func TestAQuotaThatFlowsBackKeepsAttemptsApartWhenLittleIsLeft(t *testing.T) {
	for _, c := range []struct {
		level float64
		n     int64
		want  time.Duration
	}{
		{1.9, 1, time.Second / 2},
		{2, 1, 0},
		{7.9, 4, 2 * time.Second},
		{8, 4, 0},
		{1.9, 0, time.Second / 2}, // as if it used one
	} {
		if got := flowing(c.level).interval(t0, c.n); got != c.want {
			t.Errorf("%v left, %d each: %v apart, want %v", c.level, c.n, got, c.want)
		}
	}
	if got := (&ledger{limit: 10, whole: t0.Add(time.Hour)}).interval(t0, 1); got != 0 {
		t.Errorf("%v apart of a quota that is whole again at once, want 0", got)
	}
}

func TestAQuotaThatFlowsBackIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		level float64
		n     int64
		after time.Duration
		want  time.Duration
	}{
		{0, 1, 0, time.Second / 2},
		{0, 0, 0, time.Second / 2},
		{0, 4, 0, 2 * time.Second},
		{0, 4, time.Second, time.Second},
		{0, 99, 0, 5 * time.Second}, // all of it will do
		{9, 99, time.Hour, 0},
		{1, 1, 0, 0},
	} {
		if got := flowing(c.level).wait(t0.Add(c.after), c.n); got != c.want {
			t.Errorf("%+v: waits %v", c, got)
		}
	}
	slow := flowing(0)
	slow.refill.lowest = 1e-12
	if slow.wait(t0, 1) != LongestHint || slow.interval(t0, 1) != LongestHint {
		t.Errorf("waits %v, %v apart; want no more than what is believed of a server", slow.wait(t0, 1), slow.interval(t0, 1))
	}
	unlimited := &ledger{level: 3, whole: t0.Add(time.Hour)}
	if got := unlimited.wait(t0, 99); got != time.Hour {
		t.Errorf("waits %v for more than is left of nobody knows how much, want an hour", got)
	}
}

func TestAQuotaPausesOnlyIfNothingIsLeftUntilAReset(t *testing.T) {
	in := func(told int64, whole time.Duration, rate float64) *ledger {
		return &ledger{limit: 10, told: told, whole: t0.Add(whole), refill: refill{known: rate > 0, lowest: rate}}
	}
	for _, c := range []struct {
		name string
		of   *ledger
		want time.Duration
	}{
		{"nothing left", in(0, time.Hour, 0), time.Hour},
		{"one left", in(1, time.Hour, 0), 0},
		{"it flows back", in(0, time.Hour, 2), 0},
		{"it is whole again", in(0, -time.Hour, 0), 0},
	} {
		if got := c.of.pause(t0); got != c.want {
			t.Errorf("%s: pauses %v, want %v", c.name, got, c.want)
		}
	}
}

// Of attempts that started together, what the least of them heard counts, for the same
// reset; a reset may be told a second off.
func TestHintsOfAttemptsThatStartedTogetherAreOfOneReset(t *testing.T) {
	for _, c := range []struct {
		name    string
		later   time.Duration // the second one's reset
		left    int64
		want    float64
		pausing bool
	}{
		{"less is left", 0, 3, 3, false},
		{"more is left", 0, 7, 5, false},
		{"nothing is left", 0, 0, 0, true},
		{"a second later", time.Second, 7, 5, false},
		{"a second earlier", -time.Second, 3, 3, false},
		{"another window", time.Second + 1, 7, 7, false},
		{"the window before", -time.Second - 1, 3, 5, false},
	} {
		var told Told
		one, other := told.Start(t0, Use{Requests: 1}), told.Start(t0, Use{Requests: 1})
		told.Hint(t0, Hint{Limit: 10, Remaining: 5, Reset: time.Minute}, one)
		told.Hint(t0, Hint{Limit: 10, Remaining: c.left, Reset: time.Minute + c.later}, other)
		if got := told.ledgers[0].level; got != c.want {
			t.Errorf("%s: %v left, want %v", c.name, got, c.want)
		}
		if pausing := told.Pause(t0) > 0; pausing != c.pausing {
			t.Errorf("%s: pauses %v", c.name, told.Pause(t0))
		}
	}
}
