package service

import "time"

// oracleStep is the resolution of BestTime.
const oracleStep = time.Millisecond

// BestTime is how long a caller who knew the whole schedule would take for
// calls answered calls of tokens tokens each: always as fast as the service
// allows, refused not once, and repeating only what fails by chance.
//
// Calls are counted as a fluid, in steps of a millisecond.
func (c Config) BestTime(calls int, tokens float64) time.Duration {
	return c.BestTimeWithin(calls, tokens, Budget{})
}

// A Budget is a caller's own: that many tokens in any span of Window, at most. What fails
// counts too. Without Tokens it is none.
type Budget struct {
	Tokens int64
	Window time.Duration
}

// BestTimeWithin is BestTime of a caller who keeps within a budget of his own. It counts in
// any span, and the service in windows that begin anew, so what is allowed by both may be
// less than what either allows.
func (c Config) BestTimeWithin(calls int, tokens float64, b Budget) time.Duration {
	if calls == 0 {
		return 0
	}
	left := float64(calls) / (1 - c.FailShare)
	o := oracle{cfg: c, level: c.Limits.burst(), tokens: tokens * (1 - c.FailShare)}
	if b.Tokens > 0 && tokens > 0 {
		o.budget, o.spent = float64(b.Tokens)/tokens, make([]float64, max(b.Window/oracleStep, 1))
	}
	var offset time.Duration
	for {
		if left -= o.step(offset, left); left <= 0 {
			return offset + c.Latency
		}
		offset += oracleStep
	}
}

type oracle struct {
	cfg    Config
	tokens float64 // a call costs, on average
	level  float64 // of the request bucket
	window int64   // of the token quota
	used   float64 // tokens, in that window

	budget float64   // calls in any len(spent) steps, at most; of no account if there is no spent
	spent  []float64 // calls of each of those steps, the oldest at next
	next   int
}

// step returns how many of the calls left the service accepts from offset until
// one step later.
func (o *oracle) step(offset time.Duration, left float64) float64 {
	phase := o.cfg.phaseAt(offset)
	l := phase.Limits
	if len(o.spent) > 0 {
		o.next = (o.next + 1) % len(o.spent)
		o.budget += o.spent[o.next]
		o.spent[o.next] = 0
	}
	o.level = min(l.burst(), o.level+l.PerSecond*oracleStep.Seconds())
	if window := int64(offset / l.window()); window != o.window {
		o.window, o.used = window, 0
	}
	if phase.Down {
		return 0
	}
	n := left
	if l.PerSecond > 0 {
		n = min(n, o.level)
	}
	if l.Tokens > 0 && o.tokens > 0 {
		n = min(n, max(0, float64(l.Tokens)-o.used)/o.tokens)
	}
	if l.Concurrency > 0 && o.cfg.Latency > 0 {
		n = min(n, float64(l.Concurrency)*oracleStep.Seconds()/o.cfg.Latency.Seconds())
	}
	if len(o.spent) > 0 {
		n = min(n, max(0, o.budget))
		o.budget -= n
		o.spent[o.next] = n
	}
	o.level -= min(n, o.level)
	o.used += n * o.tokens
	return n
}
