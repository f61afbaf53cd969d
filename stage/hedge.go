package stage

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// A Hedge makes a second attempt beside one that takes long, and takes the answer of whichever
// succeeds first (Dean and Barroso, "The Tail at Scale", 2013). The second one passes what every
// attempt passes: it takes a slot, and its part of the budgets, or is not made.
type Hedge struct {
	quantile  float64
	share     float64
	allowance *controller.Allowance
	seen      atomic.Int64  // attempts that were learned of
	latency   atomic.Uint64 // the quantile, in seconds, as math.Float64bits has it
}

// NewHedge returns a hedge of those attempts that take longer than the quantile of others, above 0
// and below 1, and of no more than a share of all.
func NewHedge(quantile, share float64) *Hedge {
	h := &Hedge{quantile: quantile, share: share, allowance: controller.NewAllowance(mostSaved)}
	for h.allowance.Spend() { // so that the share holds from the start
	}
	return h
}

const (
	// mostSaved is how many second attempts are saved up. Chosen: slow answers come in small groups,
	// and a service that is slow all of a sudden gets no more than this at once.
	mostSaved = 10

	// enoughSeen is how many attempts show the quantile. Chosen: of a hundred, one or two are above it.
	enoughSeen = 100

	// quantileStep is the share by which the quantile moves. Chosen: as it follows a service that
	// is twice as slow within some twenty attempts, and otherwise stays within a tenth.
	quantileStep = 0.05

	// firstStep is the same until enough is seen, since the first answer may be anywhere.
	firstStep = 0.2
)

var (
	errFaster    = errors.New("paceline: a second attempt beside this one was faster")
	errOvertaken = errors.New("paceline: the first attempt was faster")
)

// Do calls first, as the work of the attempt that ctx belongs to. If that takes long, it calls
// second beside it, once there is room for another attempt. Whichever succeeds first ends the
// other one, by its context, and Do returns when both have returned: second is true if its result
// is what counts. Outside an attempt there is no second one.
func (h *Hedge) Do(ctx context.Context, first, second func(context.Context) error) (bySecond bool, err error) {
	slot := SlotFrom(ctx)
	if slot.dispatcher == nil || slot.job == nil || slot.job.hedge {
		return false, first(ctx)
	}
	now := slot.dispatcher.attempts.now
	begin := now()
	defer func() {
		if err == nil {
			h.learn(now() - begin)
		}
	}()
	h.allowance.Earn(h.share)
	if h.seen.Load() < enoughSeen {
		return false, first(ctx)
	}
	one, stopOne := context.WithCancelCause(ctx)
	defer stopOne(nil)
	other, stopOther := context.WithCancelCause(ctx)
	var beside conc.WaitGroup
	var won bool
	beside.Go(func() {
		if won = h.second(other, slot, second); won {
			stopOne(errFaster)
		}
	})
	wait := func() {
		stopOther(errOvertaken)
		beside.Wait()
	}
	defer wait() // also if first panics
	err = first(one)
	wait()
	if err != nil && won {
		return true, nil
	}
	return false, err
}

// second makes the second attempt, when the first has taken long, and reports whether it succeeded.
func (h *Hedge) second(ctx context.Context, slot *Slot, work func(context.Context) error) (succeeded bool) {
	d := slot.dispatcher
	for allowed := false; !allowed; allowed = h.pay(d) { // it may be allowed later
		if !sleep(ctx, d.attempts.clock, h.after()) {
			return false
		}
	}
	c := calls.Get().(*call)
	c.once, c.hedge, c.Parts = true, true, noParts
	c = d.call(ctx, c, Asked{Ask: slot.job.Ask, Named: slot.job.Named, Share: Share{Priority: topPriority}}, false)
	held, err := d.holdSlot(ctx, c)
	if err != nil {
		h.payBack(d)
		return false
	}
	err = ErrGoexit // in case nothing after the next lines happens
	defer func() {
		if v := recover(); v != nil {
			err = NewPanicError(v)
		}
		held.Release(err)
		succeeded = err == nil
	}()
	err = work(c.scope)
	return
}

// sleep returns false if ctx is done before.
func sleep(ctx context.Context, clk clock.Clock, wait time.Duration) bool {
	timer := clk.Timer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// noParts is for an attempt that is no job of its own.
func noParts(error) (completed, failed int64) { return 0, 0 }

// pay takes a second attempt out of what is allowed: by the hedge, and by the retry budget.
func (h *Hedge) pay(d *Dispatcher) bool {
	if !h.allowance.Spend() {
		return false
	}
	if r := d.attempts.rules.Load().retry; r != nil && r.Budget > 0 && !d.attempts.allowance.Spend() {
		h.allowance.Earn(1)
		return false
	}
	return true
}

// payBack returns it, since there was none.
func (h *Hedge) payBack(d *Dispatcher) {
	h.allowance.Earn(1)
	if r := d.attempts.rules.Load().retry; r != nil && r.Budget > 0 {
		d.attempts.allowance.Earn(1)
	}
}

// after returns how long an attempt may take before there is a second one; less than a millisecond is not worth one.
func (h *Hedge) after() time.Duration {
	return max(time.Duration(math.Float64frombits(h.latency.Load())*float64(time.Second)), time.Millisecond)
}

// learn moves the quantile towards how long an attempt took, which with a second one is longer than
// it: up by so much for one that took longer, and down for one that did not that in the end the
// quantile's share of them takes longer (Ma, Muthukrishnan and Sandler, "Frugal Streaming for
// Estimating Quantiles", 2013, with steps in proportion).
func (h *Hedge) learn(took time.Duration) {
	x, step := max(took.Seconds(), 1e-9), quantileStep
	if h.seen.Add(1) <= enoughSeen {
		step = firstStep
	}
	for {
		was := h.latency.Load()
		q := math.Float64frombits(was)
		switch {
		case q == 0:
			q = x
		case x > q:
			q *= 1 + step*h.quantile
		default:
			q *= 1 - step*(1-h.quantile)
		}
		if h.latency.CompareAndSwap(was, math.Float64bits(q)) {
			return
		}
	}
}
