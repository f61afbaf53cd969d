package controller

import (
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// report starts n attempts at now and has them end at once.
func report(c *Circuit, now time.Time, n int, v Verdict) {
	for range n {
		generation, _ := c.Start(now)
		c.Report(now, generation, v)
	}
}

func wantCircuit(t *testing.T, c *Circuit, now time.Time, want CircuitState) {
	t.Helper()
	if got := c.State(now); got != want {
		t.Fatalf("after %v the circuit is %v, want %v", now.Sub(t0), got, want)
	}
}

func TestCircuitOpensAfterFailuresInARow(t *testing.T) {
	for _, v := range []Verdict{Failed, Overload, 9} { // one that is unknown is a failure
		c := NewCircuit(Breaker{})
		report(c, t0, 9, v)
		report(c, t0, 5, Ignored) // says nothing, one way or the other
		wantCircuit(t, c, t0, BreakerClosed)
		report(c, t0, 1, v)
		wantCircuit(t, c, t0, BreakerOpen)
		if c.Ready(t0) {
			t.Error("an open circuit lets an attempt through")
		}
	}
}

func TestCircuitSaysWhatCountsAsAFailure(t *testing.T) {
	for v, want := range map[Verdict]bool{Failed: true, Overload: true, 9: true, Ignored: false, Succeeded: false} {
		c := NewCircuit(Breaker{Failures: 2})
		old, _ := c.Start(t0)
		if got := c.Report(t0, old, v); got != want {
			t.Errorf("closed, %v: %v, want %v", v, got, want)
		}
		report(c, t0, 2, Failed)
		if c.Report(t0, old, v) {
			t.Errorf("open, %v: an attempt from before counts", v)
		}
		now := t0.Add(time.Minute)
		wantCircuit(t, c, now, BreakerHalfOpen)
		probe, _ := c.Start(now)
		if got := c.Report(now, probe, v); got != want {
			t.Errorf("half-open, %v: %v, want %v", v, got, want)
		}
	}
}

func TestCircuitSuccessEndsTheRow(t *testing.T) {
	c := NewCircuit(Breaker{Failures: 3})
	for range 10 {
		report(c, t0, 2, Failed)
		report(c, t0, 1, Succeeded)
	}
	wantCircuit(t, c, t0, BreakerClosed)
}

func TestCircuitStaysOpenForExactlyOpenFor(t *testing.T) {
	c := NewCircuit(Breaker{Failures: 1, OpenFor: time.Minute})
	report(c, t0, 1, Failed)
	wantCircuit(t, c, t0.Add(time.Minute-1), BreakerOpen)
	wantCircuit(t, c, t0.Add(time.Minute), BreakerHalfOpen)
	if want := t0.Add(time.Minute); !c.Until().Equal(want) {
		t.Errorf("open until %v, want %v", c.Until(), want)
	}
}

// halfOpen returns a circuit that is half-open at the returned time.
func halfOpen(t *testing.T, probes int) (*Circuit, time.Time) {
	t.Helper()
	c := NewCircuit(Breaker{Failures: 1, OpenFor: time.Minute, Probes: probes})
	report(c, t0, 1, Failed)
	now := t0.Add(time.Minute)
	wantCircuit(t, c, now, BreakerHalfOpen)
	return c, now
}

func TestCircuitHalfOpenLetsOnlyProbesThrough(t *testing.T) {
	c, now := halfOpen(t, 3)
	for range 3 {
		if !c.Ready(now) {
			t.Fatal("no room for a probe")
		}
		if _, probe := c.Start(now); !probe {
			t.Error("the attempt does not know that it is a probe")
		}
	}
	if c.Ready(now.Add(time.Minute - 1)) {
		t.Error("a fourth attempt may start while three probes are out")
	}
}

func TestCircuitProbeThatNeverEndsMakesRoomForAnother(t *testing.T) {
	c, now := halfOpen(t, 1)
	first, _ := c.Start(now)
	if wait := c.Wait(now.Add(time.Second)); wait != 59*time.Second {
		t.Errorf("another one after %v, want as long as it was open", wait)
	}
	now = now.Add(time.Minute)
	if !c.Ready(now) || c.Wait(now) != 0 {
		t.Fatal("no room for another probe after a minute")
	}
	second, _ := c.Start(now)
	if c.Ready(now.Add(time.Minute - 1)) {
		t.Error("a third probe may start at once")
	}
	c.Report(now, second, Ignored) // its place is not free: it took that of the first
	if c.Ready(now.Add(time.Minute - 1)) {
		t.Error("a third probe may start although the first may still be out")
	}
	c.Report(now, first, Ignored)
	if !c.Ready(now) {
		t.Error("both are back and none may start")
	}
}

func TestCircuitSlowProbesCountWhenTheyEnd(t *testing.T) {
	c, now := halfOpen(t, 1)
	first, _ := c.Start(now)
	now = now.Add(time.Minute)
	c.Start(now) // takes longer still
	c.Report(now.Add(time.Second), first, Succeeded)
	wantCircuit(t, c, now.Add(time.Second), BreakerClosed)
}

func TestCircuitOpensAtAShareOfFailures(t *testing.T) {
	for name, test := range map[string]struct {
		cfg  Breaker
		good int           // of ten jobs
		gap  time.Duration // between ten jobs
		open bool
	}{
		"90%":                       {good: 1, open: true},
		"80%":                       {good: 2, open: true},
		"70%":                       {good: 3},
		"70%, told so":              {cfg: Breaker{Share: 0.7}, good: 3, open: true},
		"90%, told not to":          {cfg: Breaker{Share: -1}, good: 1},
		"90% of too few":            {cfg: Breaker{MinJobs: 1001}, good: 1},
		"90%, few within a window":  {good: 1, gap: 10 * time.Second},
		"90%, of a longer window":   {cfg: Breaker{Window: 10 * time.Minute}, good: 1, gap: 10 * time.Second, open: true},
		"90%, Failures above 1,000": {cfg: Breaker{Failures: 101}, good: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c, now := NewCircuit(test.cfg), t0
			open := false
			for range 100 {
				report(c, now, test.good, Succeeded)
				for range 10 - test.good {
					if c.Ready(now) {
						report(c, now, 1, Failed)
					}
				}
				if open = c.State(now) == BreakerOpen; open {
					break
				}
				now = now.Add(test.gap)
			}
			if open != test.open {
				t.Errorf("open %v, want %v", open, test.open)
			}
		})
	}
}

