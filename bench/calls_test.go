package main

import (
	"context"
	"errors"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/pipeline"
)

// call makes single calls, a few at once, through Execute and Wrap.
func (c *client) call() {
	d := c.soak.dice(c.number)
	for !c.soak.isOver() {
		st := c.site.station.Load()
		var calls conc.WaitGroup
		for range d.from(1, 8) {
			j := c.newJob(d, d.oneIn(2), true)
			ctx, cancel := c.callContext(d, j)
			calls.Go(func() {
				defer cancel()
				c.callOnce(ctx, j, st)
			})
		}
		calls.Wait()
		c.soak.ledger.miss(c.number, "its call has returned")
		c.soak.pause(d.between(10*time.Millisecond, 2*time.Second))
	}
}

// callContext returns a context for a call, which may end, and says what the job
// wants.
func (c *client) callContext(d *dice, j job) (context.Context, func()) {
	p := plan{}
	switch d.IntN(5) {
	case 0:
		p.hangUp = d.between(10*time.Millisecond, 10*time.Second)
	case 1:
		p.deadline = d.between(10*time.Millisecond, 10*time.Second)
	}
	ctx, cancel := c.context(p)
	ctx = pipeline.WithWeight(ctx, j.weight)
	if j.tokens >= 0 {
		ctx = pipeline.WithCost(ctx, j.tokens)
	}
	return ctx, cancel
}

// callOnce makes one call, whose work may end the goroutine.
func (c *client) callOnce(ctx context.Context, j job, st *station) {
	c.soak.ledger.offer(j, st)
	returned := false
	defer func() {
		if !returned {
			c.soak.ledger.vanish(j)
		}
	}()
	var out int
	var err error
	if j.number%2 == 0 {
		out, err = pipeline.Wrap(st.throttle, st.work)(ctx, j)
	} else {
		out, err = pipeline.Execute(ctx, st.throttle, func(ctx context.Context) (int, error) { return st.work(ctx, j) })
	}
	returned = true
	if err == nil && out != j.output() {
		c.soak.ledger.complain("job %v: the call returned %d, want %d", j, out, j.output())
	}
	c.soak.ledger.giveBack(j, unknown, err)
}

// hold holds slots by hand, some of them for long.
func (c *client) hold() {
	d := c.soak.dice(c.number)
	for !c.soak.isOver() {
		st := c.site.station.Load()
		j := c.newJob(d, d.oneIn(2), true)
		ctx, cancel := c.callContext(d, j)
		c.holdOnce(ctx, d, j, st)
		cancel()
		c.soak.pause(d.between(10*time.Millisecond, 5*time.Second))
	}
}

func (c *client) holdOnce(ctx context.Context, d *dice, j job, st *station) {
	c.soak.ledger.offer(j, st)
	slot, err := st.throttle.Acquire(ctx)
	if err != nil {
		c.soak.ledger.giveBack(j, 0, err)
		return
	}
	a := st.begin(j, slot.Attempt())
	a.answer.takes = d.between(10*time.Millisecond, 2*time.Minute)
	a.pass(context.Background())
	if a.answer.tokens >= 0 {
		slot.RecordTokens(a.answer.tokens)
	}
	if a.answer.fault == quota {
		slot.Hint(a.answer.hint)
	}
	if a.answer.fault == panicking || a.answer.fault == exits {
		a.answer.fault = plainError
	}
	err = a.outcome()
	a.end()
	c.soak.ledger.giveBack(j, 1, err)
	slot.Release(err)
	slot.Release(errors.New("a second time"))
}

// record tells throttles of what did not pass through them.
func (c *client) record() {
	d := c.soak.dice(c.number)
	for !c.soak.isOver() {
		st := c.site.station.Load()
		switch d.IntN(3) {
		case 0:
			st.throttle.RecordSuccess(d.between(time.Millisecond, time.Second), d.Int64N(mostCost))
			c.soak.ledger.recorded(st, nil)
		case 1:
			err := pick(d, nil, errHungUp, pipeline.Fatal(errHungUp), pipeline.Overloaded(errHungUp, d.between(time.Millisecond, time.Second)))
			st.throttle.RecordFailure(err)
			c.soak.ledger.recorded(st, errHungUp)
		case 2:
			st.throttle.RecordTokens(d.Int64N(mostCost))
		}
		c.soak.pause(d.between(100*time.Millisecond, 10*time.Second))
	}
}

// recorded counts what a throttle was told of.
func (l *ledger) recorded(st *station, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		st.completed++
	} else {
		st.failed++
	}
}
