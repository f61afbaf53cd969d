package stage

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// A Slot is one attempt's place among those in flight. Its methods may be
// called from any goroutine; once the attempt has ended they do nothing.
type Slot struct {
	attempt  int
	tokens   atomic.Int64
	recorded atomic.Bool
}

// Attempt returns the number of the attempt: 0 on the job's first.
func (s *Slot) Attempt() int { return s.attempt }

// RecordTokens adds n to what the attempt has used. It panics if n is negative.
func (s *Slot) RecordTokens(n int64) {
	if n < 0 {
		panic(fmt.Sprintf("paceline: RecordTokens: got %d, want at least 0", n))
	}
	s.tokens.Add(n)
	s.recorded.Store(true)
}

type slotKey struct{}

// SlotFrom returns the slot of the attempt that ctx belongs to. Outside an
// attempt it returns one that records nothing. It never returns nil.
func SlotFrom(ctx context.Context) *Slot {
	if s, ok := ctx.Value(slotKey{}).(*Slot); ok {
		return s
	}
	return new(Slot)
}

// A scope is the context of an attempt: that of its door, with the slot.
//
// Whoever called a method may hold on to what it returned for as long as it
// likes, so a scope is used again only if none ever was. Work that does not
// look at its context thus costs no allocation.
type scope struct {
	context.Context
	slot Slot
	used atomic.Bool
}

func (s *scope) Deadline() (time.Time, bool) {
	s.used.Store(true)
	return s.Context.Deadline()
}

func (s *scope) Done() <-chan struct{} {
	s.used.Store(true)
	return s.Context.Done()
}

func (s *scope) Err() error {
	s.used.Store(true)
	return s.Context.Err()
}

func (s *scope) Value(key any) any {
	s.used.Store(true)
	if key == (slotKey{}) {
		return &s.slot
	}
	return s.Context.Value(key)
}