func TestCircuitForgetsTheShareWhenItCloses(t *testing.T) {
	c := NewCircuit(Breaker{OpenFor: time.Second})
	for range 99 {
		c.Record(t0, Succeeded) // they end the row
		report(c, t0, 4, Failed)
		if c.State(t0) == BreakerOpen {
			break
		}
	}
	wantCircuit(t, c, t0, BreakerOpen)
	now := t0.Add(time.Second)
	report(c, now, 1, Succeeded)
	report(c, now, 9, Failed)
	wantCircuit(t, c, now, BreakerClosed)
}

// The reference remembers each job.
func TestTallyAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type job struct {
			at     time.Time
			failed bool
		}
		var tally tally
		var jobs []job
		now := t0
		for range rapid.IntRange(1, 100).Draw(t, "jobs") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "passed")) * ms)
			failed := rapid.Bool().Draw(t, "failed")
			tally.add(now, 10*time.Second, failed)
			jobs = append(jobs, job{now, failed})
			var least, most span // what is certainly, and at most, counted
			for _, j := range jobs {
				one := span{jobs: 1}
				if j.failed {
					one.failed = 1
				}
				if age := now.Sub(j.at); age <= 9*time.Second {
					least.jobs, least.failed = least.jobs+1, least.failed+one.failed
					most.jobs, most.failed = most.jobs+1, most.failed+one.failed
				} else if age < 10*time.Second {
					most.jobs, most.failed = most.jobs+1, most.failed+one.failed
				}
			}
			got := tally.sum()
			if got.jobs < least.jobs || got.jobs > most.jobs || got.failed < least.failed || got.failed > most.failed {
				t.Fatalf("counted %+v, want %+v to %+v", got, least, most)
			}
		}
	})
}

func TestCircuitClosesWhenAllProbesSucceed(t *testing.T) {
	c, now := halfOpen(t, 3)
	report(c, now, 2, Succeeded)
	wantCircuit(t, c, now, BreakerHalfOpen)
	report(c, now, 1, Succeeded)
	wantCircuit(t, c, now, BreakerClosed)
	if _, probe := c.Start(now); probe {
		t.Error("a closed circuit calls an attempt a probe")
	}
}

