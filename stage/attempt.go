package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// attempts runs the work of jobs and judges how it ended. It is read only, and
// shared by all workers.
type attempts struct {
	clock    clock.Clock
	epoch    time.Time
	timeout  time.Duration // of one attempt; 0: none
	classify func(error) controller.Verdict
	counts   func(error) bool  // which errors the breaker counts; nil: those that are failures
	retry    *controller.Retry // nil: one attempt
}

// now returns the time since the epoch, which is cheaper to have than the time
// of day.
func (a *attempts) now() time.Duration { return a.clock.Since(a.epoch) }

// run makes one attempt of j, started at the given time, and returns when it
// ended. Whatever the work or a callback does short of ending the goroutine, j
// has its verdict afterwards.
func (a *attempts) run(j *Job, started time.Duration) (ended time.Duration) {
	if j.door.ctx.Err() != nil {
		a.skip(j)
		return started
	}
	started = max(started, j.started) // the worker may not have looked at the time since
	if j.Attempts == 0 {
		j.began = started
		j.Waited = started - j.taken
	}
	j.started = started
	j.enter()
	j.Attempts++
	a.end(j, a.try(j))
	return j.ended
}

// end judges an attempt whose work has returned or panicked.
func (a *attempts) end(j *Job, timedOut bool) {
	j.ended = a.now()
	j.Took = j.ended - j.began
	if j.Err == nil {
		j.verdict, j.counted, j.again = controller.Succeeded, controller.Succeeded, false
	} else {
		a.judgeSafely(j, timedOut)
	}
	j.leave()
}

// abort ends an attempt whose goroutine was ended by the work or a callback. It
// calls no code of the user's, lest that does it again.
func (a *attempts) abort(j *Job) {
	j.ended = a.now()
	j.Took = j.ended - j.began
	if j.Err != ErrGoexit {
		j.Err = errors.Join(ErrGoexit, j.Err) // without asking the error for its text
	}
	j.verdict, j.counted, j.again = controller.Ignored, controller.Ignored, false
	j.leave()
}

// skip ends an attempt that must not start because its door is cancelled.
func (a *attempts) skip(j *Job) {
	j.Err = j.abandoned()
	j.verdict, j.counted, j.again = controller.Ignored, controller.Ignored, false
	j.skipped, j.tokens = true, Unknown
}

// abandoned returns the error of a job that is not tried any more because its
// door is cancelled: the cause, and what it failed with if it was ever tried.
func (j *Job) abandoned() error {
	cause := context.Cause(j.door.ctx)
	if j.Attempts == 0 {
		return cause
	}
	return fmt.Errorf("%w; cancelled while waiting to try again: %w", j.Err, cause)
}

// enter gives the attempt a slot.
func (j *Job) enter() {
	if j.scope == nil {
		j.scope = &scope{Context: j.door.ctx}
	}
	j.scope.slot.attempt = j.Attempts
}

// leave takes what the attempt recorded, and its scope if the work has looked
// at it.
func (j *Job) leave() {
	j.tokens = Unknown
	if !j.scope.used.Load() {
		return
	}
	if j.scope.slot.recorded.Load() {
		j.tokens = j.scope.slot.tokens.Load()
	}
	j.scope = nil
}

// try calls the work and leaves its error, or its panic as an error, in j.
func (a *attempts) try(j *Job) (timedOut bool) {
	defer func() {
		if v := recover(); v != nil {
			j.Err = NewPanicError(v)
		}
	}()
	j.Err = ErrGoexit // in case nothing after the next line happens
	if a.timeout <= 0 {
		j.Err = j.Work.Attempt(j.scope)
		return false
	}
	ctx, cancel := a.clock.WithTimeout(j.scope, a.timeout)
	defer cancel()
	j.Err = j.Work.Attempt(ctx)
	return errors.Is(j.Err, context.DeadlineExceeded) && errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// judgeSafely judges an attempt that failed. A panic in one of the user's
// callbacks is the job's error.
func (a *attempts) judgeSafely(j *Job, timedOut bool) {
	defer func() {
		if v := recover(); v != nil {
			j.Err = errors.Join(j.Err, NewPanicError(v))
			j.verdict, j.counted, j.again = controller.Ignored, controller.Ignored, false
		}
	}()
	a.judge(j, timedOut)
}

// judge decides what the error in j tells the policy and the breaker, and
// whether the job is tried again. It wraps the error of a job that has used up
// its attempts.
func (a *attempts) judge(j *Job, timedOut bool) {
	m, retryAfter := markOf(j.Err)
	verdict := a.classify(j.Err)
	refused := verdict == controller.Overload
	if timedOut && verdict == controller.Failed {
		verdict = controller.Overload // slow is a sign of overload, but the work may have been done
	}
	if j.door.ctx.Err() != nil && (errors.Is(j.Err, context.Canceled) || errors.Is(j.Err, context.DeadlineExceeded)) {
		verdict = controller.Ignored
	}
	j.verdict, j.retryAfter = verdict, retryAfter
	j.again = false
	if j.door.ctx.Err() == nil && a.retryable(j.Err, m) {
		j.again = a.attemptsLeft(j, refused)
		if !j.again {
			j.Err = &RetriesExhaustedError{Attempts: j.Attempts, Err: j.Err}
		}
	}
	j.counted = verdict
	if a.counts != nil && verdict != controller.Ignored && !a.counts(j.Err) {
		j.counted = controller.Ignored
	}
}

// retryable reports whether the error allows another attempt.
func (a *attempts) retryable(err error, m mark) bool {
	var panicked *PanicError
	switch {
	case a.retry == nil, m == fatal, errors.As(err, &panicked):
		return false
	case m == transient, m == overloaded:
		return true
	case errors.Is(err, context.Canceled):
		return false
	case a.retry.Retryable != nil:
		return a.retry.Retryable(err)
	}
	return true
}

// attemptsLeft reports whether j may be tried again. A refusal says that no
// work was done, and a probe was sent to find out: neither uses up an attempt,
// but they do not go on for ever.
func (a *attempts) attemptsLeft(j *Job, refused bool) bool {
	if !refused && !j.probe {
		j.failures++
		return j.failures < a.retry.MaxAttempts
	}
	if j.refusedAt == 0 {
		j.refusedAt = max(j.ended, 1)
	}
	return a.retry.GiveUpAfter < 0 || j.ended-j.refusedAt < a.retry.GiveUpAfter
}
