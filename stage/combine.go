package stage

import "time"

// The right to act for the dispatcher is a token, awake. Who holds it empties the mailbox, and nobody
// else touches what belongs to the dispatcher. It is held by a goroutine of the dispatcher's own, or by
// a caller that has something for it while nobody else is at it: then nothing has to be handed from one
// goroutine to another. (Flat combining: Hendler, Incze, Shavit, Tzafrir, Flat Combining and the
// Synchronization-Parallelism Tradeoff, SPAA 2010.)

// mostRounds is how often a caller empties the mailbox, for itself and for those who come meanwhile,
// before it leaves that to a goroutine. Chosen: nearly always once is enough, and a round is as long as
// those who wait are many.
const mostRounds = 4

// send puts messages into the mailbox, and starts the goroutine if nobody is there to read them.
func (d *Dispatcher) send(b Batch) {
	d.mailbox.push(b)
	d.wake()
}

func (d *Dispatcher) wake() {
	if d.seize() {
		go d.loop()
	}
}

// serve puts a message into the mailbox. The calling goroutine reads it, unless somebody is at it
// already, and reports whether it has. It must be able to wait for the workers and the controller to
// leave. now is what it has just read of the clock; 0: nothing.
func (d *Dispatcher) serve(j *Job, now time.Duration) (read bool) {
	var b Batch
	b.Add(j)
	d.mailbox.push(b)
	if !d.seize() {
		return false
	}
	d.read = now
	d.combine()
	return true
}

// leaveMail puts a message into the mailbox that can wait for the next one, or for the alarm, if the
// dispatcher is patient. Where it has ceased to be, either that is seen here, or the message before
// the token is put down.
func (d *Dispatcher) leaveMail(j *Job) {
	var b Batch
	b.Add(j)
	d.mailbox.push(b)
	if !d.patient.Load() && d.seize() {
		d.combine()
	}
}

// bePatient publishes whether the end of a call that succeeded need not be looked at soon: the alarm is
// set, or the controller is about to answer; nobody waits for a slot; nobody else draws on what we do;
// and neither workers nor the controller wait to be sent home. For calls that come one after another
// there is then one round each.
func (d *Dispatcher) bePatient() {
	calm := d.jobs == d.running && d.holding == 0 && !d.roamed && d.gate.commons == nil && !d.status.Closed
	alone := d.pool.alive.Load() == 0 && len(d.retired) == 0 && d.reporter.reports == nil
	set := d.alarm.armed.After(d.now) && !d.alarm.armed.After(d.reporter.next) || d.reporter.awaited.Load()
	if patient := calm && alone && set; patient != d.patient.Load() {
		d.patient.Store(patient)
	}
}

// do has the dispatcher call f, and returns when it has.
func (d *Dispatcher) do(f func()) {
	if d.seize() {
		d.asked = f
		d.combine()
		return
	}
	done := make(chan struct{})
	d.request(func() {
		f()
		close(done)
	})
	<-done
}

// seize takes the token if nobody has it.
func (d *Dispatcher) seize() bool { return !d.awake.Load() && d.awake.CompareAndSwap(false, true) }

// combine has the calling goroutine, which has the token, be the dispatcher for a while. Whatever ends
// it meanwhile, another one goes on.
func (d *Dispatcher) combine() {
	atRest := false
	defer func() {
		if !atRest {
			d.nudged.Store(true) // some mail may be left
			go d.loop()
		}
	}()
	for range mostRounds {
		if atRest = d.round(); atRest {
			return
		}
	}
}

// work is what a goroutine of the dispatcher's own does.
func (d *Dispatcher) work() {
	for !d.round() {
	}
}

// round does what there is to do, or else puts the token down and reports that it did. A message that
// comes meanwhile finds the token either taken still, or free.
func (d *Dispatcher) round() (atRest bool) {
	nudged := d.nudged.Swap(false)
	if d.mail.Empty() {
		d.mail = d.mailbox.takeAll()
	}
	if nudged || d.asked != nil || !d.mail.Empty() {
		d.handle()
		return false
	}
	d.read = 0 // the next one may come much later
	d.awake.Store(false)
	return d.mailbox.empty() && !d.nudged.Load() || !d.seize()
}