func TestCircuitFailedProbesOpenItForTwiceAsLongUpToFiveTimes(t *testing.T) {
	c, now := halfOpen(t, 2)
	for _, minutes := range []time.Duration{2, 4, 5, 5} {
		report(c, now, 1, Succeeded) // one of two is not enough
		report(c, now, 1, []Verdict{Failed, Overload, 9}[minutes%3])
		wantCircuit(t, c, now.Add(minutes*time.Minute-1), BreakerOpen)
		now = now.Add(minutes * time.Minute)
		wantCircuit(t, c, now, BreakerHalfOpen)
	}
	report(c, now, 2, Succeeded)
	report(c, now, 1, Failed)
	wantCircuit(t, c, now.Add(time.Minute), BreakerHalfOpen) // as short as the first time
}

func TestCircuitIgnoredProbeGivesItsPlaceBack(t *testing.T) {
	c, now := halfOpen(t, 1)
	for range 10 {
		report(c, now, 1, Ignored)
		if !c.Ready(now) {
			t.Fatal("the place of a probe that told nothing is lost")
		}
	}
	report(c, now, 1, Succeeded)
	wantCircuit(t, c, now, BreakerClosed)
}

func TestCircuitIgnoresAttemptsFromBeforeTheLastChange(t *testing.T) {
	c := NewCircuit(Breaker{Failures: 1, OpenFor: time.Minute, Probes: 2})
	old, _ := c.Start(t0)
	report(c, t0, 1, Failed)
	now := t0.Add(time.Minute)
	wantCircuit(t, c, now, BreakerHalfOpen)
	probe, _ := c.Start(now)
	for _, v := range []Verdict{Succeeded, Ignored, Failed} {
		c.Report(now, old, v)
		wantCircuit(t, c, now, BreakerHalfOpen)
	}
	c.Report(now, probe, Failed)
	c.Report(now, probe, Failed) // the other one, too late to count
	wantCircuit(t, c, now.Add(2*time.Minute), BreakerHalfOpen)
}

func TestCircuitLeftTellsWhenToAskAgain(t *testing.T) {
	c := NewCircuit(Breaker{Failures: 1, OpenFor: time.Minute})
	report(c, t0, 1, Failed)
	for after, want := range map[time.Duration]time.Duration{0: time.Minute, 59 * time.Second: time.Second, time.Minute - 1: 1} {
		if got := c.Left(t0.Add(after)); got != want {
			t.Errorf("after %v: got %v, want %v", after, got, want)
		}
	}
	now := t0.Add(2 * time.Minute)
	c.Start(now) // when the probe will be back nobody knows
	if got := c.Left(now); c.Ready(now) || got != time.Second {
		t.Errorf("half-open: got %v, want 1s", got)
	}
	short := NewCircuit(Breaker{Failures: 1, OpenFor: ms})
	report(short, t0, 1, Failed)
	short.Start(now)
	if got := short.Left(now); got != ms {
		t.Errorf("half-open: got %v, want no longer than it is open", got)
	}
}

func TestCircuitRecordCountsWithoutAsking(t *testing.T) {
	c := NewCircuit(Breaker{Failures: 2, OpenFor: time.Minute, Probes: 2})
	c.Record(t0, Failed)
	c.Record(t0, Ignored)
	c.Record(t0, Succeeded) // ends the row
	c.Record(t0, Overload)
	wantCircuit(t, c, t0, BreakerClosed)
	c.Record(t0, Failed)
	wantCircuit(t, c, t0, BreakerOpen)
	c.Record(t0, Succeeded) // comes from before, as far as we know
	c.Record(t0, Failed)
	wantCircuit(t, c, t0.Add(time.Minute-1), BreakerOpen)
	now := t0.Add(time.Minute) // nobody has looked at the circuit since
	c.Record(now, Succeeded)
	c.Record(now, Ignored) // frees no place, since it took none
	wantCircuit(t, c, now, BreakerHalfOpen)
	c.Start(now)
	c.Start(now)
	if c.Ready(now) {
		t.Error("a third probe may start")
	}
	c.Record(now, Succeeded)
	wantCircuit(t, c, now, BreakerClosed)
}

func TestCircuitRecordedFailureOpensAHalfOpenCircuit(t *testing.T) {
	c, now := halfOpen(t, 3)
	c.Record(now, Failed)
	wantCircuit(t, c, now.Add(2*time.Minute-1), BreakerOpen)
	wantCircuit(t, c, now.Add(2*time.Minute), BreakerHalfOpen)
}

