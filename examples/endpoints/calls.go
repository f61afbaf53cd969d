package main

import (
	"context"
	"io"
	"log"
	"slices"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// What is asked: half of it by goroutines, half by pipelines.
var (
	codes = []string{"200", "201", "204", "206", "301", "304", "400", "401", "403", "404", "405", "408", "410", "413", "418", "429", "451", "500", "502", "503"}
	words = []string{"not", "too", "found", "time", "content", "request", "payment", "early"}
)

// unevenness is how much later than another a call may arrive, if both are sent
// in time. We leave as much of the burst unused as comes in while it lasts.
const unevenness = 200 * time.Millisecond

// throttle is all that the callers share: the limit of the service, and nothing
// that would try again.
func (s settings) throttle() pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: inFlight,
		AttemptTimeout: 10 * time.Second,
		Policy:         pipeline.Static{},
		Rate:           &pipeline.Rate{PerSecond: s.rate, Burst: s.burst - s.rate*unevenness.Seconds()},
	}
}

// An endpoint is a function and how many calls each of it counts for.
type endpoint struct {
	name   string
	ask    pipeline.Work[string, string]
	weight float64
	inputs []string
}

// endpoints makes all calls and returns what came of them. It ends early when
// ctx does.
func (s settings) endpoints(ctx context.Context, out io.Writer) (*summary, error) {
	base, embedded := s.url, (*service)(nil)
	if base == "" {
		var err error
		if embedded, err = startService(s.rate, s.burst); err != nil {
			return nil, err
		}
		defer embedded.close()
		base = embedded.url
	}
	c := newClient(base)
	defer c.close()
	throttle, err := pipeline.NewThrottle(s.throttle())
	if err != nil {
		return nil, err
	}
	sum := newSummary(s, log.New(out, "", 0))
	lookup := endpoint{"lookup", c.lookup, lookupWeight, codes}
	search := endpoint{"search", c.search, searchWeight, words}

	defer context.AfterFunc(ctx, func() { sum.say("interrupted: calls are let go of") })()

	sum.say("%d lookups and %d searches by as many goroutines", len(codes)/2, len(words)/2)
	var all sync.WaitGroup
	for _, e := range []endpoint{lookup, search} {
		all.Go(func() { e.wrapped(ctx, throttle, sum) })
	}
	all.Wait()
	if ctx.Err() == nil {
		sum.say("%d lookups and %d searches by two pipelines", len(codes)/2, len(words)/2)
	}
	for _, e := range []endpoint{lookup, search} {
		all.Go(func() { e.piped(ctx, throttle, sum) })
	}
	all.Wait()
	sum.end(embedded)
	return sum, nil
}

// wrapped makes the first half of the calls, each in a goroutine of its own.
func (e endpoint) wrapped(ctx context.Context, t *pipeline.Throttle, sum *summary) {
	ask := pipeline.Wrap(t, e.ask)
	ctx = pipeline.WithWeight(ctx, e.weight)
	var all sync.WaitGroup
	for _, in := range e.inputs[:len(e.inputs)/2] {
		all.Go(func() {
			out, err := ask(ctx, in)
			sum.take(e.name, "call", in, out, err)
		})
	}
	all.Wait()
}

// piped makes the second half, through a pipeline.
func (e endpoint) piped(ctx context.Context, t *pipeline.Throttle, sum *summary) {
	p := pipeline.Attach(t, e.ask).Weight(func(string) float64 { return e.weight })
	for r := range p.Each(ctx, slices.Values(e.inputs[len(e.inputs)/2:])) {
		sum.take(e.name, "pipeline", r.In, r.Out, r.Err)
	}
}
