package controller

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A driver is a law with a time of its own.
type driver struct {
	Law
	Setting
	now time.Time
}

func drive(p Policy, b Bounds) *driver {
	law, setting := p.Start(b)
	return &driver{Law: law, Setting: setting, now: t0}
}

// end has n attempts end now that started the given time ago.
func (d *driver) end(n int, v Verdict, ago time.Duration) {
	for range n {
		d.Setting = d.Next(d.now, Outcome{Verdict: v, Final: true, Start: d.now.Add(-ago), Gap: 40 * time.Millisecond})
	}
}

func (d *driver) pass(t time.Duration) { d.now = d.now.Add(t) }

// want compares what is in force, except for the cooling.
func (d *driver) want(t *testing.T, limit int, interval time.Duration, ceiling int) {
	t.Helper()
	if d.Limit != limit || d.Interval != interval || d.Ceiling != ceiling {
		t.Errorf("got %v, ceiling %d; want limit %d, interval %v, ceiling %d", d.Setting, d.Ceiling, limit, interval, ceiling)
	}
}

const ms = time.Millisecond

var (
	aimd64   = Bounds{InitialLimit: 64, MaxLimit: 64, MinInterval: 100 * ms, MaxInterval: time.Second}
	unpaced8 = Bounds{InitialLimit: 8, MaxLimit: 8, MaxInterval: time.Second}
)

func TestAIMDDeceleratesWhenFailuresReachTheThreshold(t *testing.T) {
	d := drive(AIMD{}, aimd64)
	d.end(2, Failed, 0)
	d.want(t, 64, 100*ms, 64)
	d.end(1, Failed, 0)
	d.want(t, 32, 200*ms, 64)
	if want := d.now.Add(time.Minute); !d.CoolUntil.Equal(want) {
		t.Errorf("cooling until %v, want %v", d.CoolUntil, want)
	}
	if got := d.Law.(*aimd).Failures(d.now); got != 0 {
		t.Errorf("%d failures left in the window, want none", got)
	}
	d.end(2, Failed, 0)
	d.want(t, 32, 200*ms, 64)
	d.end(1, Failed, 0)
	d.want(t, 16, 400*ms, 32)
}

func TestAIMDDeceleratesDownToOneAttemptAndTheLongestInterval(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(100, Failed, 0)
	d.want(t, 1, time.Second, 1)
}

func TestAIMDWithoutAnIntervalDoublesTheMeasuredGap(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, unpaced8)
	d.end(1, Overload, 0)
	d.want(t, 4, 80*ms, 8)
	d.end(1, Overload, 0)
	d.want(t, 2, 160*ms, 4)
}

func TestAIMDDoublesAnyGapButNone(t *testing.T) {
	for gap, want := range map[time.Duration]time.Duration{100 * us: 200 * us, time.Hour: time.Second, 0: 2 * ms} {
		d := drive(AIMD{FailureThreshold: 1}, unpaced8)
		d.Setting = d.Next(d.now, Outcome{Verdict: Overload, Start: d.now, Gap: gap})
		if d.Interval != want {
			t.Errorf("gap %v: interval %v, want %v", gap, d.Interval, want)
		}
	}
}

func TestAIMDCountsOnlyFailuresWithinTheWindow(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 2, FailureWindow: time.Minute}, aimd64)
	for range 10 {
		d.end(1, Failed, 0)
		d.pass(time.Minute)
	}
	d.want(t, 64, 100*ms, 64)
	d.end(1, Failed, 0)
	d.pass(time.Minute - 1)
	d.end(1, Failed, 0)
	d.want(t, 32, 200*ms, 64)
}

func TestAIMDCountsSignsOfOverloadAlone(t *testing.T) {
	for o, counts := range map[Outcome]bool{
		{Verdict: Failed, Final: true}:     true,
		{Verdict: Failed}:                  false, // the job is tried again
		{Verdict: Overload}:                true,
		{Verdict: Overload, Final: true}:   true,
		{Verdict: Ignored, Final: true}:    false,
		{Verdict: Succeeded, Final: true}:  false,
		{Verdict: Verdict(9), Final: true}: true, // as a failure
		{Verdict: Verdict(9)}:              false,
		{Verdict: Overload, Own: true}:     false, // nor is the service's load a reason
	} {
		d := drive(AIMD{FailureThreshold: 1}, aimd64)
		o.Start = d.now
		if cut := d.Next(d.now, o).Limit < 64; cut != counts {
			t.Errorf("%v, final %v: cut %v, want %v", o.Verdict, o.Final, cut, counts)
		}
	}
}

