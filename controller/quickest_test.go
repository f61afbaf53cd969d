package controller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func wantLeast(t *testing.T, q *Quickest, now time.Time, want time.Duration) {
	t.Helper()
	if got := q.Least(now); got != want {
		t.Errorf("after %v: got %v, want %v", now.Sub(t0), got, want)
	}
}

func TestQuickestIsUnknownBeforeTheFirstSuccess(t *testing.T) {
	var q Quickest
	wantLeast(t, &q, t0, 0)
	q.Add(t0, time.Second)
	wantLeast(t, &q, t0, time.Second)
}

func TestQuickestIsTheLeast(t *testing.T) {
	var q Quickest
	for _, took := range []time.Duration{5, 3, 4, 9} {
		q.Add(t0, took)
	}
	wantLeast(t, &q, t0, 3)
	q.Add(t0, 0) // a clock that stood still
	wantLeast(t, &q, t0, 0)
}

func TestQuickestForgetsTheSpanBeforeTheLast(t *testing.T) {
	var q Quickest
	q.Add(t0, 1)
	for range 2*quickestSpan - 1 {
		q.Add(t0, 7)
	}
	wantLeast(t, &q, t0, 1)
	q.Add(t0, 9) // the third span begins
	wantLeast(t, &q, t0, 7)
}

func TestQuickestIsBelievedForAMinute(t *testing.T) {
	var q Quickest
	q.Add(t0, 3)
	wantLeast(t, &q, t0.Add(time.Minute), 3)
	wantLeast(t, &q, t0.Add(time.Minute+1), 0)
	if left := q.Left(t0.Add(time.Second)); left != 59*time.Second+1 {
		t.Errorf("forgotten in %v, want just more than 59s", left)
	}
	q.Add(t0.Add(time.Minute), 5)
	wantLeast(t, &q, t0.Add(2*time.Minute), 3)
	q.Add(t0.Add(2*time.Minute+1), 9)
	wantLeast(t, &q, t0.Add(2*time.Minute+1), 9)
}

// quickestModel remembers all successes since the last long pause.
type quickestModel struct {
	took []time.Duration
	at   time.Time
}

func (m *quickestModel) add(now time.Time, took time.Duration) {
	if now.Sub(m.at) > time.Minute {
		m.took = nil
	}
	m.took, m.at = append(m.took, took), now
}

func (m *quickestModel) least(now time.Time) time.Duration {
	if len(m.took) == 0 || now.Sub(m.at) > time.Minute {
		return 0
	}
	span := (len(m.took) - 1) / 64
	least := m.took[len(m.took)-1]
	for i, took := range m.took {
		if i/64 >= span-1 {
			least = min(least, took)
		}
	}
	return least
}

func TestQuickestAgreesWithAListOfAllSuccesses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			q   Quickest
			m   quickestModel
			now = t0
		)
		for range rapid.SampledFrom([]int{1, 3, 10}).Draw(t, "bursts") {
			now = now.Add(rapid.SampledFrom([]time.Duration{0, 1, time.Second, time.Minute, time.Minute + 1, time.Hour}).Draw(t, "pause"))
			if got, want := q.Least(now), m.least(now); got != want {
				t.Fatalf("got %v, want %v", got, want)
			}
			took := time.Duration(rapid.IntRange(0, 1000).Draw(t, "took"))
			for range rapid.SampledFrom([]int{1, 2, 63, 64, 65, 129}).Draw(t, "successes") {
				q.Add(now, took)
				m.add(now, took)
				if got, want := q.Least(now), m.least(now); got != want {
					t.Fatalf("after %d successes: got %v, want %v", len(m.took), got, want)
				}
			}
		}
	})
}

func FuzzQuickest(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 1, 1, 200, 9, 255, 0, 4})
	f.Fuzz(func(t *testing.T, events []byte) {
		var (
			q   Quickest
			m   quickestModel
			now = t0
		)
		events = events[:min(len(events), 64)] // the model is slow
		for ; len(events) >= 2; events = events[2:] {
			now = now.Add(time.Duration(events[1]>>4) * 5 * time.Second)
			for range 1 + 8*int(events[1]&15) {
				q.Add(now, time.Duration(events[0]))
				m.add(now, time.Duration(events[0]))
			}
			for _, later := range []time.Duration{0, time.Minute, time.Minute + 1} {
				if got, want := q.Least(now.Add(later)), m.least(now.Add(later)); got != want {
					t.Fatalf("%v later: got %v, want %v", later, got, want)
				}
			}
		}
	})
}

func BenchmarkQuickest(b *testing.B) {
	var q Quickest
	for now := t0; b.Loop(); now = now.Add(ms) {
		q.Add(now, ms)
		q.Least(now)
	}
	b.ReportAllocs()
}
