package stage

import (
	"context"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// Record takes the outcome of work that did not pass through here: a success if
// err is nil. It counts as a job.
func (d *Dispatcher) Record(err error, took time.Duration, tokens int64) {
	r := d.attempts.rules.Load()
	j := &Job{Err: err, once: true, door: &Door{ctx: context.Background()}}
	exited := true
	defer func() {
		if exited { // Classify has ended this goroutine
			j.verdict, j.counted = controller.Ignored, controller.Ignored
		}
		d.do(func() { d.record(j, took, tokens) })
	}()
	r.judgeSafely(j, false, d.attempts.allowance)
	exited = false
}

func (d *Dispatcher) record(j *Job, took time.Duration, tokens int64) {
	tokens = min(tokens, mostTokens)
	if j.verdict != controller.Succeeded {
		d.recall()
		d.streak = 0
	}
	j.ended = d.now.Sub(d.attempts.epoch)
	d.hear(j)
	d.weigh(j)
	d.overlook(j)
	if d.gate.circuit != nil {
		d.gate.circuit.Record(d.now, j.counted)
		d.gate.spread.overOpen(d.now, d.gate.circuit)
	}
	d.watchCircuit(j.Err)
	if j.verdict == controller.Succeeded {
		d.status.Completed++
	} else {
		d.status.Failed++
		d.waitAsked(j)
	}
	d.count(j.verdict, tokens)
	if tokens > 0 {
		d.gate.usage.Add(tokens)
	}
	d.gate.record(d.now, use{tokens: tokens, requests: 1})
	d.reporter.end(controller.End{
		Start:      max(d.now.Sub(d.attempts.epoch)-took, 0),
		Took:       took,
		Tokens:     tokens,
		Seq:        d.attempts.begun.Load(), // it has no number of its own
		RetryAfter: d.gate.lengthened(j.askedFor()),
		InFlight:   int32(d.running + 1),
		Verdict:    j.verdict,
		Final:      true,
	})
}

// RecordUsage takes what was used, by a name, by work that did not pass through here.
func (d *Dispatcher) RecordUsage(name string, n int64) {
	d.do(func() {
		used := new(Named)
		used.add(name, n)
		d.countNamed(used)
		d.gate.record(d.now, use{named: used})
	})
}

// RecordTokens takes tokens that were used by work that did not pass through
// here.
func (d *Dispatcher) RecordTokens(n int64) {
	d.do(func() {
		d.countTokens(n)
		d.gate.record(d.now, use{tokens: min(n, mostTokens)})
	})
}
