package main

import (
	"log/slog"
	"time"

	"github.com/paceline-go/paceline/examples/llm/server"
	"github.com/paceline-go/paceline/pipeline"
)

// throttleConfig is how the pipeline is told about the service: its quotas, not how fast it is.
func (o options) throttleConfig() pipeline.Config {
	// The server counts from a request's arrival, and not every one takes equally long to get there: in a window that is a little
	// longer than its minute, none arrives before those of a minute ago have left its count.
	window := o.minute + o.minute/100
	cfg := pipeline.Config{
		MaxConcurrency: o.concurrency,
		AttemptTimeout: o.scale(5 * time.Minute),
		Retry:          &pipeline.Retry{MaxAttempts: o.retries, BaseDelay: o.scale(time.Second), Park: true},
		Seed:           o.seed,
		Logger:         slog.New(slog.DiscardHandler), // what matters is said above the bar
	}
	cfg.Budgets = o.budgetsOf(window)
	return cfg
}

// serverConfig is how the embedded server behaves. It now and then fails, as real ones do.
func (o options) serverConfig() server.Config {
	c := server.Config{Requests: o.rpm, Tokens: o.tpm, InputTokens: o.itpm, OutputTokens: o.otpm, Minute: o.minute, FailShare: 0.01, OverloadShare: o.overloaded, Seed: o.seed}
	for _, m := range o.members {
		c.Keys = append(c.Keys, server.Key{Key: m.key, Requests: m.rpm, Tokens: m.tpm})
	}
	return c
}
