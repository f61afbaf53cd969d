package main

import (
	"context"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// pipe sends all prompts through a pipeline, as a batch does. When it is
// interrupted, it takes no further prompt and finishes those that it has.
func (s settings) pipe(ctx context.Context, c *client, j *journal) (tally, error) {
	cfg := s.throttle(unavailable, j.hear) // each attempt counts: no prompt has to be lost to find out
	cfg.TotalJobs = len(s.prompts)
	p, err := pipeline.New(c.ask, cfg)
	if err != nil {
		return tally{}, err
	}

	jobs := make(chan string, len(s.prompts))
	for _, prompt := range s.prompts {
		jobs <- prompt
	}
	close(jobs)

	t := tally{prompts: len(s.prompts)}
	tick := time.NewTicker(s.beat)
	defer tick.Stop()
	results := p.Run(ctx, jobs)
	for more := true; more; {
		var r pipeline.Result[string, string]
		select {
		case r, more = <-results:
			if more {
				t.count(r.Err)
			}
		case <-tick.C:
			j.progress(p.Throttle().Snapshot(), len(jobs))
		}
	}
	t.left = len(jobs)
	return t, j.drain(p.Throttle())
}
