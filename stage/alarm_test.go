package stage

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/clock"
)

// The model of an alarm is the one time for which it was set last. It rings then,
// once, and not at any other time.
func TestAlarmRingsWhenTheFirstOfWhatWasWantedIsDue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type turn struct {
			wants []int // seconds
			then  int   // seconds that pass
		}
		turns := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) turn {
			return turn{
				rapid.SliceOfN(rapid.IntRange(-1, 9), 0, 3).Draw(t, "wants"),
				rapid.IntRange(0, 9).Draw(t, "then"),
			}
		}), 1, 20).Draw(rt, "turns")
		var wrong string
		synctest.Test(t, func(*testing.T) {
			mock := clock.NewMock()
			var rings []time.Time
			a := alarm{clock: mock, ring: func() { rings = append(rings, mock.Now()) }}
			for _, turn := range turns {
				now := mock.Now()
				var due time.Time // zero: none
				for _, s := range turn.wants {
					a.want(now, time.Duration(s)*time.Second)
					if at := now.Add(time.Duration(s) * time.Second); s > 0 && (due.IsZero() || at.Before(due)) {
						due = at
					}
				}
				a.arm(now)
				rings = nil
				mock.Add(time.Duration(turn.then) * time.Second)
				synctest.Wait()
				expected := !due.IsZero() && !due.After(mock.Now())
				if expected != (len(rings) == 1) || len(rings) > 1 || expected && !rings[0].Equal(due) {
					wrong = fmt.Sprintf("set for %v, at %v it has rung at %v", due, mock.Now(), rings)
					return
				}
			}
		})
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// A mock that is moved by another goroutine may take the timer off while it is
// being set, so that it rings for the time before and for no other.
func TestAlarmThatRangIsSetAnewForTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mock := clock.NewMock()
		rings := 0
		a := alarm{clock: mock, ring: func() { rings++ }}
		a.want(mock.Now(), time.Second)
		a.arm(mock.Now())
		a.timer.Stop() // which is what becomes of the timer
		a.fire()
		a.want(mock.Now(), time.Second)
		a.arm(mock.Now())
		mock.Add(time.Second)
		synctest.Wait()
		if rings != 2 {
			t.Errorf("rang %d times, want 2", rings)
		}
	})
}
