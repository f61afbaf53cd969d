package pacejournal

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A quota of a day that one run has used up is used up for the next.
func TestWhatWasUsedOfADayIsUsedInTheNextRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		day := func() *pipeline.Pipeline[int, int] {
			p, err := pipeline.New(square, pipeline.Config{
				Policy: pipeline.Static{}, MaxConcurrency: 4,
				Budgets: []pipeline.Budget{{Name: "day", Tokens: 10, Window: 24 * time.Hour, Requests: true}},
			})
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		j := openAt(t, path, Options{})
		mustSquare(t, all(j, t.Context(), day(), numbers(8)), 8)
		j.Close()
		time.Sleep(time.Hour)

		openAt(t, path, Options{Run: "another", Fresh: true}).Close() // forgets the results alone
		j = openAt(t, path, Options{Run: "another"})
		defer j.Close()
		p, took := day(), []time.Duration(nil)
		for range j.Each(t.Context(), p, numbers(4)) {
			took = append(took, time.Since(begin))
		}
		want := []time.Duration{time.Hour, time.Hour, 24 * time.Hour, 24 * time.Hour}
		for i, w := range want {
			if len(took) != len(want) || took[i] < w || took[i] > w+time.Minute*10 {
				t.Fatalf("got results after %v, want about %v", took, want)
			}
		}
		mustSquare(t, all(j, t.Context(), p, numbers(4)), 4) // the same throttle again: nothing is counted twice
		if used := p.Throttle().Snapshot().Budgets[0].Used; used != 4 {
			t.Errorf("got %d used, want the 4 of this day", used)
		}
	})
}

// A process that is killed has kept what it used until a second before.
func TestAThrottleIsKeptWhileTheRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := open(t)
		defer j.Close()
		p, err := pipeline.New(func(ctx context.Context, n int) (int, error) {
			time.Sleep(500 * time.Millisecond)
			return n * n, nil
		}, pipeline.Config{MaxConcurrency: 1, Budgets: []pipeline.Budget{{Tokens: 1000, Window: time.Hour, Requests: true}}})
		if err != nil {
			t.Fatal(err)
		}
		count := int64(0)
		for range j.Each(t.Context(), p, numbers(20)) {
			count++
			other := through(t, square)
			if err := other.Throttle().Update(pipeline.Config{Budgets: p.Throttle().Config().Budgets}); err != nil {
				t.Fatal(err)
			}
			m := newMemory(other)
			if err := m.recall(j.owner); err != nil {
				t.Fatal(err)
			}
			if used := other.Throttle().Snapshot().Budgets[0].Used; used < count-3 {
				t.Fatalf("got %d used in the journal, after %d", used, count)
			}
		}
	})
}