func TestAIMDAttemptsFromBeforeACutDoNotCutAgain(t *testing.T) {
	d := drive(AIMD{}, aimd64)
	d.pass(time.Second)
	d.end(64, Failed, time.Second) // all that were in flight
	d.want(t, 32, 200*ms, 64)
}

func TestAIMDDoesNotGrowWhileCooling(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(1, Failed, 0)
	d.pass(time.Minute - 1)
	d.end(100, Succeeded, 0)
	d.want(t, 32, 200*ms, 64)
	d.pass(1)
	d.end(1, Succeeded, 0)
	d.want(t, 33, 100*ms, 64)
}

func TestAIMDAnotherCutCoolsAnew(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(1, Failed, 0)
	d.pass(50 * time.Second)
	d.end(1, Failed, 0)
	d.pass(50 * time.Second)
	d.end(1, Succeeded, 0)
	d.want(t, 16, 400*ms, 32)
	d.pass(10 * time.Second)
	d.end(1, Succeeded, 0)
	d.want(t, 17, 200*ms, 32)
}

func TestAIMDReacceleratesStepByStepUpToTheCeiling(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(2, Failed, 0)
	d.pass(time.Minute)
	for _, want := range []Setting{{Limit: 17, Interval: 200 * ms}, {Limit: 18, Interval: 100 * ms}, {Limit: 19, Interval: 100 * ms}} {
		d.pass(ms)
		d.end(1, Succeeded, 0)
		d.want(t, want.Limit, want.Interval, 32)
	}
	for range 100 {
		d.pass(ms)
		d.end(1, Succeeded, 0)
	}
	d.want(t, 32, 100*ms, 32)
}

func TestAIMDTakesOneStepPerRoundTrip(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(1, Failed, 0)
	d.pass(time.Hour)
	d.end(32, Succeeded, time.Second) // they all started together: one step
	d.want(t, 33, 100*ms, 64)
	d.pass(ms)
	d.end(32, Succeeded, ms)
	d.want(t, 34, 100*ms, 64)
}

func TestAIMDAttemptsFromBeforeACutDoNotPayForGrowth(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(1, Failed, 0)
	d.pass(time.Minute)
	d.end(10, Succeeded, time.Minute+1)
	d.want(t, 32, 200*ms, 64)
	d.end(1, Succeeded, time.Minute)
	d.want(t, 33, 100*ms, 64)
}

func TestAIMDTakesTheIntervalOffAgain(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, unpaced8)
	d.end(3, Failed, 0) // 80, 160, 320 ms
	d.pass(time.Minute)
	var got []time.Duration
	for range 4 {
		d.pass(ms)
		d.end(1, Succeeded, 0)
		got = append(got, d.Interval)
	}
	if want := []time.Duration{160 * ms, 80 * ms, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("got intervals %v, want %v: at the gap that attempts keep anyway it has gone", got, want)
	}
}

func TestAIMDForgetsTheCeilingAfterTheDecay(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64) // decays after five minutes
	d.end(2, Failed, 0)
	for d.pass(time.Minute); d.now.Before(t0.Add(5*time.Minute - 1)); d.pass(time.Second) {
		d.end(1, Succeeded, 0)
	}
	d.want(t, 32, 100*ms, 32)
	d.end(1, Succeeded, time.Hour) // even a success that pays for no step
	d.want(t, 32, 100*ms, 64)
	for range 100 {
		d.pass(ms)
		d.end(1, Succeeded, 0)
	}
	d.want(t, 64, 100*ms, 64)
}

func TestAIMDAnyFailureKeepsTheCeiling(t *testing.T) {
	d := drive(AIMD{}, aimd64)
	d.end(3, Failed, 0)
	for range 20 { // one in four minutes is too few to cut
		d.pass(4 * time.Minute)
		d.end(1, Failed, 0)
		d.end(1, Succeeded, 0)
	}
	d.want(t, 52, 100*ms, 64)
	d.end(3, Failed, 0)
	for range 20 {
		d.pass(4 * time.Minute)
		d.end(1, Failed, 0)
		d.end(10, Succeeded, 0)
	}
	d.want(t, 52, 100*ms, 52)
}

