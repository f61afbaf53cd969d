package controller

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var roomy = Bounds{InitialLimit: 256, MaxLimit: 256, MaxInterval: 30 * time.Second}

// goOn begins another run of the policy with what the law of r has learned.
func goOn(t *testing.T, p Policy, r *run, b Bounds) *run {
	t.Helper()
	learned, ok := r.law.(Learner).Learned()
	if !ok {
		t.Fatal("got nothing learned")
	}
	next := startRun(p, b)
	next.setting = next.law.(Learner).Recall(t0, learned.within(b))
	next.check()
	if next.fault != "" {
		t.Error(next.fault)
	}
	return next
}

// A limit that was found is there from the first attempt on, and no more is refused than ever:
// where a run without it has to climb and is refused at the top.
func TestSeekGoesOnFromWhatItHasLearned(t *testing.T) {
	for name, plant := range map[string]func() plant{
		"rate": func() plant {
			return &bucketPlant{manners: politely(1), rate: constant(200), burst: 5}
		},
		"in flight": func() plant {
			return &slotsPlant{manners: politely(2), most: constant(40)}
		},
		"slow": func() plant {
			slow := politely(3)
			slow.latency = 5
			return &slotsPlant{manners: slow, most: constant(40)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			first := startRun(Seek{}, roomy)
			first.against(plant(), 300)

			const look = 10
			fresh := startRun(Seek{}, roomy)
			fresh.against(plant(), look)
			next := goOn(t, Seek{}, first, roomy)
			if next.setting.Reason != ReasonRecalled || next.setting.Limit == 1 {
				t.Errorf("got %+v to begin with", next.setting)
			}
			next.against(plant(), look)
			refused := next.attempts - len(next.inFlight) - next.successes
			if next.successes <= fresh.successes || refused > 3+next.successes/50 {
				t.Errorf("in %ds, got %d successes and %d refused, want more than %d, and few refused", look, next.successes, refused, fresh.successes)
			}
			next.against(plant(), 120)
			if next.fault != "" {
				t.Error(next.fault)
			}
		})
	}
}

// What was never refused goes on doubling.
func TestSeekGoesOnWithItsStartup(t *testing.T) {
	slow := noisePlant{manners: politely(4)}
	slow.latency = 20
	first := startRun(Seek{}, roomy)
	first.against(&slow, 70)
	l, ok := first.law.(Learner).Learned()
	if !ok || l.Reason != ReasonStart || l.Limit <= 25 || l.Limit >= 256 {
		t.Fatalf("got %+v, %v learned, want the middle of a startup", l, ok)
	}
	next := goOn(t, Seek{}, first, roomy)
	if next.setting.Limit != l.Limit {
		t.Errorf("got a limit of %d, want %d", next.setting.Limit, l.Limit)
	}
	next.against(&slow, 100)
	if next.setting.Limit != 256 {
		t.Errorf("got a limit of %d, want it all", next.setting.Limit)
	}
}

func TestSeekLearnsNothingOfAnOutage(t *testing.T) {
	well := &bucketPlant{manners: politely(5), rate: constant(200), burst: 5}
	down := &outagePlant{plant: well, manners: politely(6), from: 100, to: 1000, says: Failed}
	r := startRun(Seek{}, roomy)
	r.against(down, 99)
	before, _ := r.law.(Learner).Learned()
	r.against(down, 130)
	after, ok := r.law.(Learner).Learned()
	if !r.setting.Probing || !ok || after.Limit < before.Limit/2 || after.Interval > 2*before.Interval {
		t.Errorf("got %+v while it is down, want about %+v", after, before)
	}
}

func TestNothingIsLearnedBeforeTheFirstSuccess(t *testing.T) {
	for _, p := range []Policy{Seek{}, AIMD{}} {
		r := startRun(p, roomy)
		if l, ok := r.law.(Learner).Learned(); ok {
			t.Errorf("%T: got %+v learned of nothing", p, l)
		}
	}
	if _, ok := New(Config{Policy: Static{}, Bounds: roomy}, t0).Learned(); ok {
		t.Error("got something that was learned by Static")
	}
}

func TestAIMDGoesOnFromItsCut(t *testing.T) {
	r := startRun(AIMD{}, roomy)
	r.against(&outagePlant{plant: &noisePlant{manners: politely(7)}, manners: politely(8), from: 1, to: 2, says: Overload}, 2)
	if r.setting.Limit > 128 {
		t.Fatalf("got %+v, want a cut", r.setting)
	}
	next := goOn(t, AIMD{}, r, roomy)
	if next.setting != r.setting {
		t.Errorf("got %+v, want %+v", next.setting, r.setting)
	}
	next.against(&noisePlant{manners: politely(7)}, 50)
	if next.setting.Limit != r.setting.Limit {
		t.Errorf("got %+v before it has cooled", next.setting)
	}
	next.against(&noisePlant{manners: politely(7)}, 290)
	if next.setting.Limit > r.setting.Ceiling || next.setting.Limit <= r.setting.Limit {
		t.Errorf("got %+v, want growth up to the ceiling of %d", next.setting, r.setting.Ceiling)
	}
	next.against(&noisePlant{manners: politely(7)}, 1000)
	if next.setting.Limit != 256 {
		t.Errorf("got %+v, want all, the ceiling being forgotten", next.setting)
	}
}

