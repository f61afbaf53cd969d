package controller

import (
	"fmt"
	"time"
)

// A Policy describes a control law: it decides, from the outcomes of attempts,
// how many may be in flight and how far apart they start.
//
// A Policy is a plain value that can be compared and shared; each throttle
// starts a Law of its own from it.
type Policy interface {
	// Start returns a law at rest and the setting to begin with.
	Start(Bounds) (Law, Setting)
}

// A Law is a Policy at work: a state machine that starts no goroutine, reads
// no clock and must not block. It is stepped by one goroutine only, with times
// that never go back.
//
// A Law that counts failures in a window of its own may also have a method
// Failures(now time.Time) int; a snapshot then shows that count. One that can go
// on when the configuration is updated may have a method
// Update(Policy, Bounds) (Setting, bool); if it has none, or returns false, and
// there is a change for it, another law is started. One that another process can go on
// from may be a Learner.
type Law interface {
	// Next takes the outcome of one attempt, known at now, and returns the
	// setting in force from then on.
	Next(now time.Time, o Outcome) Setting
}

// Bounds are what a Policy has to stay within. A setting outside them is
// brought to the nearest bound.
type Bounds struct {
	InitialLimit int           // attempts in flight to begin with, 1 to MaxLimit
	MaxLimit     int           // attempts in flight, at least 1
	MinInterval  time.Duration // between two dispatches; 0: not paced
	MaxInterval  time.Duration // at least MinInterval
}

// A Setting is what a Policy decided.
type Setting struct {
	Limit     int           // how many attempts may be in flight
	Interval  time.Duration // at least this long between two dispatches
	Ceiling   int           // growth stops here for now; 0: at the maximum
	CoolUntil time.Time     // no growth before; zero: not cooling
	Reason    Reason        // why it is another than before

	// Probing says that the service is taken for down: attempts of jobs that have not failed
	// yet, or if there are none one now and then of another, ask whether it is back.
	Probing bool
}

func (s Setting) String() string {
	return fmt.Sprintf("limit %d, interval %v", s.Limit, s.Interval)
}

// within returns s with its limit and interval brought into b.
func (s Setting) within(b Bounds) Setting {
	s.Limit = min(max(s.Limit, 1), b.MaxLimit)
	s.Interval = min(max(s.Interval, b.MinInterval), b.MaxInterval)
	if s.Ceiling <= 0 {
		s.Ceiling = b.MaxLimit
	}
	s.Ceiling = min(s.Ceiling, b.MaxLimit)
	return s
}

// A Verdict says what the end of an attempt tells about the service.
type Verdict uint8

// What the end of an attempt tells about the service.
const (
	Ignored   Verdict = iota // nothing: a caller's mistake, a cancelled context
	Failed                   // the service failed
	Overload                 // the service sheds load and did no work
	Succeeded                // the service did the work
)

func (v Verdict) String() string {
	switch v {
	case Ignored:
		return "ignored"
	case Failed:
		return "failed"
	case Overload:
		return "overload"
	case Succeeded:
		return "succeeded"
	}
	return fmt.Sprintf("verdict(%d)", int(v))
}

// An Outcome is what a Policy sees of an attempt that has ended.
type Outcome struct {
	Verdict    Verdict
	Final      bool          // the job is done with; false: it will be tried again
	Attempt    int           // of its job, from 1; 0: not known, taken for the first. A retry is of a job that went wrong before
	Own        bool          // the refusal is the job's own, as others that started later are accepted; or its resource's, which is used up
	Trouble    bool          // the refusal is hardly for what the client sends: the service says that it is overloaded (HTTP 529), or tells that far more than this needed is left of its quotas
	Start      time.Time     // when the attempt started
	Seq        int64         // how many had started by then, itself included
	Took       time.Duration // from then to its end
	InFlight   int           // attempts in flight when it started, itself included
	Paced      bool          // the interval held it back, not the limit
	Gap        time.Duration // measured between recent dispatches; 0: not known yet
	Tokens     int64         // what it used
	RetryAfter time.Duration // how long the service asked to be left alone
}

// Fresh reports whether it was the first attempt of its job. Whether a service works
// is asked of these only.
func (o Outcome) Fresh() bool { return o.Attempt <= 1 }

// Overloads reports whether the outcome is a sign of overload: a refusal that is
// not the job's own, or the failure that a job ended with. A failure that is tried
// again is not.
func (o Outcome) Overloads() bool { return overloads(o.Verdict, o.Final, o.Own) }

// Overloads is Outcome.Overloads.
func (e End) Overloads() bool { return overloads(e.Verdict, e.Final, e.Own) }

func overloads(v Verdict, final, own bool) bool {
	switch v {
	case Ignored, Succeeded:
		return false
	case Overload:
		return !own
	}
	return final
}
