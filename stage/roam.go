package stage

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A roaming door is one of several, of different dispatchers, that may do the same jobs. So it
// keeps none that it cannot start soon: such a job comes back, for another door, or later for the
// same. So does one that is to be tried again.

// Returned says why a job has come back.
type Returned uint8

// Why a job has come back.
const (
	Done       Returned = iota // it has an outcome
	TurnedAway                 // it could not start soon
	TryAgain                   // its attempt failed; not here before Due
)

// shortHold is for how long a roaming job may wait for the pace. Chosen: less than anybody
// notices of a call, and long enough for a timer to be exact.
const shortHold = 20 * time.Millisecond

// A vacancy is what roaming doors may know of a dispatcher at any time.
type vacancy struct {
	vacant  atomic.Int64 // attempts that could start now
	coming  atomic.Int64 // jobs that were submitted at roaming doors and have not been started
	mean    atomic.Int64 // of the tokens that an attempt uses; 0: nobody counts them
	away    atomic.Bool  // nothing starts for a while
	openFor atomic.Int64 // the circuit, while calls are turned away
	closed  atomic.Bool  // no new work is taken
	starts  atomic.Int64 // when something may start again, since the epoch, if it takes longer than shortHold
	heldBy  atomic.Int64 // what holds it up until then
	limit   atomic.Int64 // attempts in flight that there may be
}

// OpenRoaming opens a roaming door.
func (d *Dispatcher) OpenRoaming(ctx context.Context, chosen *atomic.Pointer[Share], inbox *Inbox) *Door {
	door := &Door{dispatcher: d, ctx: ctx, inbox: inbox, roams: true}
	door.line.share, door.line.chosen = AskedOf(ctx).Share, chosen
	door.deadline, _ = ctx.Deadline()
	d.request(func() {
		d.roamed = true
		d.doors = append(d.doors, door)
		d.enter(&door.line)
	})
	return door
}

// Vacant returns how many more attempts could start at once if they were submitted now.
func (d *Dispatcher) Vacant() int { return int(d.roaming.vacant.Load() - d.roaming.coming.Load()) }

// MeanTokens returns how many an attempt uses in the mean; 0: nobody counts them.
func (d *Dispatcher) MeanTokens() int64 { return d.roaming.mean.Load() }

// Roam makes a dispatcher at rest one of several with roaming doors, so that these know at once what
// is vacant.
func (d *Dispatcher) Roam() {
	d.roamed = true
	d.setVacancy(free, 0)
}

// StartsIn returns for how long nothing starts at least, by what its dispatcher last said, why, and
// how many attempts there may be in flight.
func (d *Dispatcher) StartsIn() (wait time.Duration, by controller.Hold, limit int) {
	wait = time.Duration(d.roaming.starts.Load()) - d.attempts.now()
	return max(wait, 0), controller.Hold(d.roaming.heldBy.Load()), int(d.roaming.limit.Load())
}

// WaitUntil bounds how long the next job waits for the pace. There must be no other here.
func (d *Door) WaitUntil(t time.Time) { d.until = t }

// Away reports whether nothing starts for a second or more, but for attempts that ask whether the
// service is back: because of a circuit, a budget, the pace, a pause of whatever length, or because the
// service is down.
func (d *Dispatcher) Away() bool { return d.roaming.away.Load() }

// CircuitLeft returns when to ask again, if the circuit is open and calls are not to wait for it;
// else 0.
func (d *Dispatcher) CircuitLeft() time.Duration { return time.Duration(d.roaming.openFor.Load()) }

// Hungry has the owner woken when an attempt could start.
func (d *Door) Hungry(hungry bool) { d.hungry.Store(hungry) }

// Vacant returns how many more jobs could start at once if they were submitted now, at this door or at
// another roaming one.
func (d *Door) Vacant() int { return d.dispatcher.Vacant() }

// Returned says why the job has come back.
func (j *Job) Returned() Returned { return j.returned }

// Due returns when a job may be tried again where it failed.
func (j *Job) Due() time.Time { return j.due }

// Abandon gives up a job that waits to be submitted again.
func (j *Job) Abandon(why error) {
	j.again, j.returned, j.Err = false, Done, j.stopped(why)
}

