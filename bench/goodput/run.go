package main

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A contestant calls a service until its context is done, with as many jobs as it can do, and returns when nothing of
// it is left.
type contestant struct {
	name string
	call func(context.Context, *client)
}

// A client is what a contestant knows: who it is, how many workers it may have, and how long it is to wait.
type client struct {
	counter *counter
	number  int
	workers int
	timeout time.Duration            // 0: none
	watch   func(*pipeline.Throttle) // told of the throttle, if there is one; may be nil
}

// job draws a job: the tokens that it uses.
func (c *client) job() int64 { return c.counter.job() }

// lose says that a job came back with an error.
func (c *client) lose() { c.counter.lose() }

// send brings an attempt to the service and returns what the answer will be, and whether that comes too late.
func (c *client) send(tokens int64) (a answer, gaveUp bool) {
	return c.counter.arrive(c.number, tokens)
}

// share is the rate that the service allows this client now, for those who have to be told.
func (c *client) share() float64 { return c.counter.rate() / float64(c.counter.scenario.clients) }

// service draws the service with the given number, the same for every contestant.
func (p *plan) service(family string, number int) scenario {
	h := fnv.New64a()
	h.Write([]byte(family))
	return draw(family, rand.New(rand.NewPCG(p.seed, h.Sum64()+uint64(number))), p.length)
}

// race runs a contestant against a service.
func race(t *testing.T, c contestant, s scenario) outcome {
	return assess(s, play(t, c, s, nil))
}

// play runs a contestant against a service in a bubble of its own. If watch is not nil, it is told of each throttle.
//
// The contestant's context has no deadline, because a client that knows of one may act on it.
func play(t *testing.T, c contestant, s scenario, watch func(client int, t *pipeline.Throttle)) *tally {
	var counter *counter
	synctest.Test(t, func(*testing.T) {
		counter = newCounter(s)
		ctx, cancel := context.WithCancel(context.Background())
		var all sync.WaitGroup
		for i := range s.clients {
			cl := &client{counter: counter, number: i, workers: s.workers, timeout: s.timeout}
			if watch != nil {
				cl.watch = func(t *pipeline.Throttle) { watch(i, t) }
			}
			all.Go(func() { c.call(ctx, cl) })
		}
		time.Sleep(s.length)
		cancel()
		all.Wait()
	})
	return &counter.tally
}
