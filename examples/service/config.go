package service

import (
	"fmt"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// Config describes a service. The zero Config answers at once and refuses
// nobody.
type Config struct {
	Addr      string        // where Start listens; empty: a free port of the loopback interface
	Latency   time.Duration // median of what an answer takes; refusals come at once
	Spread    float64       // sigma of the latency's log-normal distribution; 0: constant
	FailShare float64       // share of the accepted calls that end in a 500, below 1
	Seed      uint64        // of latencies and failures
	Limits    Limits        // in force until the first phase
	Phases    []Phase       // in order of At
	Clock     clock.Clock   // nil: real time
}

// Limits is what the service allows. A zero field does not limit.
type Limits struct {
	PerSecond   float64       // requests per second, on average
	Burst       float64       // requests at once after a pause; default 1
	Tokens      int64         // quota of tokens in each Window
	Window      time.Duration // default one minute; windows follow each other from the first call on
	Concurrency int           // calls in flight
}

// Phase replaces the limits from an offset on, until the next phase.
type Phase struct {
	At     time.Duration // since the first call, which starts the schedule
	Down   bool          // an outage: every call is answered 503
	Limits Limits
}

// Validate returns what is wrong with the first field that is.
func (c Config) Validate() error {
	switch {
	case c.Latency < 0:
		return fmt.Errorf("latency: got %v, want at least 0", c.Latency)
	case c.Spread < 0:
		return fmt.Errorf("spread: got %v, want at least 0", c.Spread)
	case c.FailShare < 0 || c.FailShare >= 1:
		return fmt.Errorf("fail share: got %v, want at least 0 and less than 1", c.FailShare)
	}
	if err := c.Limits.validate(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	var last time.Duration
	for i, p := range c.Phases {
		if p.At < last {
			return fmt.Errorf("phase %d: got offset %v, want at least %v, that of the phase before it", i, p.At, last)
		}
		if err := p.Limits.validate(); err != nil {
			return fmt.Errorf("phase %d: %w", i, err)
		}
		last = p.At
	}
	if n := len(c.Phases); n > 0 && c.Phases[n-1].Down {
		return fmt.Errorf("phase %d: got an outage as the last phase, want one that ends", n-1)
	}
	return nil
}

func (l Limits) validate() error {
	switch {
	case l.PerSecond < 0:
		return fmt.Errorf("requests per second: got %v, want at least 0", l.PerSecond)
	case l.Burst != 0 && l.Burst < 1:
		return fmt.Errorf("burst: got %v, want at least 1", l.Burst)
	case l.Tokens < 0:
		return fmt.Errorf("tokens: got %d, want at least 0", l.Tokens)
	case l.Window < 0:
		return fmt.Errorf("window: got %v, want at least 0", l.Window)
	case l.Concurrency < 0:
		return fmt.Errorf("concurrency: got %d, want at least 0", l.Concurrency)
	}
	return nil
}

func (l Limits) burst() float64 { return max(1, l.Burst) }

func (l Limits) window() time.Duration {
	if l.Window == 0 {
		return time.Minute
	}
	return l.Window
}

// phaseAt returns the phase that is in force at an offset since the first call.
func (c Config) phaseAt(offset time.Duration) Phase {
	now := Phase{Limits: c.Limits}
	for _, p := range c.Phases {
		if offset < p.At {
			break
		}
		now = p
	}
	return now
}
