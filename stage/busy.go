package stage

import (
	"errors"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// busy is the error of an attempt that a service refused for having too much to do.
type busy struct {
	error
	trouble bool // it says so outright
}

func (b *busy) Unwrap() error { return b.error }

// Busy marks err as Overloaded does, but as the refusal of a service that has too much to do,
// from all clients together. Such refusals come by chance, too, whatever the pressure: then retryAfter is
// how long this job waits, and no sign of a limit. If several come in a row, it is for all, as
// that of Overloaded. Busy(nil, d) is nil.
func Busy(err error, retryAfter time.Duration) error {
	if err == nil {
		return nil
	}
	return &busy{error: Overloaded(err, retryAfter)}
}

// Trouble is Busy of a service that says outright that it is overloaded, such as by HTTP 529. A 503
// does not: many limiters answer it to those who ask too often. Trouble(nil, d) is nil.
func Trouble(err error, retryAfter time.Duration) error {
	if err == nil {
		return nil
	}
	return &busy{Overloaded(err, retryAfter), true}
}

// isBusy reports whether an error is of Busy, and whether it is of Trouble.
func isBusy(err error) (is, trouble bool) {
	var b *busy
	if errors.As(err, &b) {
		return true, b.trouble
	}
	return false, false
}

// busyRun is how many refusals in a row, without a success between them, are not by chance:
// of a service that refuses 5% by chance, they are one in 8,000 attempts. A service that is
// full, or away, has refused as many at once.
const busyRun = 3

// overlook decides whether what a refusal asks for concerns its job alone.
func (d *Dispatcher) overlook(j *Job) {
	j.alone = false
	switch {
	case j.verdict == controller.Succeeded:
		d.crowded = 0
	case j.verdict == controller.Overload && j.busy:
		d.crowded++
		j.alone = d.crowded < busyRun
	}
}