func TestCircuitUpdateWhileClosed(t *testing.T) {
	c := NewCircuit(Breaker{Failures: 5, OpenFor: time.Minute})
	report(c, t0, 3, Failed)
	c.Update(Breaker{Failures: 3, OpenFor: time.Second})
	wantCircuit(t, c, t0, BreakerClosed) // in the state that it is in
	report(c, t0, 1, Failed)             // but the row counts
	wantCircuit(t, c, t0.Add(time.Second-1), BreakerOpen)
	wantCircuit(t, c, t0.Add(time.Second), BreakerHalfOpen)
}

func TestCircuitUpdateWhileOpenKeepsWhatIsLeft(t *testing.T) {
	c := NewCircuit(Breaker{Failures: 1, OpenFor: time.Minute})
	report(c, t0, 1, Failed)
	c.Update(Breaker{Failures: 1, OpenFor: time.Second, Probes: 2})
	wantCircuit(t, c, t0.Add(time.Minute-1), BreakerOpen)
	now := t0.Add(time.Minute)
	wantCircuit(t, c, now, BreakerHalfOpen)
	report(c, now, 1, Failed)
	wantCircuit(t, c, now.Add(5*time.Second-1), BreakerOpen) // no longer than five times the new time
	wantCircuit(t, c, now.Add(5*time.Second), BreakerHalfOpen)
}

func TestCircuitUpdateKeepsHowFarTheOpenTimeHasGrown(t *testing.T) {
	c, now := halfOpen(t, 1)
	report(c, now, 1, Failed) // for 2 minutes
	c.Update(Breaker{Failures: 1, OpenFor: 50 * time.Second})
	now = now.Add(2 * time.Minute)
	wantCircuit(t, c, now, BreakerHalfOpen)
	report(c, now, 1, Failed)
	wantCircuit(t, c, now.Add(4*time.Minute-1), BreakerOpen)
	c.Update(Breaker{Failures: 1, OpenFor: time.Hour})
	now = now.Add(4 * time.Minute)
	wantCircuit(t, c, now, BreakerHalfOpen)
	report(c, now, 1, Failed)
	wantCircuit(t, c, now.Add(2*time.Hour-1), BreakerOpen)
	wantCircuit(t, c, now.Add(2*time.Hour), BreakerHalfOpen)
}

func TestCircuitUpdateOfTheProbes(t *testing.T) {
	c, now := halfOpen(t, 2)
	report(c, now, 1, Succeeded)
	c.Update(Breaker{Failures: 1, OpenFor: time.Minute, Probes: 3})
	report(c, now, 1, Succeeded)
	wantCircuit(t, c, now, BreakerHalfOpen)
	if !c.Ready(now) {
		t.Error("no room for the third probe")
	}
	late, _ := c.Start(now)
	c.Update(Breaker{Failures: 1, OpenFor: time.Minute, Probes: 2}) // two have succeeded
	wantCircuit(t, c, now, BreakerClosed)
	c.Report(now, late, Failed) // was sent while half-open
	wantCircuit(t, c, now, BreakerClosed)
}

func TestCircuitRenewForgetsAllButWhatWasStarted(t *testing.T) {
	c, now := halfOpen(t, 2)
	probe, _ := c.Start(now)
	c.Report(now, probe, Failed) // for 2 minutes
	old, _ := c.Start(now)
	c.Renew(Breaker{Failures: 2, OpenFor: time.Second})
	wantCircuit(t, c, now, BreakerClosed)
	c.Report(now, probe, Failed)
	c.Report(now, old, Failed)
	c.Report(now, -1, Failed) // was started while there was no circuit
	report(c, now, 1, Failed)
	wantCircuit(t, c, now, BreakerClosed)
	report(c, now, 1, Failed)
	wantCircuit(t, c, now.Add(time.Second-1), BreakerOpen)
	wantCircuit(t, c, now.Add(time.Second), BreakerHalfOpen)
	row := NewCircuit(Breaker{Failures: 2})
	report(row, t0, 1, Failed)
	row.Renew(Breaker{Failures: 2})
	report(row, t0, 1, Failed)
	wantCircuit(t, row, t0, BreakerClosed)
}

