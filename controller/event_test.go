package controller

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestNamesAreInSnakeCaseAndDiffer(t *testing.T) {
	var names []fmt.Stringer
	for k := EventDecelerated; k <= EventGivenUp; k++ {
		names = append(names, k)
	}
	for s := Running; s <= Down; s++ {
		names = append(names, s)
	}
	names = append(names, FixedWindow, SlidingWindow, SlidingLog, TokenBucket, BreakerOpen, BreakerHalfOpen,
		Ignored, Failed, Overload, Succeeded, Fixed, Exponential, ExponentialJitter)
	seen := make(map[string]bool)
	for _, n := range names {
		name := fmt.Sprintf("%T %v", n, n)
		if seen[name] || strings.Trim(n.String(), "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%s: want a name of its own, in snake_case", name)
		}
		seen[name] = true
	}
}

func TestUnknownValuesShowTheirNumber(t *testing.T) {
	for want, value := range map[string]fmt.Stringer{
		"event(26)": EventGivenUp + 1, "event(-1)": EventKind(-1), "state(9)": State(9),
		"circuit(9)": CircuitState(9), "verdict(9)": Verdict(9), "backoff(0)": Backoff(0), "limiter(0)": LimiterKind(0),
	} {
		if got := value.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEventLogsTheFieldsThatItSets(t *testing.T) {
	from, to := Setting{Limit: 8, Ceiling: 8}, Setting{Limit: 4, Interval: 20 * ms, Ceiling: 8}
	for _, c := range []struct {
		event Event
		want  string
	}{
		{Event{Kind: EventClosed}, ""},
		{Event{Kind: EventDecelerated, From: from, To: to}, " e.limit_from=8 e.limit=4 e.interval_from=0s e.interval=20ms e.ceiling=8"},
		{Event{Kind: EventBudgetExhausted, Budget: "tokens", Wait: time.Second}, " e.wait=1s e.budget=tokens"},
		{Event{Kind: EventRetry, Attempt: 1, Err: errors.New("no"), Wait: time.Second}, " e.wait=1s e.attempt=1 e.error=no"},
		{Event{Kind: EventSetAside, Attempt: 4, Err: errors.New("no"), Wait: time.Minute}, " e.wait=1m0s e.attempt=4 e.error=no"},
		{Event{Kind: EventTakenUp}, ""},
	} {
		c.event.At = t0
		var line bytes.Buffer
		slog.New(slog.NewTextHandler(&line, nil)).Info("m", "e", c.event)
		if _, got, _ := strings.Cut(strings.TrimSpace(line.String()), "e.at=2026-01-02T03:04:05.000Z"); got != c.want {
			t.Errorf("%v: got %q, want %q", c.event.Kind, got, c.want)
		}
		if got, want := c.event.String(), c.event.Kind.String()+strings.ReplaceAll(c.want, " e.", " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
