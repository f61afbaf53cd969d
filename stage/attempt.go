package stage

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// attempts runs the work of jobs and judges how it ended. It is shared by all
// workers and callers.
type attempts struct {
	clock     clock.Clock
	epoch     time.Time
	allowance *controller.Allowance // of retries
	rules     atomic.Pointer[rules]

	_      [64]byte     // keep what is read apart from what each attempt changes
	begun  atomic.Int64 // attempts
	newest atomic.Int64 // start of an attempt, those included that are about to begin
	spare  atomic.Pointer[deadline]
	_      [48]byte
}

// rules are the part of the configuration that attempts go by. They are never
// changed, only replaced as a whole.
type rules struct {
	timeout  time.Duration // of one attempt; 0: none
	maxPause time.Duration // the longest that a server may ask for
	classify func(error) controller.Verdict
	counts   func(error) bool    // which errors the breaker counts; nil: those that are failures
	wait     bool                // calls wait for the circuit
	retry    *controller.Retry   // nil: one attempt
	budgets  []controller.Budget // which a job must not exceed
	rate     *controller.Rate    // nor this; nil: none
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
	r := a.rules.Load()
	a.begin(j, r, started)
	s := j.scope
	s.open(a, j.started, r.timeout)
	j.try(s)
	ended = a.now()
	a.end(j, r, ended, s.overdue(ended))
	return ended
}

// begin notes that an attempt starts, gives it a slot and its number, and lets it
// pay for its share of a retry. The number is not given before: what is taken
// back, or skipped, would leave a gap that looks like an attempt.
func (a *attempts) begin(j *Job, r *rules, started time.Duration) {
	j.seq, started = a.number(max(started, j.started)) // the worker may not have looked at the time since
	if j.Attempts == 0 {
		j.began = started
		j.Waited = started - j.taken
	}
	j.started = started
	j.enter()
	j.Attempts++
	if r.retry != nil && r.retry.Budget > 0 {
		a.allowance.Earn(r.retry.Budget)
	}
}

// number gives an attempt its number, and a start that is not before those of lower numbers,
// also if others begin at the same time. They have told their start before they got their
// number, and if none was given since we looked, the next is ours.
func (a *attempts) number(started time.Duration) (seq int64, start time.Duration) {
	for {
		n := a.begun.Load()
		newest := a.newest.Load()
		start = max(started, time.Duration(newest))
		if newest < int64(start) && !a.newest.CompareAndSwap(newest, int64(start)) {
			continue
		}
		if a.begun.CompareAndSwap(n, n+1) {
			return n + 1, start
		}
	}
}

// end judges an attempt whose work has returned or panicked, within its time or
// not.
func (a *attempts) end(j *Job, r *rules, ended time.Duration, overdue bool) {
	j.ended = ended
	j.Took = j.ended - j.began
	r.judgeSafely(j, overdue, a.allowance)
	if j.scope.used.Load() {
		j.scope.slot.judged(j.verdict)
	}
	j.leave()
}

// abort ends an attempt whose goroutine was ended by the work or a callback. It
// calls no code of the user's on this goroutine, because that may end it again.
func (a *attempts) abort(j *Job) {
	if j.scope.used.Load() && j.scope.slot.onVerdict.Load() == wasJudged {
		j.leave() // a function of OnVerdict has ended it: all have been told the verdict, so it stands
		return
	}
	j.ended = a.now()
	j.Took = j.ended - j.began
	if j.Err != ErrGoexit {
		j.Err = &StoppedError{Last: j.Err, Why: ErrGoexit}
	}
	j.verdict, j.counted, j.again, j.wrong = controller.Ignored, controller.Ignored, false, false
	j.spared, j.left, j.uncalled = false, false, false
	if j.scope.used.Load() {
		told, slot := make(chan struct{}), &j.scope.slot
		go func() { // of its own, which may be ended again
			defer close(told)
			slot.judged(controller.Ignored)
		}()
		<-told
	}
	j.leave()
}

