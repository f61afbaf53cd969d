package pacepage

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/paceline-go/paceline/pipeline"
)

func TestThePageTellsTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := throttle(t, func(c *pipeline.Config) {
			c.TotalJobs = 100
			c.Budgets = []pipeline.Budget{
				{Name: "calls", Tokens: 50, Window: time.Minute, Requests: true}, {Counts: "microdollars", Tokens: 500, Window: pipeline.Forever},
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		page := New(ctx, one("geocoder", th))
		th.RecordUsage("microdollars", 33)
		time.Sleep(500 * time.Millisecond) // in between two ticks
		for i := range 4 {
			for range 5 {
				th.RecordSuccess(time.Millisecond, 7)
			}
			th.RecordFailure(pipeline.Overloaded(errors.New("429"), 0))
			if i < 3 {
				time.Sleep(time.Second)
			}
		}
		slot, err := th.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer slot.Release(nil)
		time.Sleep(time.Second)
		synctest.Wait()

		d := data(t, page, "?throttle=geocoder&back=60")
		want := th.Snapshot()
		got := d.Throttles[0].Snapshot
		for name, want := range map[string]any{
			"state": "running", "circuit": "closed", "held_by": "nothing", "reason": want.Reason.String(),
			"last_error": "429", "last_error_at": float64(want.LastErrorAt.Unix()),
			"concurrency": 5.0, "max_concurrency": 5.0, "in_flight": 1.0, "waiting": 0.0,
			"completed": float64(want.Completed), "total": 100.0, "percentage": want.Percentage, "tokens": 140.0,
		} {
			if got[name] != want {
				t.Errorf("%s: got %v, want %v", name, got[name], want)
			}
		}
		budget := got["budgets"].([]any)[0].(map[string]any)
		if budget["name"] != "calls" || budget["unit"] != "requests" || budget["used"] != float64(want.Budgets[0].Used) {
			t.Errorf("got %v, want %+v", budget, want.Budgets[0])
		}
		money, used := got["budgets"].([]any)[1].(map[string]any), got["used"].(map[string]any)
		if money["unit"] != "microdollars" || money["used"] != 133.0 || money["window"] != 0.0 || used["microdollars"] != 33.0 {
			t.Errorf("got %v, and %v in all, want 33 microdollars and the fifth that the slot has reserved, of a budget without an end", money, used)
		}
		h := d.Throttles[0].History
		if len(h.Goodput) != 5 || h.Goodput[0] != nil || *h.Goodput[2] != 5 || *h.Refused[2] != 1 || *h.Concurrency[4] != 5 {
			t.Errorf("got %+v, want 5 done and 1 refused a second", h)
		}
	})
}

func TestAFreshThrottleIsShownForOneMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		page := New(ctx, one("geocoder", throttle(t)))
		for _, step := range []struct {
			after time.Duration
			want  float64
		}{{0, 60}, {50 * time.Second, 60}, {time.Minute, 600}, {2 * time.Hour, 600}} {
			time.Sleep(step.after)
			synctest.Wait()
			if got := data(t, page, "?back=fit").Back; got != step.want {
				t.Errorf("%v later: got %v seconds, want %v", step.after, got, step.want)
			}
		}
	})
}

// A listing is which throttles there are now.
type listing struct {
	atomic.Pointer[map[string]*pipeline.Throttle]
}

func newListing(now map[string]*pipeline.Throttle) *listing {
	l := &listing{}
	l.Store(&now)
	return l
}

func (l *listing) all() iter.Seq2[string, *pipeline.Throttle] { return maps.All(*l.Load()) }

// TestNothingOfTheSnapshotIsLeftOut is for fields that are added to it.
func TestNothingOfTheSnapshotIsLeftOut(t *testing.T) {
	told := data(t, New(t.Context(), one("a", throttle(t))), "").Throttles[0].Snapshot
	word := regexp.MustCompile("[a-z0-9][A-Z]")
	for _, field := range reflect.VisibleFields(reflect.TypeFor[pipeline.Snapshot]()) {
		name := strings.ToLower(word.ReplaceAllStringFunc(field.Name, func(s string) string { return s[:1] + "_" + s[1:] }))
		_, ok := told[name]
		if left := name == "tokens_used" || name == "tokens_remaining"; ok == left {
			t.Errorf("%s: told is %v", name, ok)
		}
	}
}

func TestThrottlesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, other := throttle(t), throttle(t)
		now := newListing(one("a", first))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		page := Of(ctx, now.all)
		for _, step := range []struct {
			then  map[string]*pipeline.Throttle
			names string
			past  int
		}{
			{map[string]*pipeline.Throttle{"a": first, "b": other}, "ab", 2},
			{one("b", other), "b", 0},
			{map[string]*pipeline.Throttle{"a": other, "b": first}, "ab", 1},
			{nil, "", 0},
		} {
			synctest.Wait()
			now.Store(&step.then)
			time.Sleep(time.Second)
			synctest.Wait()
			d, names := data(t, page, ""), ""
			for _, th := range d.Throttles {
				names += th.Name
			}
			if names != step.names {
				t.Errorf("got %q, want %q", names, step.names)
			}
			if step.past > 0 && len(d.Throttles[0].History.T) != step.past {
				t.Errorf("%v: got a history of %d, want %d", step.names, len(d.Throttles[0].History.T), step.past)
			}
		}
	})
}

func TestWhoIsGoneIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, successor := throttle(t), throttle(t)
		now, then := newListing(one("a", old)), one("a", successor)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		page := Of(ctx, now.all)
		synctest.Wait()
		now.Store(&then)
		time.Sleep(time.Second)
		old.Close()
		synctest.Wait()
		if d := data(t, page, ""); len(d.Events) != 0 {
			t.Errorf("got %+v, want nothing of one who is gone", d.Events)
		}
		successor.Close()
		synctest.Wait()
		if d := data(t, page, ""); len(d.Events) == 0 || d.Events[0].Kind != "closed" || d.Events[0].Throttle != "a" {
			t.Errorf("got %+v, want the end of the other one", d.Events)
		}
	})
}

func TestThePageKeepsNoThrottleFromBeingForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := throttle(t)
		gone := weak.Make(th)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		page := Of(ctx, func() iter.Seq2[string, *pipeline.Throttle] {
			return func(yield func(string, *pipeline.Throttle) bool) {
				if t := gone.Value(); t != nil {
					yield("a", t)
				}
			}
		})
		if d := data(t, page, ""); len(d.Throttles) != 1 {
			t.Fatalf("got %+v, want one", d)
		}
		runtime.KeepAlive(th)
		for gone.Value() != nil { // for ever, if the page kept it
			runtime.GC()
			time.Sleep(tick)
		}
		time.Sleep(tick)
		if d := data(t, page, ""); len(d.Throttles) != 0 {
			t.Errorf("got %+v, want none", d)
		}
	})
}

func TestNothingRunsWhenTheContextIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which ends only if no goroutine is left
		th := throttle(t)
		ctx, cancel := context.WithCancel(t.Context())
		page := New(ctx, one("a", th))
		time.Sleep(time.Minute)
		cancel()
		synctest.Wait()
		for _, path := range []string{"/data.json", "/stream"} {
			if got := answer(page, path).Code; got != http.StatusServiceUnavailable {
				t.Errorf("%s: got %d, want 503", path, got)
			}
		}
		if got := answer(page, "/").Code; got != http.StatusOK {
			t.Errorf("got %d, want the page, which says that the connection is lost", got)
		}
		th.Close() // an event that nobody hears, and that blocks nobody
		if err := th.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestABusyThrottleDoesNotWaitForThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := throttle(t, func(c *pipeline.Config) {
			c.Retry = &pipeline.Retry{MaxAttempts: 5000, BaseDelay: time.Nanosecond, MaxDelay: time.Nanosecond}
		})
		held := make(chan struct{})
		list := func() iter.Seq2[string, *pipeline.Throttle] {
			if th.Snapshot().Completed > 0 {
				<-held // the page is stuck
			}
			return maps.All(one("a", th))
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_ = Of(ctx, list)
		synctest.Wait() // it listens
		th.RecordSuccess(time.Millisecond, 0)
		time.Sleep(time.Second)
		failed := func(context.Context) (int, error) { return 0, errors.New("503") }
		if _, err := pipeline.Execute(t.Context(), th, failed); err == nil {
			t.Error("got no error of 5000 attempts")
		}
		if got := th.Snapshot(); got.Attempts.Failed != 5000 || got.DroppedEvents == 0 {
			t.Errorf("got %+v, want all attempts made, and events dropped that nobody takes", got)
		}
		close(held)
	})
}

func TestWhatIsMissingPanicsAtOnce(t *testing.T) {
	var none context.Context
	for name, f := range map[string]func(){
		"context":  func() { New(none, nil) },
		"throttle": func() { New(t.Context(), one("a", nil)) },
		"function": func() { Of(t.Context(), nil) },
		"snapshot": func() { Keys[string](t.Context(), nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("no panic without a %s", name)
				}
			}()
			f()
		}()
	}
}
