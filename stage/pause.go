package stage

import (
	"cmp"
	"fmt"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A PauseError says that a server asked to be left alone for longer than we wait. It
// stands beside the error that the job failed with.
type PauseError struct {
	RetryAfter time.Duration // what the server asked for
	MaxPause   time.Duration // the longest that is waited
}

func (e *PauseError) Error() string {
	return fmt.Sprintf("paceline: server asked for a pause: got %v, want at most max_pause, %v", e.RetryAfter, e.MaxPause)
}

// longestPause returns the longest pause that a server may ask for.
func (cfg Config) longestPause() time.Duration { return cmp.Or(cfg.MaxPause, controller.LongestHint) }

// A truce bounds for how long nothing starts because a server has said so. When the
// server has been left alone for so long, one attempt asks again.
type truce struct {
	longest time.Duration
	asked   time.Time // when an attempt started, or the server told something
}

func (t *truce) ask(now time.Time) { t.asked = now }

// bound returns how much of a pause is waited.
func (t *truce) bound(now time.Time, pause time.Duration) time.Duration {
	return max(min(pause, t.asked.Add(t.longest).Sub(now)), 0)
}

// boundPause notes that a server asks for a longer pause than we wait, once in a pause.
func (d *Dispatcher) boundPause(asked time.Duration) {
	if asked > d.gate.truce.longest && !d.bounded {
		d.bounded = true
		d.note(controller.Event{Kind: controller.EventPauseBounded, Wait: asked})
	}
}

// liftPause ends the pauses that servers have asked for. What they have told of quotas
// stays known, but one attempt may ask again. Jobs that wait for the end of a pause
// back off as those that failed do.
func (d *Dispatcher) liftPause() {
	d.gate.advice, d.gate.paused = controller.Advice{}, nil
	d.gate.truce = truce{longest: d.gate.truce.longest}
	retry := d.attempts.rules.Load().retry
	for _, j := range d.retries.remove(func(j *Job) bool { return j.retryAfter > 0 }) {
		wait := time.Duration(0)
		if retry != nil {
			wait = retry.Delay(j.Attempts, d.gate.random.Float64())
		}
		if due := d.now.Add(wait); due.Before(j.due) {
			j.due = due
		}
		d.retries.add(j)
	}
}