// skip ends an attempt that must not start because its door is cancelled.
func (a *attempts) skip(j *Job) {
	j.Err = j.abandoned()
	j.verdict, j.counted, j.again, j.wrong = controller.Ignored, controller.Ignored, false, false
	j.skipped, j.tokens = true, Unknown
	j.setRecorded(nil)
}

// abandoned returns the error of a job that is not tried any more because its
// door is cancelled.
func (j *Job) abandoned() error {
	j.left = j.unwanted()
	return j.stopped(context.Cause(j.door.ctx))
}

// unwanted reports whether a job's context has ended because nobody wants it any more. A call
// that did not meet its deadline is wanted, but has failed.
func (j *Job) unwanted() bool {
	err := j.door.ctx.Err()
	return err != nil && !j.once && (j.door.call == nil || err == context.Canceled)
}

// brokenOff reports whether the attempt ended because its context did.
func (j *Job) brokenOff() bool {
	return errors.Is(j.Err, context.Canceled) || errors.Is(j.Err, context.DeadlineExceeded) || errors.Is(j.Err, context.Cause(j.door.ctx))
}

// stopped returns the error of a job that is not tried any more: why, and before it what
// the last attempt failed with, if there was one.
func (j *Job) stopped(why error) error {
	if j.Attempts == 0 {
		return why
	}
	return &StoppedError{Last: j.Err, Why: why}
}

// enter gives the attempt a slot.
func (j *Job) enter() {
	if j.scope == nil {
		j.scope = new(scope)
	}
	j.scope.Context, j.scope.slot.dispatcher, j.scope.slot.job = j.door.ctx, j.door.dispatcher, j
	j.scope.slot.attempt, j.scope.slot.refusals, j.scope.slot.waited, j.scope.slot.mark = int32(j.Attempts), int32(j.Refusals), j.Waited, j.mark
}

// leave takes what the attempt recorded, and its scope if the work has looked
// at it.
func (j *Job) leave() {
	j.tokens, j.hinted, j.spent = Unknown, 0, false
	j.setRecorded(nil)
	if !j.scope.used.Load() {
		return
	}
	j.hinted, j.spent = time.Duration(j.scope.slot.hinted.Load()), j.scope.slot.spent.Load()
	if j.scope.slot.recorded.Load() {
		j.tokens = j.scope.slot.tokens.Load()
	}
	j.setRecorded(j.scope.slot.named())
	j.scope = nil
}

// try calls the work and leaves its error, or its panic as an error, in j.
func (j *Job) try(s *scope) {
	defer func() {
		s.close()
		if v := recover(); v != nil {
			j.Err = NewPanicError(v)
		}
	}()
	j.Err = ErrGoexit // in case nothing after the next line happens
	j.Err = j.Work.Attempt(s)
}

// judgeSafely judges an attempt. A panic in one of the user's callbacks is the
// job's error.
func (r *rules) judgeSafely(j *Job, overdue bool, retries *controller.Allowance) {
	j.uncalled = false
	if j.Err == nil {
		j.verdict, j.counted, j.again = controller.Succeeded, controller.Succeeded, false
		return
	}
	j.spared, j.left = false, false // unless it is known
	defer func() {
		if v := recover(); v != nil {
			j.Err = &StoppedError{Last: j.Err, Why: NewPanicError(v)}
			j.verdict, j.counted, j.again, j.wrong = controller.Ignored, controller.Ignored, false, false
		}
	}()
	r.judge(j, overdue, retries)
}

