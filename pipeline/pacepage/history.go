package pacepage

import (
	"slices"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A span is how far back a history goes, and in what steps.
type span struct {
	back  time.Duration
	ticks int64 // that make one step
}

// spans are what the page offers. An hour takes no more room than ten minutes: who
// looks back further wants to see less of each second.
var spans = [...]span{
	{time.Minute, 1},
	{10 * time.Minute, 2},
	{time.Hour, 10},
}

func (s span) step() time.Duration { return time.Duration(s.ticks) * tick }
func (s span) steps() int          { return int(s.back / s.step()) }

// history is what a throttle did, over each of the spans.
type history [len(spans)]ring

func (h *history) add(number int64, b bucket) {
	for i := range h {
		h[i].add(spans[i], number, b)
	}
}

// forgetBudgets is for budgets that are not those of before.
func (h *history) forgetBudgets() {
	for i := range h {
		for j := range h[i] {
			h[i][j].used = nil
		}
	}
}

// ring holds the newest buckets of one span, the oldest first.
type ring []bucket

// add puts what happened in a tick into the step that it belongs to. After a
// machine has slept, an empty bucket marks the gap.
func (r *ring) add(s span, number int64, b bucket) {
	b.step, b.changed = number/s.ticks, number
	if n := len(*r); n > 0 {
		last := &(*r)[n-1]
		if last.step == b.step {
			last.merge(b)
			return
		}
		if b.at.Sub(last.at) > 3*s.step() {
			r.push(s, bucket{at: last.at.Add(s.step()), step: b.step - 1, changed: number})
		}
	}
	r.push(s, b)
}

func (r *ring) push(s span, b bucket) {
	if len(*r) == s.steps() {
		*r = append((*r)[:0], (*r)[1:]...)
	}
	*r = append(*r, b)
}

// since returns the buckets that changed in a tick or later.
func (r ring) since(number int64) ring {
	i := len(r)
	for i > 0 && r[i-1].changed >= number {
		i--
	}
	return r[i:]
}

// A bucket is what a throttle did in one step, mostly sums of the samples that were
// taken in it. One throttle has some thousand of them, so they are small.
type bucket struct {
	at            time.Time // of the first sample
	step, changed int64

	samples                            float32
	limit, inFlight, waiting, interval float32   // summed over the samples; the interval in seconds
	used                               []float32 // share of each budget at the end; never written to, so that spans may share it

	seconds               float32 // that the counts below are from
	done, refused, failed float32
	held                  [holds]float32        // seconds, by cause
	circuit               pipeline.CircuitState // the worst
}

// holds is how many causes of waiting there are.
const holds = 6

func heldTimes(h pipeline.HeldTimes) [holds]time.Duration {
	return [...]time.Duration{h.Limit, h.Pace, h.Budget, h.Rate, h.Circuit, h.Server}
}

func (b *bucket) merge(o bucket) {
	b.changed = o.changed
	b.samples += o.samples
	b.limit += o.limit
	b.inFlight += o.inFlight
	b.waiting += o.waiting
	b.interval += o.interval
	b.seconds += o.seconds
	b.done += o.done
	b.refused += o.refused
	b.failed += o.failed
	for i := range b.held {
		b.held[i] += o.held[i]
	}
	b.used = o.used
	if worse(o.circuit, b.circuit) {
		b.circuit = o.circuit
	}
}

// worse puts half-open between open and closed.
func worse(a, b pipeline.CircuitState) bool {
	rank := [...]int{pipeline.BreakerClosed: 0, pipeline.BreakerHalfOpen: 1, pipeline.BreakerOpen: 2}
	return rank[a] > rank[b]
}

// A sample is a snapshot and when it was taken.
type sample struct {
	at time.Time
	pipeline.Snapshot
}

// bucketOf returns what a sample says, beside the one before it, if there is one.
func bucketOf(s sample, before *sample) bucket {
	b := bucket{
		at:       s.at,
		samples:  1,
		limit:    float32(s.Concurrency),
		inFlight: float32(s.InFlight),
		waiting:  float32(s.Waiting),
		interval: float32(s.DispatchInterval.Seconds()),
		circuit:  s.Circuit,
	}
	for _, budget := range s.Budgets {
		b.used = append(b.used, float32(budget.Used)/float32(budget.Tokens))
	}
	if before == nil {
		return b
	}
	b.seconds = float32(s.at.Sub(before.at).Seconds())
	b.done = float32(s.Completed - before.Completed)
	b.refused = float32(s.Attempts.Overloaded - before.Attempts.Overloaded)
	b.failed = float32(s.Attempts.Failed - before.Attempts.Failed)
	now, then := heldTimes(s.Held), heldTimes(before.Held)
	for i := range b.held {
		b.held[i] = float32((now[i] - then[i]).Seconds())
	}
	return b
}

// sameBudgets reports whether the columns of two samples mean the same budgets.
func sameBudgets(a, b []pipeline.BudgetSnapshot) bool {
	return slices.EqualFunc(a, b, func(a, b pipeline.BudgetSnapshot) bool { return a.Budget == b.Budget })
}
