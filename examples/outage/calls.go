package main

import (
	"context"
	"errors"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// patience is how many calls in a row the circuit may reject before we wait for
// it.
const patience = 3

// calls asks one prompt after the other, as a chat does, and loses those that
// fail. When it is interrupted, it finishes the call that it is at and goes no
// further.
func (s settings) calls(ctx context.Context, c *client, j *journal) (tally, error) {
	throttle, err := pipeline.NewThrottle(s.throttle(exhausted, j.hear))
	if err != nil {
		return tally{}, err
	}
	ask := pipeline.Wrap(throttle, c.ask)
	t, inVain := tally{prompts: len(s.prompts)}, 0
	for i, prompt := range s.prompts {
		if pipeline.Interrupted(ctx) != nil {
			t.left = len(s.prompts) - i
			break
		}
		answer, err := ask(ctx, prompt)
		j.outcome(i+1, t.count(err), prompt, answer, err)
		if err == nil {
			continue
		}
		wait := s.pause
		var open *pipeline.CircuitOpenError
		if !errors.As(err, &open) {
			inVain = 0
		} else if inVain++; inVain >= patience {
			wait = open.RetryAfter
			j.say("waiting for the circuit")
		}
		sleep(pipeline.Interruption(ctx), wait)
	}
	return t, j.drain(throttle)
}

// exhausted says whether a call has failed for good: only that opens the circuit
// here, not an attempt after which there is another.
func exhausted(err error) bool {
	var e *pipeline.RetriesExhaustedError
	return errors.As(err, &e)
}

func sleep(interrupt context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-interrupt.Done():
	}
}
