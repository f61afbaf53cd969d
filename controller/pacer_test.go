package controller

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const us = time.Microsecond

// startLate waits as long as p says, is woken that much too late, and starts.
func startLate(p *Pacer, now time.Time, interval, late time.Duration) time.Time {
	if wait := p.Wait(now); wait > 0 {
		p.Hold(true)
		now = now.Add(wait + late)
	}
	p.Start(now, interval, 0)
	return now
}

func TestPacerKeepsTheIntervalWhenWokenExactly(t *testing.T) {
	for _, interval := range []time.Duration{10 * us, 999 * us, ms, 3 * ms, time.Hour} {
		var p Pacer
		now := t0
		for p.Wait(now) == 0 { // what the first burst may be, another test tells
			p.Start(now, interval, 0)
		}
		for range 1000 {
			wait := p.Wait(now)
			now = startLate(&p, now, interval, 0)
			if wait <= 0 || wait > interval || p.Wait(now) != interval {
				t.Fatalf("interval %v: waited %v, next %v", interval, wait, p.Wait(now))
			}
		}
	}
}

func TestPacerLatenessDoesNotAddUp(t *testing.T) {
	for _, c := range []struct{ interval, latest time.Duration }{
		{10 * us, 2 * ms}, {700 * us, 2 * ms}, {ms, ms}, {5 * ms, ms},
	} {
		var p Pacer
		now, n := t0, int(time.Second/c.interval)
		for i := range n {
			now = startLate(&p, now, c.interval, time.Duration(i%3)*c.latest/2)
		}
		want := time.Duration(n-1) * c.interval
		if took := now.Sub(t0); took < want-ms || took > want+2*ms {
			t.Errorf("%d starts %v apart took %v, want %v", n, c.interval, took, want)
		}
	}
}

func TestPacerMakesUpForNoMoreThanATimersLateness(t *testing.T) {
	for _, c := range []struct{ interval, late, next time.Duration }{
		{10 * ms, ms, 9 * ms},
		{10 * ms, 2 * ms, 9 * ms},
		{10 * ms, 10 * ms, 9 * ms},
		{10 * ms, 10*ms + 1, 10 * ms}, // that was no timer
		{10 * ms, time.Hour, 10 * ms},
		{99 * ms, ms, 98 * ms},
		{100 * ms, ms, 100 * ms}, // rather the gap than the mean
	} {
		var p Pacer
		p.Start(t0, c.interval, 0)
		now := startLate(&p, t0, c.interval, c.late)
		if next := p.Wait(now); next != c.next {
			t.Errorf("interval %v, woken %v late: next after %v, want %v", c.interval, c.late, next, c.next)
		}
	}
}

func TestPacerPauseEndsWhatAnEarlierLatenessWasWorth(t *testing.T) {
	var p Pacer
	p.Start(t0, ms, 0)
	now := startLate(&p, t0, ms, 2*ms)
	if next := p.Wait(now); next != 0 {
		t.Errorf("next after %v, want at once: two are late", next)
	}
	now = now.Add(5 * ms)
	p.Start(now, ms, 0)
	if next := p.Wait(now); next != ms {
		t.Errorf("next after %v, want 1ms", next)
	}
}

func TestPacerIdleEarnsNothing(t *testing.T) {
	for _, interval := range []time.Duration{ms, 10 * ms, time.Minute} {
		for _, idle := range []time.Duration{0, 1, interval, 10 * interval, time.Hour} {
			var p Pacer
			p.Start(t0, interval, 0)
			now := t0.Add(interval + idle)
			p.Start(now, interval, 0)
			if wait := p.Wait(now); wait != interval {
				t.Errorf("interval %v, idle for %v: next after %v", interval, idle, wait)
			}
		}
	}
}

func TestPacerWaitThatWasGivenUpEarnsNothing(t *testing.T) {
	var p Pacer
	p.Start(t0, 10*ms, 0)
	p.Hold(true)
	p.Hold(false)
	now := t0.Add(11 * ms)
	p.Start(now, 10*ms, 0)
	if wait := p.Wait(now); wait != 10*ms {
		t.Errorf("next after %v, want 10ms", wait)
	}
}

func TestPacerBelowAQuarterOfAMillisecondIdleEarnsABurstOfAMillisecond(t *testing.T) {
	var p Pacer
	for _, now := range []time.Time{t0, t0.Add(time.Hour)} {
		n := 0
		for ; p.Wait(now) == 0; n++ {
			p.Start(now, 10*us, 0)
		}
		if n != 101 {
			t.Errorf("a burst of %d, want 101", n)
		}
	}
}

