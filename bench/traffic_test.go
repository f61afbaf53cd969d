package main

import (
	"context"
	"iter"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/panics"

	"github.com/paceline-go/paceline/pipeline"
)

// A site is where a client finds the station that is in service now.
type site struct{ station atomic.Pointer[station] }

// A client sends jobs until the soak is over.
type client struct {
	soak   *soak
	number int
	site   *site
	jobs   int // made, ever
}

// A spoilage is what Cost or Weight does when it is asked about a job.
type spoilage int

const (
	sound spoilage = iota
	costPanics
	weightExits
)

func costOf(j job) int64 {
	if j.spoilt == costPanics {
		panic("Cost panicked")
	}
	return j.tokens
}

func weightOf(j job) float64 {
	if j.spoilt == weightExits {
		runtime.Goexit()
	}
	return j.weight
}

// A plan is how one run is made, and how it ends.
type plan struct {
	jobs     int
	buffer   int           // of the channel
	gap      time.Duration // between jobs, at most; 0: none
	ordered  bool
	costed   bool
	weighted bool
	each     bool // by Each, else by Run
	hangUp   time.Duration
	deadline time.Duration
	leave    int  // break out of Each at this result; below 0: never
	tantrum  bool // and then by a panic
	dud      bool // the iterator panics in the end
	slowness int  // the reader stops for seconds once in so many results; 0: never
}

func (d *dice) plan() plan {
	p := plan{
		jobs:     pick(d, d.from(0, 50), d.from(0, 3000)),
		buffer:   pick(d, 0, 1, 100),
		ordered:  d.oneIn(3),
		costed:   d.oneIn(2),
		weighted: d.oneIn(3),
		each:     d.oneIn(2),
		leave:    -1,
	}
	if d.oneIn(2) {
		p.gap = d.between(time.Millisecond, 100*time.Millisecond)
	}
	if d.oneIn(3) {
		p.slowness = d.from(5, 200)
	}
	switch d.IntN(6) {
	case 0:
		p.hangUp = d.between(10*time.Millisecond, 30*time.Second)
	case 1:
		p.deadline = d.between(10*time.Millisecond, 30*time.Second)
	case 2:
		p.leave, p.tantrum = d.from(0, 100), d.oneIn(4)
	case 3:
		p.dud = d.oneIn(2)
	}
	return p
}

// live makes one run after another.
func (c *client) live() {
	d := c.soak.dice(c.number)
	for !c.soak.isOver() {
		c.soak.seen.runs.Add(1)
		c.run(d, d.plan(), c.site.station.Load())
		c.soak.pause(d.between(time.Millisecond, 2*time.Second))
	}
}

// run makes a run, and sees to it that no job of it is missing in the end.
func (c *client) run(d *dice, p plan, st *station) {
	ctx, cancel := c.context(p)
	defer cancel()
	line := pipeline.Attach(st.throttle, st.work)
	if p.ordered {
		line.Ordered()
	}
	if p.costed {
		line.Cost(costOf)
	}
	if p.weighted {
		line.Weight(weightOf)
	}
	if p.each {
		c.loop(ctx, d, p, st, line)
	} else {
		c.channel(ctx, d, p, st, line)
	}
	c.soak.ledger.miss(c.number, "its run is over")
}

// context returns a context that ends as planned, and how to end it.
func (c *client) context(p plan) (context.Context, func()) {
	ctx, hangUp := context.WithCancelCause(context.Background())
	if p.hangUp > 0 {
		time.AfterFunc(p.hangUp, func() { hangUp(errHungUp) })
	}
	if p.deadline <= 0 {
		return ctx, func() { hangUp(errHungUp) }
	}
	ctx, cancel := context.WithTimeout(ctx, p.deadline)
	return ctx, func() {
		hangUp(errHungUp)
		cancel()
	}
}

