package stage

import (
	"context"
	"errors"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A silence is the time before the first success of a throttle. A service that has
// never answered is not down: more likely the port is wrong, or the work has a bug,
// and the user should hear of that soon.
type silence struct {
	wrong  int       // attempts that went wrong
	since  time.Time // when the first of them had
	broken bool      // one has succeeded, or it has been said that none has
	small  bool      // it has been said that a budget is smaller than a job
	spent  bool      // it has been said that one that does not come back is used up
}

// How many attempts have to go wrong for it to be said. Or else, how much time has to pass until
// another one is refused: refusals that ask for long pauses are few. Chosen: more than a few jobs
// with their retries, and less than a screen of errors; as long as anybody watches a program that
// says nothing.
const (
	longSilence = 10
	longWait    = 10 * time.Second
)

// hear takes an attempt that has ended by now, and reports whether it has to be said that
// nothing has succeeded.
func (s *silence) hear(now time.Time, j *Job) (tooLong bool) {
	switch {
	case s.broken:
		return false
	case j.verdict == controller.Succeeded:
		s.broken = true
		return false
	case !j.wrong:
		return false
	}
	s.wrong++
	if s.wrong == 1 {
		s.since = now
	}
	s.broken = s.wrong == longSilence || j.verdict == controller.Overload && now.Sub(s.since) >= longWait
	return s.broken
}

// wentWrong reports whether an attempt that ended with an error has nothing to show
// for it: neither a part of the work, nor that nobody wanted it any more.
func (j *Job) wentWrong() bool {
	some := (*partly)(nil)
	cancelled := !j.once && j.door.ctx.Err() != nil || errors.Is(j.Err, context.Canceled)
	return !cancelled && !errors.As(j.Err, &some)
}

// measure tells, once, that an attempt has used more than all of a budget. Each such job takes more
// than a window, and looks like a hang. With a Cost it would have been a CostError.
func (d *Dispatcher) measure(j *Job) {
	if d.silence.small || j.tokens == Unknown && j.recorded() == nil {
		return
	}
	used := use{tokens: j.tokens, named: j.recorded()}
	for _, b := range d.gate.budgets {
		if used.of(b.Budget) > b.Tokens {
			d.silence.small = true
			d.note(controller.Event{Kind: controller.EventBudgetTooSmall, Budget: b.Name})
			return
		}
	}
}

// hear notes what an attempt ended with. It calls no method of the error, which is
// the user's.
func (d *Dispatcher) hear(j *Job) {
	err := j.Err
	if e, ok := err.(*RetriesExhaustedError); ok {
		err = e.Err
	}
	if j.unwelcome() {
		d.status.LastError, d.status.LastErrorAt = err, d.attempts.epoch.Add(j.ended)
	}
	d.measure(j)
	if d.silence.hear(d.now, j) {
		d.note(controller.Event{Kind: controller.EventNothingSucceeded, Err: err, Verdict: j.verdict})
	}
}
