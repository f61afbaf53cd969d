package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/controller"
)

const (
	ignored   = controller.Ignored
	failed    = controller.Failed
	overload  = controller.Overload
	succeeded = controller.Succeeded
)

// doorOf returns a door whose context has ended, if it has.
func doorOf(over bool) *Door {
	ctx := context.Background()
	if over {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		ctx = ended
	}
	return &Door{ctx: ctx}
}

func exhausted(err error) bool {
	var e *RetriesExhaustedError
	return errors.As(err, &e)
}

// A judgement is what becomes of an attempt.
type judgement struct {
	verdict, counted controller.Verdict
	again            bool
	exhausted        bool
}

func TestJudge(t *testing.T) {
	once := controller.Retry{MaxAttempts: 1, GiveUpAfter: -1}
	thrice := controller.Retry{MaxAttempts: 3, GiveUpAfter: -1}
	choosy := thrice
	choosy.Retryable = func(err error) bool { return errors.Is(err, io.EOF) }
	only := func(target error) func(error) bool {
		return func(err error) bool { return errors.Is(err, target) }
	}
	const after = time.Second
	for _, test := range []struct {
		name     string
		err      error
		retry    *controller.Retry
		classify func(error) controller.Verdict
		counts   func(error) bool
		job      Job
		over     bool // its door's context has ended
		overdue  bool // its time was over
		want     judgement
	}{
		{name: "success", retry: &thrice, want: judgement{succeeded, succeeded, false, false}},
		{name: "success that would not count", retry: &thrice, counts: only(io.EOF), want: judgement{succeeded, succeeded, false, false}},

		{name: "failure without retries", err: io.EOF, want: judgement{failed, failed, false, false}},
		{name: "failure", err: io.EOF, retry: &thrice, want: judgement{failed, failed, true, false}},
		{name: "failure, retries for one attempt", err: io.EOF, retry: &once, want: judgement{failed, failed, false, true}},
		{name: "failure, last attempt", err: io.EOF, retry: &thrice, job: Job{retrying: retrying{failures: 2}}, want: judgement{failed, failed, false, true}},
		{name: "failure in a slot", err: io.EOF, retry: &thrice, job: Job{once: true}, want: judgement{failed, failed, false, false}},

		{name: "refusal without retries", err: Overloaded(io.EOF, after), want: judgement{overload, overload, false, false}},
		{name: "refusal", err: Overloaded(io.EOF, after), retry: &thrice, want: judgement{overload, overload, true, false}},
		{name: "refusal uses up no attempt", err: hinted{after}, retry: &once, want: judgement{overload, overload, true, false}},

		{name: "fatal", err: Fatal(io.EOF), retry: &thrice, want: judgement{ignored, ignored, false, false}},
		{name: "transient", err: Transient(io.EOF), retry: &thrice, want: judgement{failed, failed, true, false}},
		{name: "panic", err: NewPanicError("oh"), retry: &thrice, want: judgement{ignored, ignored, false, false}},
		{name: "panic with a transient error", err: NewPanicError(Transient(io.EOF)), retry: &thrice, want: judgement{ignored, ignored, false, false}},
		{name: "cancelled by itself", err: context.Canceled, retry: &thrice, want: judgement{ignored, ignored, false, false}},
		{name: "deadline of its own", err: context.DeadlineExceeded, retry: &thrice, want: judgement{failed, failed, true, false}},

		{name: "retryable", err: io.EOF, retry: &choosy, want: judgement{failed, failed, true, false}},
		{name: "not retryable", err: errService, retry: &choosy, want: judgement{failed, failed, false, false}},
		{name: "not retryable, but transient", err: Transient(errService), retry: &choosy, want: judgement{failed, failed, true, false}},
		{name: "not retryable, but a refusal", err: Overloaded(errService, 0), retry: &choosy, want: judgement{overload, overload, true, false}},
		{name: "retryable, but fatal", err: Fatal(io.EOF), retry: &choosy, want: judgement{ignored, ignored, false, false}},

		{name: "timed out", err: context.DeadlineExceeded, retry: &thrice, overdue: true, want: judgement{overload, overload, true, false}},
		{name: "timed out, which uses up an attempt", err: context.DeadlineExceeded, retry: &once, overdue: true, want: judgement{overload, overload, false, true}},
		{name: "timed out, but fatal", err: Fatal(context.DeadlineExceeded), retry: &thrice, overdue: true, want: judgement{ignored, ignored, false, false}},

		{name: "fails by itself, too late", err: io.EOF, retry: &thrice, overdue: true, want: judgement{failed, failed, true, false}},

		{name: "cancelled with its door", err: context.Canceled, retry: &thrice, over: true, want: judgement{ignored, ignored, false, false}},
		{name: "out of time with its door", err: context.DeadlineExceeded, retry: &thrice, over: true, want: judgement{ignored, ignored, false, false}},
		{name: "failure after the cancel", err: io.EOF, retry: &thrice, over: true, want: judgement{failed, failed, false, false}},
		{name: "refusal after the cancel", err: Overloaded(io.EOF, 0), retry: &thrice, over: true, want: judgement{overload, overload, false, false}},

		{name: "out of time in a slot, after the wait for it", err: context.DeadlineExceeded, job: Job{once: true}, over: true, want: judgement{failed, failed, false, false}},
		{name: "overdue in a slot, after the wait for it", err: context.DeadlineExceeded, job: Job{once: true}, over: true, overdue: true, want: judgement{overload, overload, false, false}},
		{name: "cancelled in a slot counts if told so", err: context.Canceled, job: Job{once: true}, over: true, counts: only(context.Canceled), want: judgement{ignored, failed, false, false}},

		{name: "classified as a refusal", err: io.EOF, retry: &once, classify: func(error) controller.Verdict { return overload },
			want: judgement{overload, overload, true, false}},
		{name: "classified as something unknown", err: io.EOF, retry: &once, classify: func(error) controller.Verdict { return 9 },
			want: judgement{failed, failed, false, true}},
		{name: "classified as ignored", err: io.EOF, retry: &thrice, classify: func(error) controller.Verdict { return ignored },
			want: judgement{ignored, ignored, false, false}},
		{name: "classified as ignored, but transient", err: Transient(io.EOF), retry: &thrice, classify: func(error) controller.Verdict { return ignored },
			want: judgement{ignored, ignored, true, false}},
		{name: "classified as ignored, but retryable", err: io.EOF, retry: &choosy, classify: func(error) controller.Verdict { return ignored },
			want: judgement{ignored, ignored, true, false}},
		{name: "classified as a success", err: io.EOF, retry: &thrice, classify: func(error) controller.Verdict { return succeeded },
			want: judgement{succeeded, succeeded, false, false}},
		{name: "refusal that is classified as a failure", err: Overloaded(io.EOF, 0), retry: &once, classify: func(error) controller.Verdict { return failed },
			want: judgement{failed, failed, false, true}},

		{name: "counts", err: io.EOF, counts: only(io.EOF), want: judgement{failed, failed, false, false}},
		{name: "does not count", err: errService, counts: only(io.EOF), want: judgement{failed, ignored, false, false}},
		{name: "refusal that does not count", err: Overloaded(errService, 0), counts: only(io.EOF), want: judgement{overload, ignored, false, false}},
		{name: "refusal that counts", err: Overloaded(io.EOF, 0), counts: only(io.EOF), want: judgement{overload, overload, false, false}},
		{name: "fatal error that counts", err: Fatal(io.EOF), counts: only(io.EOF), want: judgement{ignored, failed, false, false}},
		{name: "cancelled with its door, never counts", err: context.Canceled, over: true, counts: only(context.Canceled), want: judgement{ignored, ignored, false, false}},
		{name: "cancelled by itself counts if told so", err: context.Canceled, counts: only(context.Canceled), want: judgement{ignored, failed, false, false}},
		{name: "failure after the cancel counts", err: io.EOF, over: true, counts: only(io.EOF), want: judgement{failed, failed, false, false}},
		{name: "exhausted counts", err: io.EOF, retry: &once, counts: exhausted, want: judgement{failed, failed, false, true}},
		{name: "not yet exhausted", err: io.EOF, retry: &thrice, counts: exhausted, want: judgement{failed, ignored, true, false}},

		{name: "probe uses up an attempt", err: io.EOF, retry: &once, job: Job{probe: true}, want: judgement{failed, failed, false, true}},
		{name: "refused probe uses up none", err: Overloaded(io.EOF, 0), retry: &once, job: Job{probe: true}, want: judgement{overload, overload, true, false}},
		{name: "fatal probe", err: Fatal(io.EOF), retry: &thrice, job: Job{probe: true}, want: judgement{ignored, ignored, false, false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := rules{retry: test.retry, classify: test.classify, counts: test.counts}
			if r.classify == nil {
				r.classify = Classify
			}
			j := &test.job
			j.Err, j.door, j.Attempts = test.err, doorOf(test.over), 5
			r.judgeSafely(j, test.overdue, controller.NewAllowance(1))
			if got := (judgement{j.verdict, j.counted, j.again, exhausted(j.Err)}); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if !errors.Is(j.Err, test.err) {
				t.Errorf("the error is lost: %v", j.Err)
			}
			if e := new(RetriesExhaustedError); errors.As(j.Err, &e) && e.Attempts != 5 {
				t.Errorf("gave up after %d attempts, want all that were started, 5", e.Attempts)
			}
		})
	}
}