func TestAIMDWithAnEndlessDecayNeverForgetsTheCeiling(t *testing.T) {
	for _, decay := range []float64{1e9, math.Inf(1)} {
		d := drive(AIMD{FailureThreshold: 1, CoolingPeriod: time.Hour, SafeCeilingDecay: decay}, aimd64)
		d.end(2, Failed, 0)
		for range 100 {
			d.pass(time.Hour)
			d.end(1, Succeeded, 0)
		}
		d.want(t, 32, 100*ms, 32)
	}
}

func TestAIMDClimbsFromTheInitialLimitWithoutAFailure(t *testing.T) {
	d := drive(AIMD{}, Bounds{InitialLimit: 2, MaxLimit: 10, MaxInterval: time.Second})
	d.want(t, 2, 0, 10)
	for want := 3; want <= 10; want++ {
		d.pass(ms)
		d.end(1, Succeeded, 0)
		d.want(t, want, 0, 10)
	}
	d.end(1, Succeeded, 0)
	d.want(t, 10, 0, 10)
}

func TestAIMDGrowsAlsoWhileTimeStandsStill(t *testing.T) {
	d := drive(AIMD{}, Bounds{InitialLimit: 1, MaxLimit: 10, MaxInterval: time.Second})
	d.end(9, Succeeded, 0)
	d.want(t, 10, 0, 10)
}

// Whatever has happened, successes alone bring everything back.
func TestAIMDAlwaysRecovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBounds(t)
		d := drive(AIMD{}, b)
		for range rapid.SampledFrom([]int{3, 30, 300}).Draw(t, "events") {
			d.pass(drawPause(t))
			d.Setting = d.Next(d.now, drawOutcome(t, d.now))
		}
		d.pass(5 * time.Minute)
		for range b.MaxLimit + 40 {
			d.pass(ms)
			d.end(1, Succeeded, 0)
		}
		if d.Limit != b.MaxLimit || d.Interval != b.MinInterval || d.Ceiling != b.MaxLimit {
			t.Fatalf("got %v, ceiling %d; want %+v back", d.Setting, d.Ceiling, b)
		}
	})
}

// A service that takes 40 attempts at once, and fails those beyond, for a day.
func TestAIMDKeepsAServiceBusyButNotOverloadedForADay(t *testing.T) {
	const capacity = 40
	d := drive(AIMD{}, Bounds{InitialLimit: 64, MaxLimit: 64, MaxInterval: time.Second})
	attempts, failed := 0, 0
	for range 24 * 60 * 60 {
		d.pass(time.Second)
		d.end(1, Succeeded, time.Second)
		attempts += d.Limit
		if over := d.Limit - capacity; over > 0 {
			failed += over
			d.end(over, Failed, time.Second)
		}
	}
	if mean := float64(attempts) / (24 * 60 * 60); mean < capacity/2 || mean > capacity {
		t.Errorf("%.1f attempts in flight on average, want 20 to 40", mean)
	}
	if share := float64(failed) / float64(attempts); share > 0.01 {
		t.Errorf("%.2f%% of all attempts failed, want at most 1%%", 100*share)
	}
}

// update goes on under another policy and other bounds.
func (d *driver) update(t interface{ Fatal(...any) }, p Policy, b Bounds) {
	setting, ok := d.Law.(*aimd).Update(p, b)
	if !ok {
		t.Fatal("AIMD does not go on as AIMD")
	}
	d.Setting = setting
}

func TestAIMDUpdateStartsWhatNothingHasCutAnew(t *testing.T) {
	d := drive(AIMD{}, aimd64)
	d.update(t, AIMD{}, Bounds{InitialLimit: 100, MaxLimit: 128, MinInterval: 10 * ms, MaxInterval: time.Second})
	d.want(t, 100, 10*ms, 128)
	d.update(t, AIMD{}, Bounds{InitialLimit: 20, MaxLimit: 32, MaxInterval: time.Second}) // grew no further than that
	d.want(t, 32, 0, 32)
}

