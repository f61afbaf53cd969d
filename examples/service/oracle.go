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
	if calls == 0 {
		return 0
	}
	left := float64(calls) / (1 - c.FailShare)
	o := oracle{cfg: c, level: c.Limits.burst(), tokens: tokens * (1 - c.FailShare)}
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
}

// step returns how many of the calls left the service accepts from offset until
// one step later.
func (o *oracle) step(offset time.Duration, left float64) float64 {
	phase := o.cfg.phaseAt(offset)
	l := phase.Limits
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
	o.level -= min(n, o.level)
	o.used += n * o.tokens
	return n
}
