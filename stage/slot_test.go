package stage

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

func TestSlotKnowsItsAttempt(t *testing.T) {
	var j Job
	var got []int
	look := func(ctx context.Context) error {
		got = append(got, SlotFrom(ctx).Attempt())
		return nil
	}
	runAttempts(&j, &rules{}, look, look, look)
	for i, n := range got {
		if n != i {
			t.Errorf("attempts are numbered %v", got)
		}
	}
}

func TestTokensAreThoseThatTheAttemptRecorded(t *testing.T) {
	for _, test := range []struct {
		name string
		work WorkFunc
		want int64
	}{
		{"nothing", func(context.Context) error { return nil }, Unknown},
		{"looks only", func(ctx context.Context) error { SlotFrom(ctx); return nil }, Unknown},
		{"some", func(ctx context.Context) error { SlotFrom(ctx).RecordTokens(5); return nil }, 5},
		{"more and more", func(ctx context.Context) error {
			SlotFrom(ctx).RecordTokens(5)
			SlotFrom(ctx).RecordTokens(6)
			return io.EOF
		}, 11},
		{"none, and says so", func(ctx context.Context) error { SlotFrom(ctx).RecordTokens(0); return nil }, 0},
		{"before a panic", func(ctx context.Context) error { SlotFrom(ctx).RecordTokens(5); panic("oh") }, 5},
		{"negative", func(ctx context.Context) error { SlotFrom(ctx).RecordTokens(-5); return nil }, Unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := Job{tokens: 99}
			runAttempts(&j, &rules{}, test.work)
			if j.tokens != test.want {
				t.Errorf("got %d, want %d", j.tokens, test.want)
			}
			if test.name == "negative" && j.verdict != ignored {
				t.Errorf("a negative number is no panic: %v", j.Err)
			}
			// The next attempt starts at nothing again.
			runAttempts(&j, &rules{}, func(context.Context) error { return nil })
			if j.tokens != Unknown {
				t.Errorf("the next attempt has %d tokens", j.tokens)
			}
		})
	}
}

func TestSlotOutsideAnAttemptDoesNothing(t *testing.T) {
	s := SlotFrom(t.Context())
	s.RecordTokens(5)
	s.Hint(controller.Hint{RetryAfter: time.Hour})
	s.Release(io.EOF)
	if s.Attempt() != 0 || SlotFrom(t.Context()) == s {
		t.Error("it is somebody's slot")
	}
}

// Code that has looked at the context may hold on to it, and must not meet another
// attempt in it. Work that does not look costs no allocation.
func TestScopeIsUsedAgainOnlyIfNobodyHasSeenIt(t *testing.T) {
	for name, look := range map[string]func(context.Context){
		"Done":     func(ctx context.Context) { ctx.Done() },
		"Err":      func(ctx context.Context) { _ = ctx.Err() },
		"Deadline": func(ctx context.Context) { ctx.Deadline() },
		"Value":    func(ctx context.Context) { ctx.Value("key") },
		"nothing":  func(context.Context) {},
	} {
		var seen []context.Context
		work := func(ctx context.Context) error {
			seen = append(seen, ctx)
			look(ctx)
			return nil
		}
		var j Job
		runAttempts(&j, &rules{}, work, work)
		if again := seen[0] == seen[1]; again != (name == "nothing") {
			t.Errorf("%s: used again: %v", name, again)
		}
	}
}

type ctxKey struct{}

// The scope is the door's context, with the slot and without the ask, which is
// meant for this job and not for others that its work may do.
func TestScopeIsTheContextOfItsDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := Ask{Cost: 5, Weight: 2}
		ctx := context.WithValue(asking(t.Context(), ask), ctxKey{}, "value")
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if AskedOf(ctx).Ask != ask || AskedOf(t.Context()) != (Asked{Ask: Ordinary}) {
			t.Errorf("asks are %v, %v", AskedOf(ctx), AskedOf(t.Context()))
		}
		j := Job{door: &Door{ctx: ctx}}
		runAttempts(&j, &rules{}, func(scope context.Context) error {
			if got := AskedOf(scope).Ask; got != Ordinary {
				t.Errorf("the work's own calls ask for %v", got)
			}
			if scope.Value(ctxKey{}) != "value" {
				t.Error("a value of the door's context is lost")
			}
			want, _ := ctx.Deadline()
			if got, ok := scope.Deadline(); !ok || !got.Equal(want) {
				t.Errorf("deadline %v, %v, want %v", got, ok, want)
			}
			if scope.Err() != nil {
				t.Error("over before it began")
			}
			<-scope.Done()
			return scope.Err()
		})
		if j.Err != context.DeadlineExceeded {
			t.Errorf("got %v", j.Err)
		}
	})
}

func TestSlotIsReleasedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		slot, err := s.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Snapshot(); got.InFlight != 1 || slot.Attempt() != 0 {
			t.Errorf("%d in flight, attempt %d", got.InFlight, slot.Attempt())
		}
		slot.Release(nil)
		slot.Release(io.EOF)
		if got := s.Snapshot(); got.InFlight != 0 || got.Completed != 1 || got.Failed != 0 {
			t.Errorf("after two releases: %+v", got)
		}
	})
}

// The slot of an attempt ends with the attempt, whatever is done with it.
func TestSlotOfAJobCannotBeReleasedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1)
		err := s.Do(t.Context(), WorkFunc(func(ctx context.Context) error {
			SlotFrom(ctx).Release(io.EOF)
			return nil
		}))
		if got := s.Snapshot(); err != nil || got.Completed != 1 || got.InFlight != 0 {
			t.Errorf("%v: %+v", err, got)
		}
	})
}

func TestHintThroughASlotHoldsForAllAlsoAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2)
		var slot *Slot
		first := func(ctx context.Context) error { slot = SlotFrom(ctx); return nil }
		if err := s.Do(t.Context(), WorkFunc(first)); err != nil {
			t.Fatal(err)
		}
		slot.Hint(controller.Hint{RetryAfter: time.Minute})
		if err := s.Do(t.Context(), s.work("next", 0)); err != nil {
			t.Fatal(err)
		}
		s.started("next 1m0s")
		s.heard("0s paused wait=1m0s", "1m0s resumed")
	})
}
