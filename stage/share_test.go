package stage

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// in returns a context whose calls and doors have a share.
func in(ctx context.Context, s Share) context.Context {
	return WithAsked(ctx, Asked{Ask: Ordinary, Share: s})
}

// call makes a call that takes a second, and has it stand in line before it returns.
func (s *stand) call(ctx context.Context, name string) {
	go func() {
		if err := s.Do(ctx, s.work(name, second)); err != nil {
			s.t.Errorf("%s: %v", name, err)
		}
	}()
	synctest.Wait()
}

func (s *stand) order() string {
	time.Sleep(minute)
	return strings.Join(s.names(), " ")
}

// A line that comes back begins with the others: what it has not used is lost.
func TestLineSavesNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		a, b := s.open(t.Context()), s.open(t.Context())
		for range 10 {
			a.send(s.work("a0", second))
		}
		a.await(10)
		s.names()
		a.send(s.work("first", second))
		synctest.Wait()
		for range 3 {
			a.send(s.work("a", second))
			b.send(s.work("b", second))
		}
		a.leave(14)
		b.leave(3)
		if got := s.order(); got != "first b a b a b a" {
			t.Errorf("started %s", got)
		}
	})
}

func TestRefundTakesTheChargeBackOnce(t *testing.T) {
	d := newStand(t, 1).Dispatcher
	door := &Door{dispatcher: d}
	d.doors = []*Door{door, {dispatcher: d}}
	door.line.share.Weight, door.line.virtual = 2, 7
	j := &Job{door: door, Ask: Ask{Cost: 10}}
	d.refund(j)
	if door.line.virtual != 7 {
		t.Errorf("what was not charged is refunded: %v", door.line.virtual)
	}
	j.charged = true
	d.charge(j)
	if door.line.virtual != 12 || d.levels[topPriority].virtual != 7 {
		t.Errorf("charged: %v, level %v, want 12 and 7", door.line.virtual, d.levels[topPriority].virtual)
	}
	d.refund(j)
	if door.line.virtual != 7 {
		t.Errorf("refunded: %v, want 7", door.line.virtual)
	}
}

// What starts while nothing else waits counts for no floor.
func TestFloorCountsOnlyWhileLowerPrioritiesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		high := in(t.Context(), Share{Priority: 1})
		for range 40 {
			s.call(high, "high")
		}
		time.Sleep(30 * second)
		s.call(t.Context(), "low")
		time.Sleep(minute)
		names := s.names()
		if at := slices.Index(names, "low"); at != 40 {
			t.Errorf("low is number %d of %v, want that it is the last", at, names)
		}
		for range 25 {
			s.call(high, "high")
			s.call(t.Context(), "low")
		}
		time.Sleep(minute)
		names = s.names()
		if first, second := slices.Index(names, "low"), len(names)-25; first != 19 && first != 20 || second != 25 {
			t.Errorf("low is number %d of %v, want after 19 or 20", first, names)
		}
	})
}

func TestPriceOfAnAttempt(t *testing.T) {
	for _, c := range []struct {
		ask   Ask
		means int64
		want  float64
	}{
		{Ask{Cost: 30, Weight: 2}, 0, 30},
		{Ask{Cost: 0, Weight: 2}, 50, 1},
		{Ask{Cost: Unknown, Weight: 2}, 50, 50},
		{Ask{Cost: Unknown, Weight: 2}, 0, 2},
		{Ask{Cost: Unknown, Weight: 0}, 0, leastPrice},
	} {
		var g gate
		if c.means > 0 {
			g.usage.Add(c.means)
		}
		if got := g.price(&Job{Ask: c.ask}); got != c.want {
			t.Errorf("%+v, mean %d: got %v, want %v", c.ask, c.means, got, c.want)
		}
	}
}

// Calls of one share stand in one line, whose memory goes when nobody stands there.
func TestLinesOfCallsAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		for i := range 1000 {
			s.call(in(t.Context(), Share{Name: string(rune('a' + i))}), "call")
			time.Sleep(2 * second)
		}
		if len(s.doors) > 4 || len(s.counters) != len(s.doors) {
			t.Errorf("%d doors, %d counters are left", len(s.doors), len(s.counters))
		}
	})
}

// What a bounded call has to wait in line is how many are before it, by what attempts take.
func TestExpectedWaitInLine(t *testing.T) {
	asked := func(share Share, most time.Duration) Asked {
		return Asked{Ask: Ordinary, Share: share, Bounded: true, MaxWait: most}
	}
	for name, c := range map[string]struct {
		waiting []Share // one call of each waits, and they take a second
		share   Share
		want    time.Duration
	}{
		"nobody":                    {nil, Share{}, 0},
		"own line":                  {[]Share{{}, {}, {}}, Share{}, 3 * second},
		"a higher priority":         {[]Share{{Priority: 1}, {Priority: 1}}, Share{}, 2 * second},
		"a lower priority":          {[]Share{{Priority: -1}, {Priority: -1}}, Share{}, 0},
		"another line in turn":      {[]Share{{Name: "a"}, {Name: "a"}}, Share{}, second},
		"a heavier line":            {[]Share{{Weight: 2}, {Weight: 2}, {Weight: 2}}, Share{}, 2 * second},
		"a lighter line":            {[]Share{{Weight: 0.5}, {Weight: 0.5}}, Share{}, second / 2},
		"a heavier line with a few": {[]Share{{Weight: 8}}, Share{}, second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1)
			s.call(t.Context(), "in flight")
			time.Sleep(2 * second) // it is known what one takes
			s.call(t.Context(), "in flight")
			for _, share := range c.waiting {
				s.call(in(t.Context(), share), "waits")
			}
			for _, most := range []time.Duration{c.want - second/100, c.want + 2*minute} {
				if most < 0 {
					continue
				}
				begin := time.Now()
				err := s.Do(WithAsked(t.Context(), asked(c.share, most)), s.work("call", 0))
				var wait *WaitError
				if errors.As(err, &wait) != (most < c.want) {
					t.Errorf("%s, at most %v: got %v", name, most, err)
				}
				if wait != nil && (wait.Expected != c.want || time.Since(begin) != 0 || wait.HeldBy != controller.HeldByLimit) {
					t.Errorf("%s: got %+v after %v, want %v at once", name, wait, time.Since(begin), c.want)
				}
			}
			time.Sleep(minute)
		})
	}
}

func TestWaitsSaturate(t *testing.T) {
	for _, seconds := range []float64{1e30, math.Inf(1)} {
		if got := saturated(seconds); got <= 50*365*24*time.Hour || got+got < 0 {
			t.Errorf("%v seconds: got %v", seconds, got)
		}
	}
	if got := saturated(1.5); got != 1500*time.Millisecond {
		t.Errorf("got %v", got)
	}
}