// The reference remembers for each attempt the era it started in.
func TestCircuitAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(t *rapid.T) Breaker {
			return Breaker{
				Failures: rapid.IntRange(1, 4).Draw(t, "failures"),
				OpenFor:  time.Duration(rapid.IntRange(1, 5).Draw(t, "open for")) * time.Second,
				Probes:   rapid.IntRange(1, 3).Draw(t, "probes"),
			}
		}
		cfg := draw(t)
		type attempt struct{ era, generation int }
		var (
			c        = NewCircuit(cfg)
			now      = t0
			inFlight []attempt

			state          = BreakerClosed
			era            int
			row, out, good int
			lost           int // probes whose place was taken
			openFor, until = cfg.OpenFor, t0
			probed         time.Time
		)
		turn := func(s CircuitState) {
			state, row, out, good, lost = s, 0, 0, 0, 0
			era++
			if s == BreakerOpen {
				until = now.Add(openFor)
			}
		}
		judge := func(v Verdict) {
			switch {
			case v == Succeeded:
				row = 0
				good++
				if state == BreakerHalfOpen && good == cfg.Probes {
					openFor = cfg.OpenFor
					turn(BreakerClosed)
				}
			case state == BreakerHalfOpen:
				openFor = min(2*openFor, 5*cfg.OpenFor)
				turn(BreakerOpen)
			default:
				row++
				if row >= cfg.Failures {
					turn(BreakerOpen)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"pass": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "halves")) * time.Second / 2)
				if state == BreakerOpen && !now.Before(until) {
					turn(BreakerHalfOpen)
				}
			},
			"start": func(t *rapid.T) {
				if !c.Ready(now) {
					t.Skip("not ready")
				}
				generation, probe := c.Start(now)
				if probe != (state == BreakerHalfOpen) {
					t.Fatalf("probe %v while %v", probe, state)
				}
				inFlight = append(inFlight, attempt{era, generation})
				if state == BreakerHalfOpen && out >= cfg.Probes {
					lost++
				} else {
					out++
				}
				probed = now
			},
			"end": func(t *rapid.T) {
				if len(inFlight) == 0 {
					t.Skip("none in flight")
				}
				i := rapid.IntRange(0, len(inFlight)-1).Draw(t, "which")
				a := inFlight[i]
				inFlight = append(inFlight[:i], inFlight[i+1:]...)
				v := rapid.SampledFrom([]Verdict{Succeeded, Failed, Overload, Ignored, Failed}).Draw(t, "verdict")
				c.Report(now, a.generation, v)
				switch {
				case a.era != era:
				case v == Ignored && lost > 0:
					lost--
				case v == Ignored:
					out--
				default:
					judge(v)
				}
			},
			"record": func(t *rapid.T) {
				v := rapid.SampledFrom([]Verdict{Succeeded, Failed, Overload, Ignored}).Draw(t, "verdict")
				c.Record(now, v)
				if v != Ignored && state != BreakerOpen {
					judge(v)
				}
			},
			"renew": func(t *rapid.T) {
				cfg = draw(t)
				c.Renew(cfg)
				openFor = cfg.OpenFor
				turn(BreakerClosed)
			},
			"update": func(t *rapid.T) {
				cfg = draw(t)
				c.Update(cfg)
				if openFor = max(min(openFor, 5*cfg.OpenFor), cfg.OpenFor); state == BreakerClosed {
					openFor = cfg.OpenFor
				}
				if state == BreakerHalfOpen && good >= cfg.Probes {
					openFor = cfg.OpenFor
					turn(BreakerClosed)
				}
			},
			"": func(t *rapid.T) {
				if got := c.State(now); got != state {
					t.Fatalf("the circuit is %v, want %v", got, state)
				}
				want := state == BreakerClosed || state == BreakerHalfOpen && (out < cfg.Probes || now.Sub(probed) >= openFor)
				if got := c.Ready(now); got != want {
					t.Fatalf("ready %v, want %v: %v, %d out", got, want, state, out)
				}
				if state == BreakerOpen && !c.Until().Equal(until) {
					t.Fatalf("open until %v, want %v", c.Until(), until)
				}
				if left := c.Left(now); state == BreakerOpen && !now.Add(left).Equal(until) || state != BreakerOpen && left != min(cfg.OpenFor, time.Second) {
					t.Fatalf("%v while %v until %v", left, state, until)
				}
			},
		})
		// Once all attempts have ended, time alone makes it ready again.
		for _, a := range inFlight {
			c.Report(now, a.generation, Failed)
		}
		if !c.Ready(now.Add(25 * time.Second)) { // five times the longest OpenFor
			t.Fatal("stuck: no attempt is in flight and none may start")
		}
	})
}