// comeTo takes note that a job is submitted at a door, after it may have been at that of another
// dispatcher, whose epoch and judgement are others.
func (j *Job) comeTo(d *Door, now time.Duration) {
	j.returned, j.again = Done, false
	if j.door == nil {
		j.taken = now
		return
	}
	before, after := j.door.dispatcher.attempts.epoch, d.dispatcher.attempts.epoch
	shift := before.Sub(after)
	j.taken += shift
	j.began += shift
	if j.refusedAt > 0 {
		j.refusedAt = max(j.refusedAt+shift, 1)
	}
	if j.door.dispatcher != d.dispatcher {
		j.evidence = controller.Evidence{}
		j.blamed = false
	}
}

// returnJob gives a job back to its roaming door that is not done with.
func (d *Dispatcher) returnJob(j *Job, why Returned) {
	j.returned = why
	d.jobs--
	j.door.back.Add(j)
}

// roamersHold returns what would hold up the next job of a roaming door, if none is here and owners wait to bring
// one: then it need not come to be sent back.
func (d *Dispatcher) roamersHold(held hold, wait time.Duration) (hold, time.Duration) {
	if !d.roamed || held != free || !slices.ContainsFunc(d.doors, func(door *Door) bool { return door.roams && door.hungry.Load() }) {
		return held, wait
	}
	if d.gate.rate != nil {
		if w := d.gate.rate.Wait(d.now, 1); w > wait {
			held, wait = byRate, w
		}
	}
	if d.interval > 0 {
		if w := d.gate.pacer.Wait(d.now); w > wait {
			held, wait = byPace, w
		}
	}
	if wait <= shortHold {
		return free, 0
	}
	d.pacedAway = held == byPace
	d.alarm.want(d.now, wait)
	return held, wait
}

// setVacancy publishes how many attempts could start, and gives those jobs of roaming doors back
// that cannot.
func (d *Dispatcher) setVacancy(held hold, wait time.Duration) {
	if !d.roamed || d.reporter.pending() {
		return // it is asked again when the controller has answered
	}
	if d.pacedAway && held == free {
		d.paced = d.interval == d.setting.Interval // it is what has kept away the job that comes next
	}
	pause, circuit := d.gate.pause(d.now), time.Duration(0)
	if d.gate.circuit != nil {
		circuit = d.gate.circuit.Wait(d.now)
	}
	wait = max(wait, pause, circuit)
	long := wait > shortHold || held != free && wait == 0
	vacant := max(d.limit()+d.ahead-d.running-d.holding, 0)
	switch {
	case long:
		vacant = 0
	case d.interval > 0:
		vacant = min(vacant, max(int(time.Millisecond/d.interval), 1))
	}
	d.roaming.vacant.Store(int64(vacant))
	openFor, starts := time.Duration(0), time.Duration(0)
	if d.turnsAway() {
		openFor = d.gate.circuit.Left(d.now)
	}
	if long && wait > 0 {
		starts = d.now.Add(wait).Sub(d.attempts.epoch)
	}
	d.roaming.starts.Store(int64(starts))
	d.roaming.heldBy.Store(int64(d.holder(held)))
	d.roaming.limit.Store(int64(d.setting.Limit))
	mean, _ := d.gate.usage.Mean()
	d.roaming.mean.Store(mean)
	away := d.setting.Probing || d.circuit != controller.BreakerClosed || pause > 0 || wait >= longStall
	gone := !d.roaming.away.Swap(away) && away
	gone = d.roaming.openFor.Swap(int64(openFor)) == 0 && openFor > 0 || gone
	gone = !d.roaming.closed.Swap(d.status.Closed) && d.status.Closed || gone
	for _, door := range d.doors {
		if gone && door.roams && door.hungry.Load() {
			door.inbox.wakeOwner() // what waits may have to go elsewhere
		}
		if !door.roams || door.queue.first == nil {
			continue
		}
		if held != free && !long && (door.until.IsZero() || !d.now.Add(wait).After(door.until)) {
			continue // it is about to start
		}
		for door.queue.first != nil {
			d.pacedAway = held == byPace
			j := door.queue.pop()
			door.admitted++
			d.returnJob(j, TurnedAway)
		}
	}
}
