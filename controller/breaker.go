package controller

import (
	"fmt"
	"time"
)

// Breaker describes when to stop asking a service that does not answer: after so
// many failures in a row, or when so large a share of recent jobs failed. A zero
// field takes its default.
//
// A probe that is out for longer than the circuit was open makes room for another
// one, so a probe that never ends delays the next, and does not prevent it. Should it
// end after all, it counts.
type Breaker struct {
	// Failures is how many jobs in a row have to fail, or be refused, for the circuit to
	// open. Of the attempts of one job, the first that fails counts. Default 10.
	Failures int

	// Share is the share of the jobs within Window that opens it too, if so many failed or
	// were refused: above 0, up to 1. Default 0.8; negative: only Failures in a row do.
	Share float64

	MinJobs int           // within Window, before their share says anything; default ten times Failures
	Window  time.Duration // in which jobs are counted for Share, to within a tenth; default 1m
	OpenFor time.Duration // how long it stays open the first time; default 30s
	Probes  int           // attempts that a half-open circuit lets through; default 1

	// Counts says which errors count, fatal ones included. Of one job, it is the first
	// that does; the last one of a job is its *RetriesExhaustedError, if it is to be one.
	// nil: each failure and overload.
	Counts func(error) bool

	Wait bool // single calls wait for the circuit instead of failing at once
}

// Defaults of Breaker.
const (
	// defaultShare is above what refusals reach that are tried again and then
	// accepted: of a job one failure counts, and its success, which makes a half.
	defaultShare = 0.8

	// minJobsFactor keeps a burst of refusals from opening a circuit whose Failures
	// are set above it.
	minJobsFactor = 10

	mostJobs = 1 << 20 // keeps their product from overflowing
)

// WithDefaults returns b with its zero fields set.
func (b Breaker) WithDefaults() Breaker {
	if b.Failures == 0 {
		b.Failures = 10
	}
	if b.Share == 0 {
		b.Share = defaultShare
	}
	if b.MinJobs == 0 {
		b.MinJobs = minJobsFactor * min(max(b.Failures, 1), mostJobs)
	}
	if b.Window == 0 {
		b.Window = time.Minute
	}
	if b.OpenFor == 0 {
		b.OpenFor = 30 * time.Second
	}
	if b.Probes == 0 {
		b.Probes = 1
	}
	return b
}

// CircuitState is the state of a circuit breaker.
type CircuitState int

// The states of a circuit.
const (
	BreakerClosed   CircuitState = iota // attempts pass
	BreakerOpen                         // none passes
	BreakerHalfOpen                     // a few probes pass
)

func (s CircuitState) String() string {
	switch s {
	case BreakerClosed:
		return "closed"
	case BreakerOpen:
		return "open"
	case BreakerHalfOpen:
		return "half_open"
	}
	return fmt.Sprintf("circuit(%d)", int(s))
}

// maxOpenFactor bounds how far the open time grows while probes keep failing.
const maxOpenFactor = 5

// A Circuit is a circuit breaker at work (Nygard, Release It!, 2007): closed
// until so many failures come in a row, or are so large a share of all, then open
// for a while, then half-open with a few probes. All succeed: closed. One fails: open again for twice as
// long, up to five times the first.
//
// An attempt from before the last change says nothing about the state after
// it. Start returns the generation that an attempt belongs to, and Report
// ignores those of the past.
type Circuit struct {
	cfg        Breaker
	state      CircuitState
	generation int
	failures   int       // in a row, while closed
	tally      tally     // of jobs, while closed
	started    int       // probes that have a place, while half-open
	lost       int       // probes whose place another one has taken
	probed     time.Time // when the last probe started
	succeeded  int       // probes that succeeded
	openFor    time.Duration
	until      time.Time // open until
}

// NewCircuit returns a closed circuit.
func NewCircuit(cfg Breaker) *Circuit {
	cfg = cfg.WithDefaults()
	return &Circuit{cfg: cfg, openFor: cfg.OpenFor}
}

// State returns the state at now. An open circuit whose time is over is
// half-open from then on.
func (c *Circuit) State(now time.Time) CircuitState {
	if c.state == BreakerOpen && !now.Before(c.until) {
		c.turn(BreakerHalfOpen)
	}
	return c.state
}

// Until returns the time at which an open circuit becomes half-open.
func (c *Circuit) Until() time.Time { return c.until }

// Delay keeps an open circuit open for longer.
func (c *Circuit) Delay(by time.Duration) {
	if c.state == BreakerOpen {
		c.until = c.until.Add(by)
	}
}

// probeTime is what is said of how long probes will take.
const probeTime = time.Second