func TestAIMDUpdateKeepsWhatWasLearned(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(2, Failed, 0) // 16, 400 ms, ceiling 32
	cool := d.CoolUntil
	d.update(t, AIMD{FailureThreshold: 1}, Bounds{InitialLimit: 128, MaxLimit: 128, MinInterval: 50 * ms, MaxInterval: time.Second})
	d.want(t, 16, 400*ms, 32)
	if !d.CoolUntil.Equal(cool) {
		t.Errorf("cooling until %v, want %v as before", d.CoolUntil, cool)
	}
	d.end(1, Succeeded, 0)
	d.want(t, 16, 400*ms, 32)
	d.pass(time.Minute)
	for range 20 {
		d.pass(ms)
		d.end(1, Succeeded, 0)
	}
	d.want(t, 32, 50*ms, 32)
	d.pass(4 * time.Minute)
	d.end(1, Succeeded, 0)
	d.want(t, 33, 50*ms, 128)
}

func TestAIMDUpdateBringsTheSettingIntoTheBounds(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(2, Failed, 0) // 16, 400 ms, ceiling 32
	d.update(t, AIMD{FailureThreshold: 1}, Bounds{InitialLimit: 8, MaxLimit: 10, MinInterval: 10 * ms, MaxInterval: 300 * ms})
	d.want(t, 10, 300*ms, 10)
	d.update(t, AIMD{FailureThreshold: 1}, Bounds{InitialLimit: 8, MaxLimit: 10, MinInterval: 500 * ms, MaxInterval: time.Second})
	d.want(t, 10, 500*ms, 10)
}

func TestAIMDUpdateKeepsFailuresUnlessTheyAreCountedOtherwise(t *testing.T) {
	for _, c := range []struct {
		to   AIMD
		want int // failures that count, after two and one more
	}{
		{AIMD{}, 0}, // it was the third: a cut
		{AIMD{CoolingPeriod: time.Hour, SafeCeilingDecay: 1}, 0},
		{AIMD{FailureThreshold: 4}, 1},
		{AIMD{FailureWindow: time.Hour}, 1},
	} {
		d := drive(AIMD{}, aimd64)
		d.end(2, Failed, 0)
		d.update(t, c.to, aimd64)
		d.end(1, Failed, 0)
		if got := d.Law.(*aimd).Failures(d.now); got != c.want {
			t.Errorf("%+v: %d failures count, want %d", c.to, got, c.want)
		}
	}
}

func TestAIMDDoesNotGoOnAsAnotherPolicy(t *testing.T) {
	d := drive(AIMD{}, aimd64)
	if _, ok := d.Law.(*aimd).Update(Static{}, unpaced8); ok {
		t.Error("AIMD goes on as Static")
	}
	d.end(3, Failed, 0)
	d.want(t, 32, 200*ms, 64) // and nothing has changed
}

// The limit that failed is what was learned, also if it was the highest there was.
func TestAIMDUpdateKeepsTheCeilingThatWasTheMaximum(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(1, Failed, 0)
	d.update(t, AIMD{FailureThreshold: 1}, Bounds{InitialLimit: 128, MaxLimit: 128, MinInterval: 100 * ms, MaxInterval: time.Second})
	d.want(t, 32, 200*ms, 64)
}

// A lower maximum for a while is no reason to forget that half as many failed.
func TestAIMDUpdateThereAndBackKeepsTheCut(t *testing.T) {
	d := drive(AIMD{FailureThreshold: 1}, aimd64)
	d.end(2, Failed, 0) // 16, cooling
	d.update(t, AIMD{FailureThreshold: 1}, Bounds{InitialLimit: 16, MaxLimit: 16, MinInterval: 100 * ms, MaxInterval: time.Second})
	d.update(t, AIMD{FailureThreshold: 1}, aimd64)
	if d.Limit > 16 || d.Interval != 400*ms {
		t.Errorf("got %v while cooling, want at most limit 16, interval 400ms", d.Setting)
	}
}

// aimdModel is DESIGN's table, with all the failures that count in a list.
type aimdModel struct {
	AIMD
	Bounds
	limit, ceiling       int
	interval, natural    time.Duration
	counted              []time.Time
	failure, cut, growth time.Time
	cooled               time.Time // no growth before; an update does not change that
	failed               bool      // the ceiling is a limit that failed
}

