package controller

import (
	"testing"
	"time"
)

func TestMuchIsLeftByWhatWasTold(t *testing.T) {
	tokens := func(left int64, reset time.Duration) Hint {
		return Hint{Budget: "tokens", Limit: 8000, Remaining: left, Reset: reset}
	}
	requests := func(left int64) Hint { return Hint{Limit: 80, Remaining: left, Reset: time.Minute} }
	for _, c := range []struct {
		name  string
		hints []Hint
		after time.Duration
		want  bool
	}{
		{"nothing told", nil, 0, false},
		{"an eighth, and what the attempt takes", []Hint{tokens(1100, time.Minute)}, 0, true},
		{"less than an eighth", []Hint{tokens(1099, time.Minute)}, 0, false},
		{"of both", []Hint{requests(70), tokens(7000, time.Minute)}, 0, true},
		{"of one of two", []Hint{requests(5), tokens(7000, time.Minute)}, 0, false},
		{"after the reset", []Hint{tokens(0, time.Second)}, 2 * time.Second, true},
		{"just before the reset", []Hint{tokens(0, 3*time.Second)}, 2 * time.Second, false},
		{"of no limit", []Hint{{Budget: "tokens", Remaining: 7000, Reset: time.Minute}}, 0, false},
		{"of a full bucket, which has no reset", []Hint{tokens(7900, 0)}, 0, true},
		{"of one that is nearly empty, without a reset", []Hint{tokens(900, 0)}, 0, false},
		{"of a full bucket, a minute ago", []Hint{tokens(7900, 0)}, time.Minute, false},
		{"of a full bucket, and little of another", []Hint{tokens(7900, 0), requests(5)}, 0, false},
	} {
		told, now := new(Told), t0
		for _, h := range c.hints {
			if h.Reset == 0 {
				told.WithoutReset(now, h)
			} else {
				told.Hint(now, h, Mark{})
			}
		}
		m := told.Start(now, Use{Requests: 1, Tokens: 100})
		if got := told.HasLeft(now.Add(c.after), m); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestAnotherResourcesQuotaSaysNothingOfWhatIsLeft(t *testing.T) {
	told := new(Told)
	told.Hint(t0, Hint{Resource: "search", Limit: 30, Remaining: 0, Reset: time.Minute}, Mark{})
	told.Hint(t0, Hint{Resource: "core", Limit: 5000, Remaining: 4000, Reset: time.Minute}, Mark{})
	if m := told.StartOf(t0, Use{Requests: 1}, "core"); !told.HasLeft(t0, m) {
		t.Error("core: want much left")
	}
	if m := told.StartOf(t0, Use{Requests: 1}, "search"); told.HasLeft(t0, m) {
		t.Error("search: want nothing left")
	}
}