// Whatever was learned under other bounds, what is in force is within these.
func TestWhatIsRecalledIsWithinTheBounds(t *testing.T) {
	tight := Bounds{InitialLimit: 3, MaxLimit: 7, MinInterval: time.Second, MaxInterval: 2 * time.Second}
	rapid.Check(t, func(t *rapid.T) {
		s := Setting{
			Limit:    rapid.IntRange(-1, 1000).Draw(t, "limit"),
			Interval: time.Duration(rapid.Int64Range(-1, int64(time.Hour)).Draw(t, "interval")),
			Ceiling:  rapid.IntRange(0, 1000).Draw(t, "ceiling"),
			Reason:   rapid.SampledFrom([]Reason{ReasonStart, ReasonTrialHeld}).Draw(t, "reason"),
		}
		for _, p := range []Policy{Seek{}, AIMD{}, Static{}} {
			c := New(Config{Policy: p, Bounds: tight}, t0)
			c.Recall(t0, s)
			if fault := settingFault(tight, c.Setting()); fault != "" {
				t.Errorf("%T: %s", p, fault)
			}
		}
	})
}

// A policy that ends its goroutine does not keep the visitors from being called.
func TestVisitorsAreCalledWhateverThePolicyDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Policy: obey{}, Bounds: obeyed}, t0)
		reports, answers := make(chan *Report), make(chan *Report, 1)
		go c.Run(reports, func(r *Report) { answers <- r }, func(f func()) { go f() })
		defer close(reports)
		visited := 0
		visit := func(*Controller) { visited++ }
		for n := 1; n < 3; n++ {
			reports <- &Report{
				Now: t0, Visits: []func(*Controller){visit, visit},
				Updates: []Update{{Config: Config{Policy: leave{}, Bounds: roomy}, Now: t0}},
			}
			if <-answers; visited != 2*n {
				t.Errorf("got %d visitors called, want %d", visited, 2*n)
			}
		}
	})
}

func TestWhatWasSpentIsSpentInAnotherWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{Tokens: 1 << 40, Window: time.Hour}
		w, now := NewWindow(b), t0
		for range rapid.IntRange(0, 300).Draw(t, "spendings") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "after")))
			w.Reserve(now, rapid.Int64Range(1, 1000).Draw(t, "tokens"))
		}
		next := NewWindow(b)
		next.Restore(now, b.Window, w.Spent(now))
		for range 100 {
			if w.Used(now) != next.Used(now) {
				t.Fatalf("at %v: got %d used, want %d", now.Sub(t0), next.Used(now), w.Used(now))
			}
			now = now.Add(time.Minute)
		}
	})
}

// A window that is longer than the one before has room for all its steps.
func TestWhatWasSpentFitsIntoALongerWindow(t *testing.T) {
	w, now := NewWindow(Budget{Tokens: 1 << 40, Window: time.Minute}), t0
	for range 6000 {
		now = now.Add(10 * time.Millisecond)
		w.Reserve(now, 1)
	}
	day := NewWindow(Budget{Tokens: 1 << 40, Window: 24 * time.Hour})
	day.Restore(now, w.Window, w.Spent(now))
	spent := w.Used(now)
	for range 24 * 60 {
		now = now.Add(time.Minute - time.Second)
		day.Reserve(now, 1)
		spent++
	}
	if day.Used(now) != spent || len(day.Spent(now)) > windowSteps+2 {
		t.Errorf("got %d used in %d steps, want %d", day.Used(now), len(day.Spent(now)), spent)
	}
}

func TestWhatWasSpentLaterThanNowIsSpentNow(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Restore(t0, time.Minute, []Spending{{t0.Add(-time.Minute), 1}, {t0.Add(-59 * time.Second), 2}, {t0.Add(time.Hour), 4}, {t0.Add(2 * time.Hour), -8}})
	for _, c := range []struct {
		after time.Duration
		want  int64
	}{{0, 6}, {time.Second, 4}, {time.Minute - 1, 4}, {time.Minute, 0}} {
		if got := w.Used(t0.Add(c.after)); got != c.want {
			t.Errorf("after %v: got %d used, want %d", c.after, got, c.want)
		}
	}
	if spent := w.Spent(t0.Add(time.Hour)); !slices.Equal(spent, nil) {
		t.Errorf("got %v, want nothing", spent)
	}
}