func (m *aimdModel) next(now time.Time, o Outcome) {
	cooling := now.Before(m.cooled)
	switch {
	case o.Verdict == Overload || o.Verdict == Failed && o.Final:
		m.failure = now
		if o.Start.Before(m.cut) {
			return
		}
		m.counted = append(m.counted, now)
		recent := slices.DeleteFunc(slices.Clone(m.counted), func(at time.Time) bool { return now.Sub(at) >= m.FailureWindow })
		if len(recent) < m.FailureThreshold {
			return
		}
		if m.interval == 0 {
			m.natural = o.Gap
			if o.Gap == 0 {
				m.natural = ms
			}
			m.interval = m.natural
		}
		m.ceiling, m.limit, m.interval = m.limit, max(m.limit/2, 1), min(2*m.interval, m.MaxInterval)
		m.counted, m.cut, m.growth = nil, now, now
		m.cooled, m.failed = now.Add(m.CoolingPeriod), true
	case o.Verdict == Succeeded && !cooling:
		if float64(now.Sub(m.failure)) >= float64(m.CoolingPeriod)*m.SafeCeilingDecay {
			m.ceiling, m.failed = m.MaxLimit, false
		}
		if o.Start.Before(m.growth) || m.limit == m.ceiling && m.interval == m.MinInterval {
			return
		}
		m.limit = min(m.limit+1, m.ceiling)
		m.interval /= 2
		if m.interval <= m.natural {
			m.interval = 0
		}
		m.interval = max(m.interval, m.MinInterval)
		m.growth = now
	}
}

// update is what Update says.
func (m *aimdModel) update(p AIMD, b Bounds) {
	if p.FailureThreshold != m.FailureThreshold || p.FailureWindow != m.FailureWindow {
		m.counted = nil
	}
	if !m.failed && m.limit == m.MaxLimit && b.MaxLimit != m.MaxLimit {
		m.limit = b.InitialLimit
	}
	if m.interval == m.MinInterval {
		m.interval = b.MinInterval
	}
	if !m.failed {
		m.ceiling = b.MaxLimit
	}
	m.limit, m.ceiling = min(m.limit, b.MaxLimit), min(m.ceiling, b.MaxLimit)
	m.interval = min(max(m.interval, b.MinInterval), b.MaxInterval)
	m.AIMD, m.Bounds = p, b
}

func drawAIMD(t *rapid.T) AIMD {
	return AIMD{
		FailureThreshold: rapid.IntRange(1, 4).Draw(t, "threshold"),
		FailureWindow:    time.Duration(rapid.IntRange(1, 60).Draw(t, "window")) * time.Second,
		CoolingPeriod:    time.Duration(rapid.IntRange(1, 60).Draw(t, "cooling")) * time.Second,
		SafeCeilingDecay: rapid.Float64Range(0.1, 5).Draw(t, "decay"),
	}
}

func TestAIMDAgreesWithTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, p := drawBounds(t), drawAIMD(t)
		m := &aimdModel{AIMD: p, Bounds: b, limit: b.InitialLimit, ceiling: b.MaxLimit, interval: b.MinInterval}
		d := drive(p, b)
		for range rapid.SampledFrom([]int{3, 30, 300}).Draw(t, "events") {
			d.pass(drawPause(t))
			if rapid.IntRange(0, 20).Draw(t, "update") == 20 {
				b = drawBounds(t)
				if rapid.Bool().Draw(t, "policy") {
					p = drawAIMD(t)
				}
				m.update(p, b)
				d.update(t, p, b)
			}
			o := drawOutcome(t, d.now)
			before := d.Setting
			d.Setting = d.Next(d.now, o)
			m.next(d.now, o)
			if d.Limit != m.limit || d.Interval != m.interval || d.Ceiling != m.ceiling {
				t.Fatalf("got %v, ceiling %d; want limit %d, interval %v, ceiling %d", d.Setting, d.Ceiling, m.limit, m.interval, m.ceiling)
			}
			if fault := aimdFault(b, before, d.Setting, d.now, o); fault != "" {
				t.Fatal(fault)
			}
		}
	})
}

// aimdFault says which promise the step from one setting to the next breaks.
func aimdFault(b Bounds, from, to Setting, now time.Time, o Outcome) string {
	grown := to.Limit > from.Limit || to.Interval < from.Interval
	switch {
	case to.Limit < 1 || to.Limit > to.Ceiling || to.Ceiling > b.MaxLimit:
		return fmt.Sprintf("limit %d, ceiling %d, want 1 <= limit <= ceiling <= %d", to.Limit, to.Ceiling, b.MaxLimit)
	case to.Interval < b.MinInterval || to.Interval > b.MaxInterval:
		return fmt.Sprintf("interval %v, want %v to %v", to.Interval, b.MinInterval, b.MaxInterval)
	case to.Limit > from.Limit+1:
		return fmt.Sprintf("limit jumped from %d to %d", from.Limit, to.Limit)
	case grown && o.Verdict != Succeeded:
		return fmt.Sprintf("grew on %v", o.Verdict)
	case grown && now.Before(to.CoolUntil):
		return "grew while cooling"
	case to.Limit < from.Limit && !o.Overloads():
		return fmt.Sprintf("cut on %v", o.Verdict)
	}
	return ""
}

