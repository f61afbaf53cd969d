package main

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A limited service refuses what is too much at once or too soon after the last.
type limited struct {
	atOnce int           // 0: any number
	apart  time.Duration // 0: at any time

	mu       sync.Mutex
	inFlight int
	most     int
	next     time.Time
}

func (l *limited) attempt(ctx context.Context) error {
	if !l.enter() {
		l.leave()
		return &refusal{status: 429}
	}
	defer l.leave()
	select {
	case <-time.After(50 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *limited) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight++
	l.most = max(l.most, l.inFlight)
	if l.atOnce > 0 && l.inFlight > l.atOnce {
		return false
	}
	now := time.Now()
	if now.Before(l.next) {
		return false
	}
	l.next = now.Add(l.apart)
	return true
}

func (l *limited) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
}

// workVirtually has a contestant work in virtual time, for 10 s with each of the limits that it is told.
func workVirtually(t *testing.T, run func(context.Context, round), service *limited, limits ...float64) (result record) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRecorder(ctx)
		told := make(chan float64, len(limits))
		go func() {
			for _, limit := range limits {
				told <- limit
				time.Sleep(10 * time.Second)
			}
			cancel()
		}()
		run(ctx, round{attempt: r.attempt(service.attempt), jobEnded: r.jobEnded, watch: r.watch, limits: told})
		result = <-r.records
	})
	return result
}

func TestContestantsWorkUntilTheRoundIsOver(t *testing.T) {
	for _, c := range contestants {
		t.Run(c.short, func(t *testing.T) {
			service := &limited{atOnce: 100}
			if c.short == "aws" {
				service.atOnce = 0 // once refused, it may wait for less than a nanosecond, which takes for ever in virtual time
			}
			got := workVirtually(t, c.run, service, 50)
			if got.succeeded < 100 {
				t.Errorf("got %d successes in 10 s, want more", got.succeeded)
			}
			if service.most > mostWorkers {
				t.Errorf("got %d attempts in flight, want at most %d", service.most, mostWorkers)
			}
			if service.inFlight != 0 {
				t.Errorf("%d attempts outlive the round", service.inFlight)
			}
		})
	}
}

func TestWhoIsToldTheRateIsNeverRefused(t *testing.T) {
	got := workVirtually(t, toldRate, &limited{apart: 10 * time.Millisecond}, 100, 40)
	if got.refused > 0 {
		t.Errorf("got %d refusals, want none", got.refused)
	}
	// The workers that wait when the rate falls have been given their turns at the old one.
	if got.succeeded < 1390 || got.succeeded > 1000+400+mostWorkers {
		t.Errorf("got %d successes, want 10 s of 100 and 10 s of 40", got.succeeded)
	}
}

func TestAsManyWorkersAsToldAreAtWork(t *testing.T) {
	service := &limited{}
	got := workVirtually(t, toldWorkers, service, 20, 5)
	if service.most != 20 {
		t.Errorf("got up to %d in flight, want 20", service.most)
	}
	// 20 and then 5 workers of 50 ms, less what is under way at the end.
	if got.succeeded < 4000+1000-25 || got.succeeded > 4000+1000+20 {
		t.Errorf("got %d successes, want 10 s of 400 and 10 s of 100", got.succeeded)
	}
	if last := got.samples[len(got.samples)-1]; last.inFlight != 5 {
		t.Errorf("got %d in flight in the end, want 5", last.inFlight)
	}
}

func TestDelayIsWithinTheBackoffAndHonoursTheServer(t *testing.T) {
	for range 1000 {
		if d := delay(3, &refusal{status: 503}); d < 0 || d >= 4*time.Second {
			t.Fatalf("before the fourth attempt: got %v, want less than 4 s", d)
		}
		if d := delay(1, &refusal{429, 5 * time.Second}); d != 5*time.Second {
			t.Fatalf("with a Retry-After of 5 s: got %v", d)
		}
	}
}

func TestJobsAreTriedFiveTimes(t *testing.T) {
	for name, run := range map[string]func(context.Context, round){"fixed": fixed, "failsafe-go": failsafeLimiter} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				r := newRecorder(ctx)
				attempt := r.attempt(func(context.Context) error { return &fault{502} })
				go func() {
					time.Sleep(5 * time.Minute)
					cancel()
				}()
				run(ctx, round{attempt: attempt, jobEnded: r.jobEnded, watch: r.watch})
				got := <-r.records
				if got.jobsFailed == 0 || got.failed < maxAttempts*got.jobsFailed || got.failed > maxAttempts*(got.jobsFailed+mostWorkers) {
					t.Errorf("got %d jobs failed in %d attempts, want %d each", got.jobsFailed, got.failed, maxAttempts)
				}
			})
		})
	}
}
