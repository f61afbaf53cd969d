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
	name   string
	call   func(context.Context, *client)
	family string // the only one that it is for; empty: all
}

// of returns the contestants that are for a family.
func (p *plan) of(family string) (all []contestant) {
	for _, c := range p.contestants {
		if c.family == "" || c.family == family {
			all = append(all, c)
		}
	}
	return all
}

// A client is what a contestant knows: who it is, how many workers it may have, and how long it is to wait.
type client struct {
	counter  *counter
	number   int
	member   int // the only one that it sends to; 0: any
	workers  int
	timeout  time.Duration            // 0: none
	attempts int                      // that a job may have, refusals not counted by those who can tell them
	park     bool                     // a job that backs off holds no worker, where that can be chosen
	breaker  bool                     // ours has a breaker, as it is by default
	watch    func(*pipeline.Throttle) // told of the throttle, if there is one; may be nil
}

// job draws a job, false if there are no more.
func (c *client) job() (job, bool) { return c.counter.anyJob() }

// giveBack says that a job came back.
func (c *client) giveBack(j job, err error) { c.counter.giveBack(j, err) }

// send brings an attempt to the service and returns what the answer will be, and whether that comes too late.
func (c *client) send(j job) (a answer, gaveUp bool) {
	if c.member > 0 {
		j.member = c.member
	}
	return c.counter.arrive(c.number, j)
}

// share is the rate that the service allows this client now, for those who have to be told.
func (c *client) share() float64 { return c.counter.rate() / float64(c.counter.scenario.clients) }

// service draws the service with the given number, the same for every contestant.
func (p *plan) service(family string, number int) scenario {
	h := fnv.New64a()
	h.Write([]byte(family))
	return draw(family, rand.New(rand.NewPCG(p.seed, h.Sum64()+uint64(number))), p.length)
}

// prepare draws a service with the given number. If its jobs have an end, it measures how long a client takes that is
// told everything. A run is over after many times as long.
func (p *plan) prepare(t *testing.T, family string, number int) scenario {
	s := p.service(family, number)
	if s.rows != nil {
		s.reference = play(t, contestant{call: toldStatic}, s, nil).back
		s = p.service(family, number).measuredBy(s.reference)
	}
	return s
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
			cl.attempts, cl.park, cl.breaker = s.attempts, s.park, s.breaker
			if watch != nil {
				cl.watch = func(t *pipeline.Throttle) { watch(i, t) }
			}
			all.Go(func() {
				time.Sleep(s.offset(i))
				c.call(ctx, cl)
			})
		}
		over := time.AfterFunc(s.length, cancel)
		if watch != nil {
			time.Sleep(s.length) // the run is watched to its end
		}
		all.Wait()
		over.Stop()
		cancel()
	})
	return &counter.tally
}

// offset is how long a client starts after the first one. Clients that started at the very same moment would act in step
// for ever, since nothing is late in virtual time, and the scheduler would choose the same one to be served first.
func (s scenario) offset(client int) time.Duration {
	if client == 0 {
		return 0
	}
	return time.Duration(rand.New(rand.NewPCG(uint64(s.clients), uint64(client))).Int64N(int64(time.Second)))
}
