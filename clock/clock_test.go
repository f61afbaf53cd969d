package clock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
)

func TestRealMovesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.Real()
		begin := c.Now()
		c.Sleep(time.Hour)
		if passed := c.Since(begin); passed != time.Hour {
			t.Errorf("%v passed, want 1h", passed)
		}
		ctx, cancel := c.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		<-ctx.Done()
		if passed := c.Since(begin); passed != time.Hour+time.Minute {
			t.Errorf("the context ended after %v, want a minute", passed-time.Hour)
		}
	})
}

func TestMockStandsStillUntilItIsMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewMock()
		if now := c.Now(); !now.Equal(time.Unix(0, 0)) {
			t.Errorf("begins at %v, want the Unix epoch", now)
		}
		time.Sleep(time.Hour) // of the bubble
		if passed := c.Since(time.Unix(0, 0)); passed != 0 {
			t.Errorf("moved by %v on its own", passed)
		}
		c.Add(90 * time.Second)
		if passed := c.Since(time.Unix(0, 0)); passed != 90*time.Second {
			t.Errorf("at 1m30s, got %v", passed)
		}
		c.Set(time.Unix(1000, 0))
		if now := c.Now(); !now.Equal(time.Unix(1000, 0)) {
			t.Errorf("set to 1000, got %v", now)
		}
	})
}

func TestMockFiresTimersInOrderOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewMock()
		fired := make(chan time.Duration, 4)
		for _, after := range []time.Duration{3, 1, 2, 5} {
			c.AfterFunc(after*time.Second, func() { fired <- c.Since(time.Unix(0, 0)) })
		}
		stopped := c.AfterFunc(time.Second, func() { t.Error("a stopped timer fires") })
		stopped.Stop()
		c.Add(4 * time.Second)
		for want := 1 * time.Second; want <= 3*time.Second; want += time.Second {
			if got := <-fired; got != want {
				t.Errorf("fired after %v, want %v", got, want)
			}
		}
		if len(fired) > 0 {
			t.Error("a timer fires before its time")
		}
	})
}

func TestMockEndsContextsAtTheirDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.NewMock()
		ctx, cancel := c.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c.Add(time.Minute - 1)
		if err := ctx.Err(); err != nil {
			t.Errorf("ended early: %v", err)
		}
		c.Add(1)
		if err := ctx.Err(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline exceeded", err)
		}
	})
}
