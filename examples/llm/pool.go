package main

import (
	"context"
	"errors"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// pool is the engine of several keys, each with a throttle of its own. A prompt goes to one whose quotas have room for it now. Money is
// one budget for all.
type pool struct {
	keys    *pipeline.Pool[caller]
	costs   func(job) pipeline.Amounts
	purse   *purse // nil: money has no bound
	leaving chan<- departure
	ended   <-chan struct{} // nobody takes what leaves any more

	clock   clock.Clock
	started time.Time
	total   int // prompts of the bulk
}

// caller asks a member.
type caller struct {
	member  string
	options // as if it were the only one
	ask     asker
}

// departure says that a member is left out from now on, and why.
type departure struct {
	name string
	err  error
}

// awayAfter is how many failures in a row show that a member is away. Chosen: by chance, so many are rare.
const awayAfter = 20

func newPool(o options, b *backend, cfg pipeline.Config, leaving chan<- departure, ended <-chan struct{}) (*pool, error) {
	p := &pool{costs: o.costs, leaving: leaving, ended: ended, clock: cfg.Clock, started: cfg.Clock.Now(), total: cfg.TotalJobs}
	var all []pipeline.Member[caller]
	for _, m := range o.members {
		own := o.of(m)
		c := own.throttleConfig()
		c.Clock, c.OnEvent = cfg.Clock, cfg.OnEvent
		c.Breaker = &pipeline.Breaker{Failures: awayAfter, OpenFor: o.scale(10 * time.Second)}
		all = append(all, pipeline.Member[caller]{Name: m.name, Config: c, Value: caller{m.name, own, newAsker(own, b.of(own, m), b.base)}})
	}
	var err error
	if p.keys, err = pipeline.NewPool(all...); err != nil {
		return nil, err
	}
	if o.dollars > 0 {
		p.purse, err = newPurse(o, cfg.Clock)
	}
	return p, err
}

// of is where a member is.
func (b *backend) of(o options, m member) string {
	if b.server != nil {
		return o.path(b.server.URL())
	}
	return m.url
}

func (p *pool) stage() pipeline.Stage[job, answer] {
	return pipeline.ByChoice(p.keys, p.ask).Costs(p.costs).Ordered()
}

func (p *pool) execute(ctx context.Context, j job, begun func()) error {
	_, err := pipeline.ExecuteAny(ctx, p.keys, func(ctx context.Context, c caller) (answer, error) {
		begun()
		return p.ask(ctx, c, j)
	})
	return err
}

// ask is one attempt by one of the members. If that is refused for what its key or model is, it is left out, and another one has the
// prompt.
func (p *pool) ask(ctx context.Context, c caller, j job) (answer, error) {
	a, err := p.purse.pay(ctx, c.prices, j, func() (answer, error) { return c.ask(ctx, j) })
	a.Member, a.Model = c.member, c.name()
	var refused *setupError
	if errors.As(err, &refused) {
		p.leave(c.member, refused)
		return a, pipeline.Transient(refused.serverError)
	}
	return a, err
}

// leave takes a member out. Several attempts at it may find out at once.
func (p *pool) leave(name string, why error) {
	t := p.keys.Throttle(name)
	select {
	case <-t.Done():
		return
	default:
	}
	t.Close()
	select {
	case p.leaving <- departure{name, why}:
	case <-p.ended:
	}
}

func (p *pool) Close() { p.keys.Close() }

func (p *pool) save() error { return p.purse.save() }

// Snapshot is the sum of the members.
func (p *pool) Snapshot() pipeline.Snapshot {
	sum := pipeline.Snapshot{Used: pipeline.Amounts{}, ETA: -1}
	for _, k := range p.keys.Snapshot().Keys {
		sum.InFlight += k.InFlight
		sum.Concurrency += k.Concurrency
		sum.Completed += k.Completed
		sum.Failed += k.Failed
		sum.Tokens += k.Tokens
		sum.Attempts.Succeeded += k.Attempts.Succeeded
		sum.Attempts.Overloaded += k.Attempts.Overloaded
		sum.Attempts.Failed += k.Attempts.Failed
		sum.Attempts.Ignored += k.Attempts.Ignored
		for name, n := range k.Used {
			sum.Used[name] += n
		}
	}
	if sum.Completed > 0 {
		left := max(int64(p.total)-sum.Completed, 0)
		sum.ETA = time.Duration(float64(p.clock.Since(p.started)) * float64(left) / float64(sum.Completed))
	}
	return sum
}