// channel runs the plan from a channel to a channel.
func (c *client) channel(ctx context.Context, d *dice, p plan, st *station, line *pipeline.Pipeline[job, int]) {
	jobs := make(chan job, p.buffer)
	var sender conc.WaitGroup
	sender.Go(func() { c.send(ctx, p, st, jobs) })
	reader := c.newReader(d, p)
	for r := range line.Run(ctx, jobs) {
		reader.take(r)
	}
	sender.Wait()
	for {
		select {
		case j, ok := <-jobs:
			if !ok {
				return
			}
			c.soak.ledger.leave(j)
		default:
			return
		}
	}
}

// send sends the plan's jobs until the intake ends.
func (c *client) send(ctx context.Context, p plan, st *station, jobs chan<- job) {
	for j := range c.make(p, st) {
		select {
		case jobs <- j:
		case <-ctx.Done():
			c.soak.ledger.withdraw(j)
			return
		case <-st.throttle.Done():
			c.soak.ledger.withdraw(j)
			return
		}
	}
	close(jobs)
}

// make makes the plan's jobs.
func (c *client) make(p plan, st *station) iter.Seq[job] {
	return func(yield func(job) bool) {
		d := c.soak.dice(c.number, c.jobs)
		for range p.jobs {
			if c.soak.isOver() {
				return
			}
			j := c.newJob(d, p.costed, p.weighted)
			c.soak.ledger.offer(j, st)
			if !yield(j) {
				return
			}
			if p.gap > 0 && d.oneIn(3) {
				c.soak.pause(d.around(p.gap))
			}
		}
		if p.dud && p.each {
			panic(errTantrum)
		}
	}
}

// newJob makes up a job.
func (c *client) newJob(d *dice, costed, weighted bool) job {
	j := job{client: c.number, number: c.jobs, tokens: -1, weight: 1}
	c.jobs++
	if costed {
		j.tokens = d.Int64N(mostCost + 1)
	}
	if weighted {
		j.weight = pick(d, 0, 0.5, 1, 1, 1, 3)
	}
	switch d.IntN(500) {
	case 0:
		j.spoilt = costPanics
	case 1:
		j.spoilt = weightExits
	}
	return j
}

// errTantrum is what the soak's own code panics with.
const errTantrum = "a tantrum"

// loop runs the plan as a loop over an iterator.
func (c *client) loop(ctx context.Context, d *dice, p plan, st *station, line *pipeline.Pipeline[job, int]) {
	reader := c.newReader(d, p)
	defer func() {
		v := recover()
		if r, ok := v.(*panics.Recovered); ok { // the iterator's, on a goroutine of its own
			v = r.Value
		}
		if v != nil && v != errTantrum {
			panic(v)
		}
		if reader.left {
			c.soak.ledger.abandon(c.number)
		}
	}()
	for r := range line.Each(ctx, c.make(p, st)) {
		reader.take(r)
		if p.leave--; p.leave == 0 {
			reader.left = true
			if p.tantrum {
				panic(errTantrum)
			}
			break
		}
	}
}

// A reader reads results, and stops now and then.
type reader struct {
	client *client
	dice   *dice
	plan   plan
	last   int // job that came in order
	left   bool
}

func (c *client) newReader(d *dice, p plan) *reader {
	return &reader{client: c, dice: d, plan: p, last: -1}
}

func (r *reader) take(result pipeline.Result[job, int]) {
	j, s := result.In, r.client.soak
	s.ledger.giveBack(j, result.Attempts, result.Err)
	switch {
	case r.plan.ordered && j.number <= r.last:
		s.ledger.complain("job %v: came after job %d, but results are ordered", j, r.last)
	case result.Err == nil && result.Out != j.output():
		s.ledger.complain("job %v: its output is %d, want %d", j, result.Out, j.output())
	case result.Err != nil && result.Out != 0:
		s.ledger.complain("job %v: has output %d beside %v", j, result.Out, result.Err)
	case result.Waited < 0 || result.Took < 0:
		s.ledger.complain("job %v: waited %v and took %v", j, result.Waited, result.Took)
	}
	r.last = j.number
	if r.plan.slowness > 0 && r.dice.oneIn(r.plan.slowness) {
		s.pause(r.dice.between(time.Second, 10*time.Second))
	}
}
