package server

import (
	"fmt"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// Config is how a server behaves. Its zero fields take the defaults.
type Config struct {
	Requests int64 // a minute; default 500
	Tokens   int64 // a minute, of prompts and answers; default 30,000

	// InputTokens and OutputTokens a minute are quotas of prompts and of answers apart, in the place of Tokens; both, or 0 for none.
	InputTokens, OutputTokens int64

	// Minute is how long the server's minute lasts; default, and real, is a minute. With a shorter one the server lives faster:
	// quotas come back and answers are written as much sooner.
	Minute time.Duration

	FirstToken time.Duration // until an answer begins, in the server's time; default 400ms
	PerSecond  float64       // tokens that an answer grows by in a second of the server's time; default 100

	// FailShare of the requests fail, 0 to 1: half of them with 503 before anything is counted, half with 500 after the work,
	// when they count as a request, but no token of theirs does.
	FailShare float64

	// OverloadShare of the requests are refused because there is no capacity, 0 to 1, before anything is counted: with 529 as Anthropic
	// does, or with 503.
	OverloadShare float64

	// KeepsReserve is whether a request stays charged with the most that it might have used, as is reported of OpenAI.
	KeepsReserve bool

	Key   string      // that callers must have; "": any
	Keys  []Key       // that callers must have one of, each with quotas of its own, in the place of those above; none: as Key says
	Seed  uint64      // of failures and ids
	Clock clock.Clock // nil: real time
}

// Key is one of several, with quotas of its own.
type Key struct {
	Key      string
	Requests int64 // a minute; no default
	Tokens   int64 // a minute, of prompts and answers; no default
}

// Models that the server knows. Whatever the name, the answer is the same.
var Models = []string{"gpt-4o-mini", "gpt-4o", "claude-haiku-4-5"}

const (
	mostTokens = 1 << 26 // more, × the minute in nanoseconds, would overflow sums
	mostMinute = time.Minute
)

func (c Config) withDefaults() (Config, error) {
	set(&c.Requests, 500)
	set(&c.Tokens, 30_000)
	set(&c.Minute, time.Minute)
	set(&c.FirstToken, 400*time.Millisecond)
	set(&c.PerSecond, 100)
	if c.Clock == nil {
		c.Clock = clock.Real()
	}
	switch {
	case c.Requests < 1 || c.Requests > mostTokens:
		return c, fmt.Errorf("requests: got %d, want 1 to %d", c.Requests, mostTokens)
	case c.Tokens < 1 || c.Tokens > mostTokens:
		return c, fmt.Errorf("tokens: got %d, want 1 to %d", c.Tokens, mostTokens)
	case c.InputTokens < 0 || c.InputTokens > mostTokens || (c.InputTokens == 0) != (c.OutputTokens == 0):
		return c, fmt.Errorf("input tokens: got %d beside %d output tokens, want 1 to %d of both, or 0 of both", c.InputTokens, c.OutputTokens, mostTokens)
	case c.OutputTokens < 0 || c.OutputTokens > mostTokens:
		return c, fmt.Errorf("output tokens: got %d, want 0 to %d", c.OutputTokens, mostTokens)
	case c.Minute < time.Millisecond || c.Minute > mostMinute:
		return c, fmt.Errorf("minute: got %v, want 1ms to %v", c.Minute, mostMinute)
	case c.FirstToken < 0:
		return c, fmt.Errorf("first token: got %v, want at least 0", c.FirstToken)
	case !(c.PerSecond > 0):
		return c, fmt.Errorf("per second: got %v, want above 0", c.PerSecond)
	case !(c.FailShare >= 0 && c.FailShare <= 1):
		return c, fmt.Errorf("fail share: got %v, want 0 to 1", c.FailShare)
	case !(c.OverloadShare >= 0 && c.OverloadShare <= 1):
		return c, fmt.Errorf("overload share: got %v, want 0 to 1", c.OverloadShare)
	}
	return c, c.checkKeys()
}

func (c Config) checkKeys() error {
	seen := map[string]bool{}
	for i, k := range c.Keys {
		switch {
		case c.Key != "":
			return fmt.Errorf("keys: got %d beside a key, want one of the two", len(c.Keys))
		case k.Key == "" || seen[k.Key]:
			return fmt.Errorf("keys[%d]: got %q, want a key that no other is", i, k.Key)
		case k.Requests < 1 || k.Requests > mostTokens:
			return fmt.Errorf("keys[%d]: requests: got %d, want 1 to %d", i, k.Requests, mostTokens)
		case k.Tokens < 1 || k.Tokens > mostTokens:
			return fmt.Errorf("keys[%d]: tokens: got %d, want 1 to %d", i, k.Tokens, mostTokens)
		}
		seen[k.Key] = true
	}
	return nil
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// scale turns time of the server's into time on the wall.
func (c Config) scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(c.Minute) / float64(time.Minute))
}

// writing returns how long so many tokens take, on the wall.
func (c Config) writing(tokens int) time.Duration {
	return c.scale(time.Duration(float64(tokens) / c.PerSecond * float64(time.Second)))
}
