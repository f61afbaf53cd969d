package pacenats

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/clock"
)

// A message is one whose progress is counted.
type message struct {
	jetstream.Msg
	progress atomic.Int64
}

func (m *message) InProgress() error {
	m.progress.Add(1)
	return nil
}

// The server is told three times within AckWait that a job is in progress, until it is dropped.
func TestTheKeeperTellsByItsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewMock()
		k := newKeeper[int](c, time.Minute)
		defer k.stop()
		m := new(message)
		d := &delivery[int]{msg: m, key: "a"}
		if !k.add(d) || k.add(&delivery[int]{msg: new(message), key: "a"}) {
			t.Error("want the first of two deliveries of a job to be kept, and no other")
		}
		pass := func(by time.Duration, want int64) {
			t.Helper()
			synctest.Wait()
			c.Add(by)
			synctest.Wait()
			if got := m.progress.Load(); got != want {
				t.Errorf("got told %d times, want %d", got, want)
			}
		}
		pass(time.Minute-1, 0)
		pass(1, 1)
		pass(time.Minute, 2)
		k.drop <- d
		pass(time.Minute, 2)
	})
}

// After an error of the server's what was tried is tried again after a second of the clock.
func TestTriesAgainAfterASecondOfTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewMock()
		q := &Queue[int, int]{QueueOptions: QueueOptions{Clock: c, AckWait: time.Minute, Logger: slog.New(slog.DiscardHandler)}}
		var tries atomic.Int64
		go q.again(t.Context(), "store", func(context.Context) error {
			if tries.Add(1) < 3 {
				return errors.New("the server is away")
			}
			return nil
		})
		for i, want := range []int64{1, 2, 3, 3} {
			synctest.Wait()
			if got := tries.Load(); got != want {
				t.Errorf("got %d tries after %d s, want %d", got, i, want)
			}
			c.Add(time.Second - 1)
			synctest.Wait()
			if got := tries.Load(); got != want {
				t.Errorf("got %d tries just before second %d, want %d", got, i+1, want)
			}
			c.Add(1)
		}
	})
}

// What is put off is due by the server's clock, however much ours differs.
func TestTheTimeOfTheServer(t *testing.T) {
	c := clock.NewMock()
	told := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	q := &Queue[int, int]{QueueOptions: QueueOptions{Clock: c}, asked: c.Now(), told: told}
	c.Add(time.Minute)
	if got, want := q.serverTime(), told.Add(time.Minute); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