func TestPacerThatTheLimitHeldUpKeepsItsInterval(t *testing.T) {
	for _, c := range []struct{ interval, next time.Duration }{
		{249 * us, 0}, {250 * us, 250 * us}, {600 * us, 600 * us}, {999 * us, 999 * us},
	} {
		var p Pacer
		p.Start(t0, c.interval, 0)
		now := t0.Add(5 * ms) // nobody waited for the pace
		p.Start(now, c.interval, 0)
		if wait := p.Wait(now); wait != c.next {
			t.Errorf("interval %v: the next one waits %v, want %v", c.interval, wait, c.next)
		}
	}
}

func TestPacerWithoutAnIntervalNeverWaits(t *testing.T) {
	var p Pacer
	for range 10 {
		p.Start(t0, 0, 0)
		if wait := p.Wait(t0); wait != 0 {
			t.Fatalf("wait %v", wait)
		}
	}
}

func TestPacerRepaceHoldsFromTheVeryNextGap(t *testing.T) {
	var p Pacer
	p.Repace(t0, time.Second)
	if wait := p.Wait(t0); wait != 0 {
		t.Errorf("the first attempt of all waits %v", wait)
	}
	p.Start(t0, 0, 0)
	p.Repace(t0, 20*ms) // from 0 to 20 ms
	p.Repace(t0, -5*ms)
	if wait := p.Wait(t0); wait != 15*ms {
		t.Errorf("wait %v, want 15ms", wait)
	}
	p.Repace(t0.Add(10*ms), -10*ms) // due 5 ms ago, by that
	if wait := p.Wait(t0); wait != 10*ms {
		t.Errorf("due at %v, want 10ms, when that was decided", wait)
	}
	p.Start(t0.Add(20*ms), 20*ms, 0)
	p.Repace(t0.Add(20*ms), 20*ms)
	if wait := p.Wait(t0.Add(20 * ms)); wait != 40*ms {
		t.Errorf("wait %v, want 40ms", wait)
	}
}

// An attempt that is overdue anyway stays so: a pause earns what it earns.
// An attempt that had been due for a while would have started under a longer
// interval, too.
func TestPacerKnowsWhatTheLastAttemptHadToSpare(t *testing.T) {
	var p Pacer
	at := func(d time.Duration, interval time.Duration) {
		p.Start(t0.Add(d), interval, 0)
	}
	want := func(want time.Duration) {
		t.Helper()
		if got := p.Spare(); got != want {
			t.Errorf("%v to spare, want %v", got, want)
		}
	}
	want(0)
	at(0, 10*ms)
	if p.Spare() < time.Hour {
		t.Errorf("the first one had %v to spare, want as long as may be", p.Spare())
	}
	at(10*ms, 10*ms)
	want(0)
	at(25*ms, 10*ms)
	want(5 * ms)
	p.Repace(t0.Add(25*ms), 2*ms)
	want(3 * ms)
	p.Repace(t0.Add(25*ms), -ms)
	want(3 * ms)
	p.Repace(t0.Add(25*ms), time.Second)
	want(3*ms - time.Second)
	at(time.Minute, 0)
	want(0)
}

func TestPacerRepaceTakesNothingOffAPause(t *testing.T) {
	var p Pacer
	p.Start(t0, 2*ms, 0)
	later := t0.Add(time.Hour)
	p.Repace(later, -1900*us)
	for range 10 { // a burst of a millisecond's worth
		if wait := p.Wait(later); wait != 0 {
			t.Fatalf("wait %v after an hour of nothing", wait)
		}
		p.Start(later, 100*us, 0)
	}
}

func TestPacerJitterLengthensGapsOnly(t *testing.T) {
	p := Pacer{Jitter: 0.5}
	for random, want := range map[float64]time.Duration{0: 100 * ms, 0.5: 125 * ms, 0.999: 149950 * us} {
		p.next = t0
		p.Start(t0, 100*ms, random)
		if wait := p.Wait(t0); wait != want {
			t.Errorf("random %v: gap %v, want %v", random, wait, want)
		}
	}
}

// Whatever the pauses and however late the timers, no span of time holds more
// starts than its length, and the slack that lateness is worth, have room for.
func TestPacerNoSpanHoldsMoreStartsThanItsLengthAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.SampledFrom([]int{5, 70, 999, 1000, 1001, 5000, 100_000}).Draw(t, "µs")) * us
		var (
			p      Pacer
			now    = t0
			starts []time.Time
		)
		for range rapid.SampledFrom([]int{3, 30, 100}).Draw(t, "starts") {
			if rapid.IntRange(0, 5).Draw(t, "idle") == 0 {
				now = now.Add(interval * time.Duration(rapid.IntRange(0, 50).Draw(t, "intervals")))
			}
			late := time.Duration(rapid.IntRange(0, 3000).Draw(t, "late")) * us
			now = startLate(&p, now, interval, late)
			starts = append(starts, now)
			if fault := crowded(starts, interval, timerSlack); fault != "" {
				t.Fatal(fault)
			}
			if wait := p.Wait(now); wait > interval {
				t.Fatalf("next after %v, want at most %v", wait, interval)
			}
		}
	})
}

