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

// serve puts a message into the mailbox at a time, which is now. The calling goroutine reads it,
// unless somebody is at it already. It must be able to wait for the workers and the controller to leave.
func (d *Dispatcher) serve(j *Job, now time.Duration) {
	var b Batch
	b.Add(j)
	d.mailbox.push(b)
	if d.seize() {
		d.read = now
		d.combine()
	}
}

// canWait reports whether nobody would miss a message of a success before the next one comes.
func (d *Dispatcher) canWait(now time.Duration) bool { return int64(now) < d.lazyUntil.Load() }

// drop puts a message that can wait into the mailbox. Who waits for it now, and did not when
// canWait was asked, is either seen here, or sees the message before it puts down the token.
func (d *Dispatcher) drop(j *Job, now time.Duration) {
	var b Batch
	b.Add(j)
	d.mailbox.push(b)
	if !d.canWait(now) && d.seize() {
		d.combine()
	}
}

// putOff publishes until when the end of a call that succeeded need not be looked at: the alarm is
// set, nobody waits for a slot, nobody else draws on what we do, and neither workers nor the controller
// wait to be sent home. For calls that come one after another there is then one round each, not two.
func (d *Dispatcher) putOff() {
	until := time.Duration(0)
	calm := d.jobs == d.running && d.holding == 0 && !d.roamed && d.gate.commons == nil && !d.status.Closed
	alone := d.pool.alive.Load() == 0 && len(d.retired) == 0 && d.reporter.reports == nil
	if calm && alone && d.alarm.armed.Equal(d.reporter.next) && d.now.Before(d.reporter.next) {
		until = d.reporter.next.Sub(d.attempts.epoch)
	}
	d.lazyUntil.Store(int64(until))
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
	if nudged || d.asked != nil || len(d.told.hints) > 0 || !d.mail.Empty() {
		d.handle()
		return false
	}
	d.awake.Store(false)
	return d.mailbox.empty() && !d.nudged.Load() || !d.seize()
}
