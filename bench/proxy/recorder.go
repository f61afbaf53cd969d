package main

import (
	"context"
	"errors"
	"time"
)

// A recorder owns what is known of a round. Its goroutine counts what it is told until the round's context is done;
// what ends after that does not count.
type recorder struct {
	ctx     context.Context
	notes   chan note
	gauges  chan func() gauge
	records chan record // takes one, at the end
}

// A note tells of an attempt or a job.
type note struct {
	what event
	took time.Duration // of an attempt that ended
}

type event int

const (
	started event = iota
	succeeded
	refused
	failed    // an attempt that was not refused
	jobFailed // a job that will not be tried again
)

// A gauge is what a contestant can tell of itself.
type gauge struct {
	limit    int
	interval time.Duration
}

// A record is all that is known of a round.
type record struct {
	tally
	latencies []time.Duration // of successes
	samples   []sample
}

// A tally counts notes.
type tally struct {
	started, succeeded, refused, failed, jobsFailed int
}

func (t tally) minus(u tally) tally {
	return tally{
		started:    t.started - u.started,
		succeeded:  t.succeeded - u.succeeded,
		refused:    t.refused - u.refused,
		failed:     t.failed - u.failed,
		jobsFailed: t.jobsFailed - u.jobsFailed,
	}
}

func (t tally) ended() int    { return t.succeeded + t.refused + t.failed }
func (t tally) inFlight() int { return t.started - t.ended() }

// wasted is the share of attempts that came to nothing.
func (t tally) wasted() float64 {
	if t.ended() == 0 {
		return 0
	}
	return float64(t.refused+t.failed) / float64(t.ended())
}

// A sample is what happened between two ticks.
type sample struct {
	at       time.Duration // since the start of the round
	inFlight int
	gauge
	tally               // since the sample before
	mean  time.Duration // of successes; 0: there was none
}

const samplePeriod = 250 * time.Millisecond

func newRecorder(ctx context.Context) *recorder {
	r := &recorder{
		ctx:     ctx,
		notes:   make(chan note, 256),
		gauges:  make(chan func() gauge, 1),
		records: make(chan record, 1),
	}
	go r.run()
	return r
}

func (r *recorder) run() {
	tick := time.NewTicker(samplePeriod)
	defer tick.Stop()
	var (
		now   record
		last  record
		read  = func() gauge { return gauge{} }
		begin = time.Now()
	)
	for {
		select {
		case n := <-r.notes:
			now.add(n)
		case read = <-r.gauges:
		case <-tick.C:
			s := sample{at: time.Since(begin), inFlight: now.inFlight(), gauge: read(), tally: now.minus(last.tally)}
			s.mean = mean(now.latencies[len(last.latencies):])
			now.samples, last = append(now.samples, s), now
		case <-r.ctx.Done():
			r.records <- now
			return
		}
	}
}

func (r *record) add(n note) {
	switch n.what {
	case started:
		r.started++
	case succeeded:
		r.succeeded++
		r.latencies = append(r.latencies, n.took)
	case refused:
		r.refused++
	case failed:
		r.failed++
	case jobFailed:
		r.jobsFailed++
	}
}

func mean(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	return sum / time.Duration(len(all))
}

// tell is silent once the round is over: what its end has broken off is nobody's failure.
func (r *recorder) tell(n note) {
	if r.ctx.Err() != nil {
		return
	}
	select {
	case r.notes <- n:
	case <-r.ctx.Done():
	}
}

// watch reads a contestant's gauge with each sample.
func (r *recorder) watch(read func() gauge) { r.gauges <- read }

// attempt returns get with each call of it recorded.
func (r *recorder) attempt(get func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		begin := time.Now()
		r.tell(note{what: started})
		err := get(ctx)
		r.tell(note{what: outcome(err), took: time.Since(begin)})
		return err
	}
}

func outcome(err error) event {
	var no *refusal
	switch {
	case err == nil:
		return succeeded
	case errors.As(err, &no):
		return refused
	}
	return failed
}

// jobEnded takes the last error of a job.
func (r *recorder) jobEnded(err error) {
	if err != nil {
		r.tell(note{what: jobFailed})
	}
}