// crowded looks for a span up to the last start that holds too many.
func crowded(starts []time.Time, interval, slack time.Duration) string {
	last := len(starts) - 1
	for i := last; i >= 0; i-- {
		if span := starts[last].Sub(starts[i]); time.Duration(last-i)*interval > span+slack {
			return "too many starts within " + span.String()
		}
	}
	return ""
}

func FuzzPacer(f *testing.F) {
	f.Add(uint16(0), []byte{1, 2, 3})
	f.Add(uint16(10), []byte{0, 0, 0, 255, 0, 0, 128, 0})
	f.Add(uint16(5000), []byte{0, 0, 7, 130, 255, 0, 90})
	f.Fuzz(func(t *testing.T, micros uint16, events []byte) {
		var (
			p        = Pacer{Jitter: 0.2}
			interval = time.Duration(micros) * us
			now      = t0
			starts   []time.Time
		)
		for _, e := range events {
			wait := p.Wait(now)
			if most := interval + interval/5; wait < 0 || wait > most {
				t.Fatalf("wait %v, want 0 to %v", wait, most)
			}
			p.Hold(wait > 0)
			now = now.Add(wait + time.Duration(e&127)*50*us)
			if p.Wait(now) != 0 {
				t.Fatal("the wait does not suffice")
			}
			p.Start(now, interval, float64(e>>7)/2)
			starts = append(starts, now)
			if fault := crowded(starts, interval, timerSlack); fault != "" {
				t.Fatal(fault)
			}
		}
	})
}

func BenchmarkPacer(b *testing.B) {
	p, now := Pacer{Jitter: 0.1}, t0
	for b.Loop() {
		now = now.Add(p.Wait(now))
		p.Start(now, 100*us, 0.5)
	}
	b.ReportAllocs()
}

func TestGapsAreUnknownBeforeTheSecondMoment(t *testing.T) {
	var g Gaps
	if mean := g.Mean(t0); mean != 0 {
		t.Errorf("mean %v before the first attempt", mean)
	}
	g.Add(t0)
	if mean := g.Mean(t0); mean != 0 {
		t.Errorf("mean %v at the first attempt", mean)
	}
}

func TestGapsMeasureASteadyPace(t *testing.T) {
	var g Gaps
	now := t0
	for i := 1; i <= 1000; i++ {
		g.Add(now)
		now = now.Add(7 * ms)
		if mean := g.Mean(now); mean != 7*ms {
			t.Fatalf("after %d attempts: mean %v, want 7ms", i, mean)
		}
	}
}

func TestGapsFollowAChangeOfPace(t *testing.T) {
	var g Gaps
	now := t0
	for _, gap := range append(slices.Repeat([]time.Duration{time.Second}, 1000), slices.Repeat([]time.Duration{ms}, 2*gapSpan)...) {
		g.Add(now)
		now = now.Add(gap)
	}
	if mean := g.Mean(now); mean < ms || mean > 20*ms {
		t.Errorf("mean %v, want close to 1ms", mean)
	}
}

func TestGapsForgetWhatWasBeforeALongPause(t *testing.T) {
	var g Gaps
	now := t0
	for range 100 {
		g.Add(now)
		now = now.Add(ms)
	}
	now = now.Add(time.Hour)
	for range 5 {
		g.Add(now)
	}
	if mean := g.Mean(now.Add(10 * ms)); mean != 2*ms {
		t.Errorf("mean %v, want 2ms", mean)
	}
}

func TestGapsOfLockstepAreItsMean(t *testing.T) {
	var g Gaps
	now := t0
	for range 5 {
		now = now.Add(time.Second)
		for range 20 {
			g.Add(now)
		}
	}
	if mean := g.Mean(now.Add(ms)); mean < 40*ms || mean > 60*ms {
		t.Errorf("mean %v, want about 50ms", mean)
	}
}

func TestGapsCountABurstASecondAgoAsASecond(t *testing.T) {
	var g Gaps
	for range 10 {
		g.Add(t0)
	}
	if mean := g.Mean(t0.Add(time.Second)); mean != 100*ms {
		t.Errorf("mean %v, want 100ms", mean)
	}
}
