package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestRecorderCountsWhatItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRecorder(ctx)
		r.watch(func() gauge { return gauge{limit: 7, interval: time.Millisecond} })

		try := func(takes time.Duration, err error) {
			_ = r.attempt(func(context.Context) error {
				time.Sleep(takes)
				return err
			})(ctx)
		}
		try(20*time.Millisecond, nil)
		try(40*time.Millisecond, nil)
		try(time.Millisecond, &refusal{status: 429})
		try(time.Millisecond, &fault{502})
		try(time.Millisecond, errors.New("connection reset"))
		r.jobEnded(nil)
		r.jobEnded(&fault{502})
		go try(time.Second, nil) // under way at the first sample, done at the last
		time.Sleep(1490 * time.Millisecond)
		cancel()
		try(time.Millisecond, &fault{502}) // too late
		r.jobEnded(&fault{502})

		got := <-r.records
		if want := (tally{started: 6, succeeded: 3, refused: 1, failed: 2, jobsFailed: 1}); got.tally != want {
			t.Errorf("got %+v, want %+v", got.tally, want)
		}
		if got.wasted() != 0.5 {
			t.Errorf("wasted: got %v, want half of the six", got.wasted())
		}
		if want := []time.Duration{20 * time.Millisecond, 40 * time.Millisecond, time.Second}; !slices.Equal(got.latencies, want) {
			t.Errorf("latencies: got %v, want %v", got.latencies, want)
		}
		if len(got.samples) != 6 {
			t.Fatalf("got %d samples in 1.5 s, want 6", len(got.samples))
		}
		first := sample{
			at: 250 * time.Millisecond, inFlight: 1, gauge: gauge{7, time.Millisecond}, mean: 30 * time.Millisecond,
			tally: tally{started: 6, succeeded: 2, refused: 1, failed: 2, jobsFailed: 1},
		}
		if got.samples[0] != first {
			t.Errorf("first sample: got %+v, want %+v", got.samples[0], first)
		}
		if got := got.samples[4]; got.inFlight != 0 || got.succeeded != 1 || got.started != 0 || got.mean != time.Second {
			t.Errorf("fifth sample: got %+v, want only the one that ended", got)
		}
	})
}

func TestNothingIsWastedWhenNothingHasEnded(t *testing.T) {
	if got := (tally{started: 3}).wasted(); got != 0 {
		t.Errorf("got %v, want 0", got)
	}
}
