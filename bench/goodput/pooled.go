package main

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// poolFamily is the family of services that are several.
const poolFamily = "pool"

// pooled are three services that can do the same jobs. An attempt says which of them it is for; one that does not goes to
// the next one in turn, as behind a load balancer.
type pooled struct {
	members []scenario
	turn    int
}

func (p *pooled) Arrive(now time.Duration, j job) answer {
	if j.member == 0 {
		j.member = p.turn%len(p.members) + 1
		p.turn++
	}
	return p.members[j.member-1].service.Arrive(now, j)
}

// Truth is the rate of all that are not down.
func (p *pooled) Truth(now time.Duration) (sum truth) {
	for _, m := range p.members {
		if !m.service.Truth(now).Down {
			sum.Rate += m.rate(now)
		}
	}
	return sum
}

// pool draws three members: one stays as it is, one changes, and one is down for a while.
func (d dice) pool(s *scenario) {
	p := new(pooled)
	for i := range 3 {
		m := scenario{latency: s.latency, clients: 1, length: d.length}
		switch i {
		case 0:
			d.rate(&m, constant(logUniform(d.Rand, slowest, fastest/3)), hints(d.IntN(3)))
		case 1:
			if d.IntN(2) == 0 {
				d.rate(&m, steps(d.Rand, slowest, fastest/3, d.length), hints(d.IntN(3)))
			} else {
				d.slots(&m, func() limit { return steps(d.Rand, 1, mostAtOnce/3, d.length) })
			}
		case 2:
			d.outage(&m)
		}
		p.members = append(p.members, m)
		s.workers += m.workers
		s.oracle += m.oracle
		if i > 0 {
			s.about += " | "
		}
		s.about += m.about
	}
	s.service = p
	s.latency = p.members[0].latency
	s.about = fmt.Sprintf("three: %s", s.about)
}

// runPool does all jobs by a pool of the members, of each of which it is told how many workers it may have.
func (c *client) runPool(ctx context.Context, cfg pipeline.Config, p *pooled) {
	var members []pipeline.Member[int]
	for i, m := range p.members {
		cfg.MaxConcurrency = m.workers
		members = append(members, pipeline.Member[int]{Name: fmt.Sprint(i + 1), Value: i + 1, Config: cfg})
	}
	pool, err := pipeline.NewPool(members...)
	if err != nil {
		panic(err) // the configuration is ours
	}
	if c.watch != nil {
		c.watch(pool.Throttle("1"))
	}
	line := pipeline.ByChoice(pool, func(ctx context.Context, member int, j job) (struct{}, error) {
		j.member = member
		return c.work(ctx, j)
	})
	c.take(line.Run(ctx, c.feed(ctx, false)))
}

// members are the members of a pool, or the only service as the only one.
func (c *client) members() []scenario {
	if p, ok := c.counter.scenario.service.(*pooled); ok {
		return p.members
	}
	return []scenario{{workers: c.workers}}
}

// eachMember runs a pipeline for each member, side by side, which draw from the same jobs without end: what the members'
// throttles make of them without a pool.
func eachMember(ctx context.Context, c *client) {
	var all sync.WaitGroup
	for i, m := range c.members() {
		one := *c
		one.workers, one.member = m.workers, i+1
		all.Go(func() { paceline(pipeline.Seek{})(ctx, &one) })
	}
	all.Wait()
}

// What LiteLLM's router does by default when a deployment fails, in its version 1.9x: it leaves it out for some seconds, or
// for as long as Retry-After says, after one 429, or when more than half of at least five calls of the minute have failed.
const (
	coolFor    = 5 * time.Second
	coolShare  = 0.5
	coolLeast  = 5
	coolWithin = time.Minute
)

// A deployment is a member as the least-busy strategy sees it.
type deployment struct {
	inFlight      int
	calls, failed int // of the minute
	minute        time.Time
	coolUntil     time.Time
}

// leastBusy sends each attempt to the member with the fewest in flight of those that are not left out, after LiteLLM's
// strategy of that name. When all are left out, it waits for the first.
func leastBusy(ctx context.Context, c *client) {
	var mu sync.Mutex
	all := make([]deployment, len(c.members()))
	pick := func() (best int, wait time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		best, wait = -1, time.Duration(math.MaxInt64)
		for i, d := range all {
			if left := time.Until(d.coolUntil); left > 0 {
				wait = min(wait, left)
			} else if best < 0 || d.inFlight < all[best].inFlight {
				best = i
			}
		}
		if best >= 0 {
			all[best].inFlight++
		}
		return best, wait
	}
	end := func(i int, err error) {
		mu.Lock()
		defer mu.Unlock()
		d, now := &all[i], time.Now()
		d.inFlight--
		if now.Sub(d.minute) > coolWithin {
			d.minute, d.calls, d.failed = now, 0, 0
		}
		d.calls++
		if err == nil {
			return
		}
		d.failed++
		if err != errFailed {
			d.coolUntil = now.Add(max(coolFor, retryAfter(err)))
		} else if d.calls >= coolLeast && float64(d.failed) > coolShare*float64(d.calls) {
			d.coolUntil = now.Add(coolFor)
		}
	}
	c.pool(ctx, c.withBackoff(ctx, func(j job) error {
		i, wait := pick()
		for ; i < 0 && ctx.Err() == nil; i, wait = pick() {
			time.Sleep(wait)
		}
		if i < 0 {
			return ctx.Err()
		}
		j.member = i + 1
		err := c.attempt(j)
		end(i, err)
		return err
	}))
}
