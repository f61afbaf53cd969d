package stage

import (
	"maps"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// end takes a job whose attempt has ended: it is done with, or tried again.
func (d *Dispatcher) end(j *Job) {
	d.leaveFlight(j)
	if j.verdict != controller.Succeeded {
		d.recall()
	}
	d.hear(j)
	d.weigh(j)
	d.overlook(j)
	d.follow(j)
	d.learnMiss(j)
	d.gate.settle(d.now, j)
	d.watchCircuit(j.Err)
	d.waitAsked(j)
	wait, again := d.backoff(j)
	d.tell(j)
	if !again {
		d.tellGivenUp(j)
		d.finish(j, j.Err)
		return
	}
	d.tryAgain(j, wait)
}

// weigh decides whose fault a refusal is. One that is the job's own is no sign of
// overload. When that is beyond doubt, the job is set aside, or it uses up one of its attempts
// as a failure does.
func (d *Dispatcher) weigh(j *Job) {
	j.own = false
	switch j.verdict {
	case controller.Succeeded:
		d.peers.Accept()
		return
	case controller.Overload:
	default:
		return
	}
	if j.spent { // it is of its resource
		j.own, j.counted = true, controller.Ignored
		return
	}
	if j.own = d.peers.Refuse(&j.evidence, d.running); j.own {
		j.counted = controller.Ignored
	}
	retry := d.attempts.rules.Load().retry
	if !j.again || !j.excused || retry == nil || !j.evidence.Convicted() {
		return
	}
	d.convict(j, retry)
}

// backoff returns how long a job has to wait for another attempt, if it is to
// have one and there is time.
func (d *Dispatcher) backoff(j *Job) (wait time.Duration, again bool) {
	if !j.again {
		return 0, false
	}
	rules := d.attempts.rules.Load()
	retry := rules.retry
	switch {
	case j.door.canceled:
		j.again, j.Err = false, j.abandoned()
		return 0, false
	case retry == nil: // not any more
		j.exhaust()
		return 0, false
	}
	if asked := max(j.retryAfter, j.askedFor()); asked > rules.maxPause { // also if it is for this job alone
		j.Err = j.stopped(&PauseError{RetryAfter: asked, MaxPause: rules.maxPause})
		j.exhaust()
		return 0, false
	}
	attempts := j.Attempts
	if j.aside {
		attempts = j.failures + 1 // what it was refused before says nothing of how long it has to wait alone
	}
	wait = max(retry.Delay(attempts, d.gate.random.Float64()), j.retryAfter)
	if err := rules.tooDear(j); err != nil { // not before an update
		j.again, j.Err = false, j.stopped(err)
		return 0, false
	}
	if d.late(j.door, wait) {
		j.again, j.Err = false, j.stopped(d.tooLate(j))
		return 0, false
	}
	if c := j.door.call; c != nil && c.bounded && wait > c.most {
		j.again, j.Err = false, j.stopped(d.backoffError(c, wait))
		return 0, false
	}
	waits := d.gate.resourceWait(d.now, j) > 0
	j.holding = !retry.Park && !j.own && !j.alone && !waits // or a few bad rows would slow the good ones
	return wait, true
}

// tell counts an attempt and puts its outcome into the report.
func (d *Dispatcher) tell(j *Job) {
	if j.skipped {
		return
	}
	if j.Attempts > 1 {
		d.status.Retries++
	}
	if j.hedge {
		d.status.Hedges++
	}
	d.count(j.verdict, j.tokens)
	if used := j.recorded(); used != nil {
		d.countNamed(used)
	}
	d.reporter.end(controller.End{
		Start:      j.started,
		Took:       j.ended - j.started,
		Tokens:     max(j.tokens, 0),
		Seq:        j.seq,
		RetryAfter: d.gate.lengthened(j.askedFor()),
		InFlight:   j.inFlight,
		Attempt:    int32(j.Attempts),
		Own:        j.own,
		Trouble:    j.verdict == controller.Overload && (j.trouble || d.gate.told.HasLeft(d.now, j.mark.own)),
		Verdict:    j.verdict,
		Final:      !j.again,
		Paced:      j.paced,
	})
}

// count counts an attempt and what it recorded.
func (d *Dispatcher) count(v controller.Verdict, tokens int64) {
	d.status.Attempts.Add(v)
	switch v {
	case controller.Overload:
		d.status.LastRefused++
	case controller.Succeeded, controller.Failed:
		d.status.LastRefused = 0
	}
	d.countTokens(tokens)
}

func (d *Dispatcher) countTokens(tokens int64) {
	if tokens > 0 {
		d.status.Tokens += min(tokens, mostTokens)
	}
}

// countNamed counts what an attempt recorded by name. The controller may still read the map that
// there was.
func (d *Dispatcher) countNamed(used *Named) {
	all := maps.Clone(d.status.Used)
	if all == nil {
		all = make(controller.Amounts)
	}
	for _, a := range used.amounts {
		all[a.name] += a.n
	}
	d.status.Used = all
}

// tryAgain lets a job back off, with its slot unless it is to be parked.
func (d *Dispatcher) tryAgain(j *Job, wait time.Duration) {
	j.due = d.now.Add(wait)
	if j.door.roams {
		d.tellRetry(j, wait)
		j.holding = false
		d.returnJob(j, TryAgain)
		return
	}
	if j.holding {
		d.holding++
		if j.excused {
			d.refused++
		}
	}
	d.retries.add(j)
	j.door.suspectOf(j)
	if c := j.door.call; c != nil {
		d.bind(c, d.now)
	}
	d.tellRetry(j, wait)
}

// tellRetry tells that a job backs off, or is set aside.
func (d *Dispatcher) tellRetry(j *Job, wait time.Duration) {
	kind := controller.EventRetry
	if j.aside {
		kind, wait = controller.EventSetAside, d.asideAt(j).Sub(d.now)
	}
	d.note(controller.Event{Kind: kind, Attempt: j.Attempts - 1, Err: j.Err, Wait: wait})
}

// release frees the slot of a job that backs off with it.
func (d *Dispatcher) release(j *Job) {
	if j.holding {
		j.holding = false
		d.holding--
		if j.excused {
			d.refused--
		}
	}
}
