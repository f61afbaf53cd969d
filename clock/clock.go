// Package clock is time that can be held in the hand: the one place where
// paceline touches the wall clock.
//
// Everything else in the module is given a Clock, so that a test can drive
// hours of timers, timeouts and windows in microseconds by moving a Mock.
package clock

import "github.com/benbjohnson/clock"

// Clock tells the time, makes timers and derives contexts with deadlines.
type Clock = clock.Clock

// Timer is a timer of a Clock.
type Timer = clock.Timer

// Mock is a Clock that stands still until its Add or Set moves it.
type Mock = clock.Mock

// Real returns the clock of the machine.
func Real() Clock { return clock.New() }

// NewMock returns a clock that stands at the Unix epoch until it is moved.
func NewMock() *Mock { return clock.NewMock() }
