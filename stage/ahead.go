package stage

import (
	"time"

	"github.com/paceline-go/paceline/controller"
)

// quick is an attempt that takes less than handing it over does.
const quick = 10 * time.Microsecond

// steady is how many quick successes in a row make the dispatcher believe that
// the next ones will be the same.
const steady = 256

// lookAhead decides how many attempts are handed over before a slot is free.
// Usually none: then what is in force is in force from the very next attempt.
// Only when attempts are so short that a worker would wait longer for the next
// one than it takes, and all have succeeded for a while, a batch is kept ready.
// The limit holds all the same, since there are no more workers than it allows,
// and when one attempt does not succeed, the workers take no more of them.
func (d *Dispatcher) lookAhead() {
	d.ahead = 0
	if d.streak >= steady && d.interval == 0 && d.gate.rate == nil && !d.gate.told.Holds() && d.calls == 0 && len(d.retired) == 0 {
		d.ahead = batch
		d.pool.eager.Store(true)
	}
}

// recall takes back what was handed over ahead and not begun, because it was
// let through when all was well, which has ceased to be.
func (d *Dispatcher) recall() {
	if d.pool.eager.Load() || d.pool.halted.Load() {
		d.takeBack()
	}
}

// takeBack takes back what was handed over and not begun.
func (d *Dispatcher) takeBack() {
	back := d.pool.recall()
	for back.first != nil {
		j := back.pop()
		d.leaveFlight(j)
		d.gate.giveBack(d.now, j, d.interval)
		d.refund(j)
		d.paced = d.paced || j.paced
		switch {
		case j.door.canceled:
			d.finish(j, j.abandoned())
		case j.again:
			d.retries.add(j)
		default:
			j.door.admitted--
			j.door.recalled.push(j)
			j.door.line.turn = d.turn // its turn had come: a newcomer goes first
		}
	}
	for _, door := range d.doors {
		door.queue.putFirst(&door.recalled)
	}
}

// follow keeps count of quick successes. A clock that stands still, as in
// tests, measures none.
func (d *Dispatcher) follow(j *Job) {
	took := j.ended - j.started
	if took >= quick || d.took >= float64(quick) { // else none has to wait for long
		d.learnTook(float64(took))
	}
	if j.verdict == controller.Succeeded {
		d.learnTime(j, took)
	}
	if j.verdict != controller.Succeeded || took <= 0 || took >= quick {
		d.streak = 0
		return
	}
	d.streak++
}
