package pipeline

import (
	"fmt"
	"log/slog"
	"time"
)

// leastTime is the least that anybody waits for on purpose. A number of seconds that was written
// without its unit is shorter.
const leastTime = time.Microsecond

// Warnings returns what c can hardly be meant to say, each a *ConfigError; nil if there is nothing.
// Nothing of it keeps New or NewThrottle from working: they write it to the Logger, or without one
// to slog's default.
//
//   - A time of less than a microsecond, such as AttemptTimeout: 30, which is 30 nanoseconds.
//   - A Rate that is never reached, since MinDispatchInterval is longer.
//   - A Retry.GiveUpAfter that is shorter than the first delay, so that no refusal is tried again.
//   - A Retry that tries nothing again, with MaxAttempts: 1, beside a delay or a Multiplier.
func (c Config) Warnings() []error {
	var f faults
	unit := func(field string, d time.Duration) {
		f.check(d <= 0 || d >= leastTime, field, d, "want a time with its unit, such as %d * time.Second", int64(d))
	}
	unit("attempt_timeout", c.AttemptTimeout)
	unit("min_dispatch_interval", c.MinDispatchInterval)
	unit("max_pause", c.MaxPause)
	for i, b := range c.Budgets {
		unit(fmt.Sprintf("budgets[%d].window", i), b.Window)
	}
	if c.Breaker != nil {
		unit("breaker.open_for", c.Breaker.OpenFor)
	}
	if c.Rate != nil && c.MinDispatchInterval > 0 {
		most := float64(time.Second) / float64(c.MinDispatchInterval)
		f.check(c.Rate.PerSecond <= most, "rate.per_second", c.Rate.PerSecond,
			"which is never reached: min_dispatch_interval, %v, allows %.3g", c.MinDispatchInterval, most)
	}
	if c.Retry != nil {
		r := c.Retry.WithDefaults()
		f.check(r.GiveUpAfter < 0 || r.GiveUpAfter >= r.BaseDelay, "retry.give_up_after", r.GiveUpAfter,
			"want at least base_delay, %v, or no refusal is tried again", r.BaseDelay)
		f.check(c.Retry.MaxAttempts != 1 || c.Retry.BaseDelay == 0 && c.Retry.MaxDelay == 0 && c.Retry.Multiplier == 0,
			"retry.max_attempts", c.Retry.MaxAttempts, "want at least 2, or no delay: a failure is not tried again")
	}
	return f
}

// warn writes the warnings of c.
func (c Config) warn() {
	logger := c.Logger
	if logger == nil {
		logger = slog.Default()
	}
	for _, w := range c.Warnings() {
		logger.Warn("paceline: this is most likely not meant", "warning", w.Error())
	}
}