func drawBounds(t *rapid.T) Bounds {
	most := rapid.IntRange(1, 100).Draw(t, "max limit")
	shortest := time.Duration(rapid.SampledFrom([]int{0, 0, 1, 50}).Draw(t, "min interval")) * ms
	return Bounds{
		InitialLimit: rapid.IntRange(1, most).Draw(t, "initial limit"),
		MaxLimit:     most,
		MinInterval:  shortest,
		MaxInterval:  shortest + time.Duration(rapid.IntRange(1, 2000).Draw(t, "more"))*ms,
	}
}

// drawPause draws nothing, milliseconds, seconds or minutes.
func drawPause(t *rapid.T) time.Duration {
	unit := rapid.SampledFrom([]time.Duration{0, ms, time.Second, time.Second, time.Minute}).Draw(t, "unit")
	return unit * time.Duration(rapid.IntRange(0, 20).Draw(t, "pause"))
}

func drawOutcome(t *rapid.T, now time.Time) Outcome {
	return Outcome{
		Verdict: rapid.SampledFrom([]Verdict{Succeeded, Succeeded, Succeeded, Failed, Overload, Ignored}).Draw(t, "verdict"),
		Final:   rapid.Bool().Draw(t, "final"),
		Start:   now.Add(-time.Duration(rapid.SampledFrom([]int{0, 0, 1, 100, 5000}).Draw(t, "took")) * ms),
		Gap:     time.Duration(rapid.SampledFrom([]int{0, 1, 70, 5000, 100_000, 1e9}).Draw(t, "gap")) * us,
	}
}

func FuzzAIMD(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 1, 0, 1, 0, 3, 200, 3, 200})                   // a cut, cooling, growth
	f.Add([]byte{2, 1, 2, 1, 2, 1, 7, 255, 11, 255, 15, 255, 3, 255}) // a cut, and the ceiling's decay
	f.Add([]byte{1, 0, 1, 0, 0xf3, 254, 1, 0, 0x25, 254, 3, 200})     // updates between cuts
	f.Fuzz(func(t *testing.T, events []byte) {
		b := Bounds{InitialLimit: 3, MaxLimit: 7, MaxInterval: 300 * ms}
		p := AIMD{FailureThreshold: 2, FailureWindow: 10 * time.Second, CoolingPeriod: 10 * time.Second, SafeCeilingDecay: 2}
		d := drive(p, b)
		for ; len(events) >= 2; events = events[2:] {
			what, pause := events[0], time.Duration(events[1])
			if pause == 254 {
				b.MaxLimit = 1 + int(what&15)
				b.InitialLimit = 1 + b.MaxLimit/2
				b.MinInterval = time.Duration(what>>4&3) * 50 * ms
				p.FailureThreshold = 1 + int(what>>6)
				d.update(t, p, b)
				if fault := aimdFault(b, d.Setting, d.Setting, d.now, Outcome{}); fault != "" {
					t.Fatal(fault)
				}
				continue
			}
			d.pass(pause * pause * ms) // up to a minute
			o := Outcome{
				Verdict: Verdict(what & 3),
				Final:   what&4 != 0,
				Start:   d.now.Add(-time.Duration(what>>3&3) * 5 * time.Second),
				Gap:     time.Duration(what>>5) * 30 * ms,
			}
			before := d.Setting
			d.Setting = d.Next(d.now, o)
			if fault := aimdFault(b, before, d.Setting, d.now, o); fault != "" {
				t.Fatal(fault)
			}
		}
	})
}

func BenchmarkAIMD(b *testing.B) {
	law, _ := AIMD{}.Start(aimd64)
	now := t0
	for i := 0; b.Loop(); i++ {
		now = now.Add(ms)
		v := Succeeded
		if i%100 == 0 {
			v = Overload
		}
		law.Next(now, Outcome{Verdict: v, Start: now.Add(-50 * ms)})
	}
	b.ReportAllocs()
}