// judge decides what the error in j tells the policy and the breaker, and
// whether the job is tried again. It wraps the error of a job that has used up
// its attempts, or the retries that all jobs together are allowed.
func (r *rules) judge(j *Job, overdue bool, retries *controller.Allowance) {
	m, retryAfter := markOf(j.Err)
	j.uncalled = m == skipped
	verdict, err := Judge(r.classify, j.Err)
	j.Err = err
	said, refused := verdict, verdict == controller.Overload
	if refused {
		j.Refusals++
	}
	j.spared = spared(verdict, j.Err)
	timedOut := errors.Is(j.Err, context.DeadlineExceeded)
	if overdue && timedOut && verdict == controller.Failed {
		verdict = controller.Overload // slow is a sign of overload, but the work may have been done
	}
	if some := (*partly)(nil); verdict == controller.Failed && errors.As(j.Err, &some) {
		verdict = controller.Ignored
	}
	if (!j.once || j.hedge) && j.door.ctx.Err() != nil && (timedOut || errors.Is(j.Err, context.Canceled)) {
		verdict = controller.Ignored
	}
	j.verdict, j.retryAfter = verdict, min(retryAfter, controller.LongestHint)
	j.busy, j.trouble = false, false
	if refused {
		j.busy, j.trouble = isBusy(j.Err)
	}
	j.again, j.wrong = false, !j.uncalled && j.wentWrong()
	j.left = j.unwanted() && j.brokenOff()
	if j.door.ctx.Err() == nil && !j.once && retryable(r.retry, j.Err, m, said) {
		j.again = r.attemptsLeft(j, refused) && (refused || r.retry.Budget == 0 || retries.Spend())
		if !j.again {
			j.exhaust()
		}
	}
	j.counted = verdict
	if !j.uncalled {
		j.counted = r.count(j, verdict)
	}
}

// spared reports whether the service did no work for an attempt with that verdict: it
// refused it, or could do nothing with it. What was broken off it may have done.
func spared(v controller.Verdict, err error) bool {
	some, panicked := (*partly)(nil), (*PanicError)(nil)
	switch {
	case errors.As(err, &some):
		return false
	case v == controller.Ignored:
		brokenOff := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &panicked)
		return !brokenOff
	}
	return v == controller.Overload
}

// Judge returns what classify says of err, unless it is Skipped, and err. A verdict that is none
// of the four is a failure, since something went wrong, and the error says so.
func Judge(classify func(error) controller.Verdict, err error) (controller.Verdict, error) {
	if m, _ := markOf(err); m == skipped {
		return controller.Ignored, err
	}
	v := classify(err)
	if v > controller.Succeeded {
		return controller.Failed, fmt.Errorf("%w; classify: got %v, want ignored, failed, overload or succeeded", err, v)
	}
	return v, err
}

// count returns the verdict for the breaker, which may be told what counts: also
// errors that are no sign of overload, but not that a caller has had enough.
func (r *rules) count(j *Job, verdict controller.Verdict) controller.Verdict {
	switch {
	case r.counts == nil, !j.once && j.door.ctx.Err() != nil && verdict == controller.Ignored:
		return verdict
	case !r.counts(j.Err):
		return controller.Ignored
	}
	return max(verdict, controller.Failed)
}

// Retryable reports whether an attempt that ended with err, on which there is a verdict, may
// be followed by another one. A nil retry allows none.
func Retryable(retry *controller.Retry, err error, v controller.Verdict) bool {
	m, _ := markOf(err)
	return retryable(retry, err, m, v)
}

func retryable(retry *controller.Retry, err error, m mark, v controller.Verdict) bool {
	var panicked *PanicError
	var last *final
	switch {
	case retry == nil, m == fatal, m == skipped, errors.As(err, &panicked), errors.As(err, &last):
		return false
	case m == transient, m == overloaded:
		return true
	case errors.Is(err, context.Canceled):
		return false
	case retry.Retryable != nil:
		return retry.Retryable(err)
	}
	return v == controller.Failed || v == controller.Overload
}

// exhaust wraps the error of a job that is not to be tried again.
func (j *Job) exhaust() {
	j.again = false
	j.Err = &RetriesExhaustedError{Attempts: j.Attempts, Refusals: j.Refusals, Err: j.Err}
}

// attemptsLeft reports whether j may be tried again. A failure uses up one of its
// attempts. A refusal says that no work was done: it uses up none, but they do not
// go on for ever.
func (r *rules) attemptsLeft(j *Job, refused bool) bool {
	j.excused = refused
	if !refused {
		j.failures++
		return j.failures < r.retry.MaxAttempts
	}
	if j.refusedAt == 0 {
		j.refusedAt = max(j.ended, 1)
	}
	return r.retry.GiveUpAfter < 0 || j.ended-j.refusedAt < r.retry.GiveUpAfter
}
