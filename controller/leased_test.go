package controller

import (
	"testing"
	"time"
)

// What is withheld of a budget is not used, and is there again when it is given back.
func TestWithheldTokensAreNotUsed(t *testing.T) {
	now := time.Unix(0, 0)
	w := NewWindow(Budget{Tokens: 10, Window: time.Minute})
	w.Withhold(7)
	w.Reserve(now, 2)
	if wait, left := w.Wait(now, 2), w.Remaining(now); wait != time.Minute || left != 1 {
		t.Errorf("got a wait of %v and %d left, want a minute and 1", wait, left)
	}
	if wait := w.Wait(now, 9); wait != time.Minute {
		t.Errorf("got a wait of %v for more than there is, want a whole window", wait)
	}
	w.Withhold(0)
	if wait, left := w.Wait(now, 8), w.Remaining(now); wait != 0 || left != 8 {
		t.Errorf("got a wait of %v and %d left, want none and 8", wait, left)
	}
}

// Many that get another interval at once keep their places in it.
func TestRescaleKeepsThePlaceInTheInterval(t *testing.T) {
	now := time.Unix(0, 0)
	var p Pacer
	p.Start(now, 8*time.Second, 0)
	now = now.Add(2 * time.Second)
	for _, step := range []struct{ from, to, want time.Duration }{
		{8 * time.Second, 4 * time.Second, 3 * time.Second},
		{4 * time.Second, 16 * time.Second, 12 * time.Second},
		{16 * time.Second, 0, 0},
		{0, 4 * time.Second, time.Second}, // a quarter of it, at random
	} {
		if p.Rescale(now, step.from, step.to, 0.25); p.Wait(now) != step.want {
			t.Errorf("from %v to %v: got a wait of %v, want %v", step.from, step.to, p.Wait(now), step.want)
		}
	}
}

// Successes are one run, refusals are told one by one, and what they add up to stays.
func TestRunsTellOfAllAttempts(t *testing.T) {
	start := time.Unix(100, 0)
	wake := make(chan struct{}, 1)
	law, _ := Leased{Wake: wake}.Start(Bounds{MaxLimit: 9, InitialLimit: 9})
	for i := range 300 {
		o := Outcome{Verdict: Succeeded, Attempt: 1, Start: start.Add(time.Duration(i) * time.Second), Took: time.Second, InFlight: 1 + i%4, Tokens: 2}
		if i%100 == 50 {
			o.Verdict = Overload
		}
		law.Next(o.Start, o)
	}
	if len(wake) != 1 {
		t.Error("got nobody woken by a refusal")
	}
	runs := law.(*leased).runs
	if len(runs) != 4 {
		t.Fatalf("got %d runs, want one of successes and three refusals", len(runs))
	}
	n, inFlight, last := 0, 0, start
	for _, r := range runs {
		r.Outcomes(func(o Outcome) {
			n++
			inFlight += o.InFlight
			if o.Start.After(last) {
				last = o.Start
			}
		})
	}
	if n != 300 || inFlight != 750 || !last.Equal(start.Add(299*time.Second)) {
		t.Errorf("got %d attempts with %d in flight in all, the last at %v, want 300, 750 and the 300th second", n, inFlight, last)
	}
}