// Whatever the user's functions do short of ending the goroutine, the job gets a
// verdict and an error.
func TestPanicInACallbackIsTheJobsError(t *testing.T) {
	boom := func(error) bool { panic("boom") }
	for name, r := range map[string]rules{
		"Classify":  {classify: func(error) controller.Verdict { panic("boom") }},
		"Counts":    {classify: Classify, counts: boom},
		"Retryable": {classify: Classify, retry: &controller.Retry{Retryable: boom, MaxAttempts: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			j := &Job{Err: io.EOF, door: doorOf(false), again: true}
			r.judgeSafely(j, false, nil)
			var panicked *PanicError
			if !errors.As(j.Err, &panicked) || panicked.Value != "boom" || !errors.Is(j.Err, io.EOF) {
				t.Errorf("got %v, want both errors", j.Err)
			}
			if j.verdict != ignored || j.counted != ignored || j.again {
				t.Errorf("got %v, %v, again %v", j.verdict, j.counted, j.again)
			}
		})
	}
}

func TestRetriesAreAShareOfAllAttempts(t *testing.T) {
	retry := controller.Retry{MaxAttempts: 100, GiveUpAfter: -1, Budget: 0.5}
	r := rules{retry: &retry, classify: Classify}
	allowance := controller.NewAllowance(2)
	try := func(err error) bool {
		j := &Job{Err: err, door: doorOf(false)}
		r.judge(j, false, allowance)
		if j.again == exhausted(j.Err) {
			t.Errorf("again %v, but its error is %v", j.again, j.Err)
		}
		return j.again
	}
	granted := func() (n int) { // until one is not
		for try(io.EOF) {
			n++
		}
		return n
	}
	if n := granted(); n != 2 {
		t.Errorf("%d retries, want the two in hand", n)
	}
	if !try(Overloaded(io.EOF, 0)) {
		t.Error("a refusal is not tried again, though it takes nothing of the share")
	}
	a := attempts{allowance: allowance}
	attempt := func(r *rules) { a.begin(&Job{door: doorOf(false)}, r, 0) }
	attempt(&r)
	attempt(&rules{})
	attempt(&rules{retry: &controller.Retry{}})
	if n := granted(); n != 0 {
		t.Errorf("half a retry was earned, and %d granted", n)
	}
	attempt(&r)
	if n := granted(); n != 1 {
		t.Errorf("two attempts have earned %d retries, want 1", n)
	}
}