// Wait returns how long nothing may start, unless the end of a probe changes it: 0 if
// the circuit is Ready.
func (c *Circuit) Wait(now time.Time) time.Duration {
	switch {
	case c.Ready(now):
		return 0
	case c.state == BreakerOpen:
		return c.until.Sub(now)
	}
	return c.probed.Add(c.openFor).Sub(now)
}

// Left returns when to ask again, if the circuit is not Ready: when it becomes
// half-open, or, since nobody knows when the probes that are out will be back,
// after a second, or OpenFor if that is shorter.
func (c *Circuit) Left(now time.Time) time.Duration {
	if c.State(now) == BreakerOpen {
		return c.until.Sub(now)
	}
	return min(c.cfg.OpenFor, probeTime)
}

// Ready reports whether an attempt may start now.
func (c *Circuit) Ready(now time.Time) bool {
	switch c.State(now) {
	case BreakerOpen:
		return false
	case BreakerHalfOpen:
		return c.started < c.cfg.Probes || c.overdue(now)
	}
	return true
}

// overdue reports whether the probes have been out for longer than the circuit was
// open. One of them may never end.
func (c *Circuit) overdue(now time.Time) bool { return now.Sub(c.probed) >= c.openFor }

// Start notes that an attempt starts, and returns its generation. It must be
// Ready.
func (c *Circuit) Start(now time.Time) (generation int, probe bool) {
	probe = c.State(now) == BreakerHalfOpen
	switch {
	case !probe:
	case c.started < c.cfg.Probes:
		c.started++
		c.probed = now
	default:
		c.lost++
		c.probed = now
	}
	return c.generation, probe
}

// Report takes the end of an attempt of the given generation, and reports whether
// it counts as a failure. Ignored frees a probe's place and tells nothing else.
//
// A retry is by selection an attempt of a job that has failed before, so that two
// jobs that always fail would fill a row. Once a failure of a job has counted,
// further ones are to be reported as Ignored unless they are probes.
func (c *Circuit) Report(now time.Time, generation int, v Verdict) (failed bool) {
	if generation != c.generation {
		return false
	}
	switch c.state {
	case BreakerClosed:
		return c.reportClosed(now, v)
	case BreakerHalfOpen:
		return c.reportProbe(now, v)
	}
	return false
}

// Record takes the outcome of something that was done without asking.
func (c *Circuit) Record(now time.Time, v Verdict) {
	if v != Ignored {
		c.State(now)
		c.Report(now, c.generation, v)
	}
}

// Update makes c go by another description, in the state that it is in.
func (c *Circuit) Update(cfg Breaker) {
	c.cfg = cfg.WithDefaults()
	c.openFor = min(max(c.openFor, c.cfg.OpenFor), maxOpenFactor*c.cfg.OpenFor)
	if c.state == BreakerClosed {
		c.openFor = c.cfg.OpenFor
	}
	if c.state == BreakerHalfOpen && c.succeeded >= c.cfg.Probes {
		c.turn(BreakerClosed)
	}
}

// Renew makes c as new under another description, but for the attempts from
// before, which do not count.
func (c *Circuit) Renew(cfg Breaker) {
	c.cfg = cfg.WithDefaults()
	c.turn(BreakerClosed)
}

func (c *Circuit) reportClosed(now time.Time, v Verdict) (failed bool) {
	switch v {
	case Ignored:
		return false
	case Succeeded:
		c.failures = 0
		c.tally.add(now, c.cfg.Window, false)
		return false
	}
	c.failures++
	c.tally.add(now, c.cfg.Window, true)
	if c.failures >= c.cfg.Failures || c.tooMany(c.tally.sum()) {
		c.open(now)
	}
	return true
}

// tooMany reports whether too large a share of the jobs failed.
func (c *Circuit) tooMany(s span) bool {
	return c.cfg.Share > 0 && s.jobs >= int64(c.cfg.MinJobs) && float64(s.failed) >= c.cfg.Share*float64(s.jobs)
}

func (c *Circuit) reportProbe(now time.Time, v Verdict) (failed bool) {
	switch v {
	case Ignored:
		if c.lost > 0 { // nobody knows which one it was
			c.lost--
		} else {
			c.started--
		}
		return false
	case Succeeded:
		c.succeeded++
		if c.succeeded >= c.cfg.Probes {
			c.turn(BreakerClosed)
		}
		return false
	}
	c.openFor = min(2*c.openFor, maxOpenFactor*c.cfg.OpenFor)
	c.open(now)
	return true
}

func (c *Circuit) open(now time.Time) {
	c.until = now.Add(c.openFor)
	c.turn(BreakerOpen)
}

func (c *Circuit) turn(s CircuitState) {
	c.state = s
	c.generation++
	if s == BreakerClosed {
		c.openFor = c.cfg.OpenFor
	}
	c.failures, c.started, c.lost, c.succeeded = 0, 0, 0, 0
	c.tally = tally{}
}