func FuzzCircuit(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 2, 2, 250, 0, 3})       // opens, half-opens, closes
	f.Add([]byte{0, 2, 0, 2, 250, 0, 1, 0, 2}) // an ignored probe, then one that fails
	f.Add([]byte{8, 8, 250, 0, 9, 0, 9})       // opened and closed by what is recorded, updated in between
	f.Add([]byte{0, 2, 0, 2, 250, 0, 15, 15})
	f.Fuzz(func(t *testing.T, events []byte) {
		c, now := NewCircuit(Breaker{Failures: 2, OpenFor: 10 * time.Second, Probes: 2}), t0
		var inFlight []int
		for _, e := range events {
			switch {
			case e >= 16:
				now = now.Add(time.Duration(e) * 100 * ms)
			case e >= 12: // for as long, or shorter, so that what is left is never longer
				c.Update(Breaker{Failures: 1 + int(e&1), OpenFor: 10 * time.Second / time.Duration(1+e&1), Probes: 1 + int(e>>1&1)})
			case e >= 8:
				c.Record(now, Verdict(e%4))
			case e%4 == 0 && c.Ready(now):
				generation, _ := c.Start(now)
				inFlight = append(inFlight, generation)
			case len(inFlight) > 0:
				i := int(e/4) % len(inFlight)
				c.Report(now, inFlight[i], Verdict(e%4))
				inFlight = append(inFlight[:i], inFlight[i+1:]...)
			}
			if left := c.Left(now); left <= 0 || left > 50*time.Second {
				t.Fatalf("ask again in %v", left)
			}
			if c.State(now) == BreakerOpen && (!c.Until().After(now) || c.Until().After(now.Add(50*time.Second))) {
				t.Fatalf("open for another %v, want up to 50s", c.Until().Sub(now))
			}
		}
		for _, generation := range inFlight {
			c.Report(now, generation, Ignored)
		}
		if !c.Ready(now.Add(50 * time.Second)) {
			t.Fatal("stuck: no attempt is in flight and none may start")
		}
	})
}

func BenchmarkCircuit(b *testing.B) {
	c := NewCircuit(Breaker{})
	for b.Loop() {
		if c.Ready(t0) {
			generation, _ := c.Start(t0)
			c.Report(t0, generation, Succeeded)
		}
	}
	b.ReportAllocs()
}

func TestBreakerDefaultsFillInOnlyWhatIsMissing(t *testing.T) {
	for _, c := range []struct{ of, want Breaker }{
		{Breaker{}, Breaker{Failures: 10, Share: 0.8, MinJobs: 100, Window: time.Minute, OpenFor: 30 * time.Second, Probes: 1}},
		{
			Breaker{Failures: 3, Share: -1, Window: 1, OpenFor: 1, Probes: 2},
			Breaker{Failures: 3, Share: -1, MinJobs: 30, Window: 1, OpenFor: 1, Probes: 2},
		},
		{
			Breaker{Failures: 1, Share: 1, MinJobs: 1, Window: 1, OpenFor: 1, Probes: 1},
			Breaker{Failures: 1, Share: 1, MinJobs: 1, Window: 1, OpenFor: 1, Probes: 1},
		},
	} {
		if got := c.of.WithDefaults(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("of %+v: %+v, want %+v", c.of, got, c.want)
		}
	}
	for failures, want := range map[int]int{-5: 10, 1: 10, math.MaxInt: 10 << 20} {
		if got := (Breaker{Failures: failures}).WithDefaults().MinJobs; got != want {
			t.Errorf("%d failures: a share of %d jobs says something, want %d", failures, got, want)
		}
	}
}

func TestCircuitIsKeptOpenForLonger(t *testing.T) {
	c := NewCircuit(Breaker{Failures: 1, OpenFor: time.Minute})
	c.Delay(time.Hour) // it is not open
	report(c, t0, 1, Failed)
	if got := c.Until(); got != t0.Add(time.Minute) {
		t.Errorf("open for %v, want a minute", got.Sub(t0))
	}
	c.Delay(time.Hour)
	if got := c.Until(); got != t0.Add(time.Hour+time.Minute) {
		t.Errorf("open for %v, want an hour more", got.Sub(t0))
	}
	wantCircuit(t, c, t0.Add(time.Hour), BreakerOpen)
}