// TestJobHasItsAttemptsAndRefusalsTheirTime plays random endings against a count
// of what uses up an attempt and the time of the first refusal.
func TestJobHasItsAttemptsAndRefusalsTheirTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		retry := controller.Retry{
			MaxAttempts: rapid.IntRange(1, 4).Draw(t, "attempts"),
			GiveUpAfter: time.Duration(rapid.SampledFrom([]int{-1, 1, 5, 10}).Draw(t, "give up after")),
		}
		r := rules{retry: &retry, classify: Classify}
		j := &Job{door: doorOf(false), ended: time.Duration(rapid.IntRange(0, 1).Draw(t, "begin"))}
		used, refusedSince := 0, time.Duration(-1)
		for {
			j.ended += time.Duration(rapid.IntRange(0, 5).Draw(t, "takes"))
			refused := rapid.Bool().Draw(t, "refused")
			j.probe = rapid.Bool().Draw(t, "probe") // makes no difference
			j.Err = io.EOF
			if refused {
				j.Err = Overloaded(io.EOF, 0)
			}
			var want bool
			if refused {
				if refusedSince < 0 {
					refusedSince = max(j.ended, 1) // a nanosecond late at the very beginning
				}
				want = retry.GiveUpAfter < 0 || j.ended-refusedSince < retry.GiveUpAfter
			} else {
				used++
				want = used < retry.MaxAttempts
			}
			r.judge(j, false, nil)
			if j.again != want {
				t.Fatalf("again %v after %d failures, refused for %v", j.again, used, j.ended-refusedSince)
			}
			if !j.again {
				return
			}
			if j.Attempts++; j.Attempts > 100 {
				return // refusals may go on for ever
			}
		}
	})
}

// How long the service wants to be left alone goes to the dispatcher with the
// verdict, and is not left over from an attempt before.
func TestJudgeNotesWhenToComeAgain(t *testing.T) {
	r := rules{classify: Classify, retry: &controller.Retry{MaxAttempts: 9}}
	j := &Job{door: doorOf(false)}
	for _, want := range []time.Duration{time.Second, 0, time.Minute} {
		j.Err = fmt.Errorf("wrapped: %w", Overloaded(io.EOF, want))
		r.judge(j, false, nil)
		if j.retryAfter != want {
			t.Errorf("got %v, want %v", j.retryAfter, want)
		}
	}
}
