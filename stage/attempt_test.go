package stage

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// idle is work that there is nothing to.
type idle struct{}

func (idle) Attempt(context.Context) error { return nil }

// A worker that has not rested knows the time of its last attempt's end only,
// and the job may have been submitted since.
func TestAttemptDoesNotStartBeforeItWasLetThrough(t *testing.T) {
	mock := clock.NewMock()
	a := &attempts{clock: mock, epoch: mock.Now()}
	a.rules.Store(&rules{classify: Classify})
	mock.Add(10 * time.Second)
	for _, test := range []struct{ known, want time.Duration }{
		{3 * time.Second, time.Second}, {5 * time.Second, time.Second}, {8 * time.Second, 3 * time.Second},
	} {
		j := &Job{Work: idle{}, door: &Door{ctx: t.Context()}, taken: 5 * time.Second, started: 6 * time.Second}
		if ended := a.run(j, test.known); ended != 10*time.Second || j.started != j.taken+test.want || j.Waited != test.want || j.Waited+j.Took != 5*time.Second {
			t.Errorf("known to be after %v: waited %v, took %v, ended at %v", test.known, j.Waited, j.Took, ended)
		}
	}
}

// runAttempts makes attempts of a job under the rules, on a clock that stands
// still.
func runAttempts(j *Job, r *rules, works ...WorkFunc) {
	mock := clock.NewMock()
	a := &attempts{clock: mock, epoch: mock.Now(), allowance: controller.NewAllowance(1)}
	r.classify = Classify
	a.rules.Store(r)
	if j.door == nil {
		j.door = &Door{ctx: context.Background()}
	}
	for _, w := range works {
		j.Work = w
		a.run(j, 0)
	}
}

func TestPanicOfTheWorkIsTheJobsError(t *testing.T) {
	var j Job
	runAttempts(&j, &rules{}, func(context.Context) error { panic(io.EOF) })
	var panicked *PanicError
	if !errors.As(j.Err, &panicked) || panicked.Value != io.EOF || j.verdict != ignored || j.again {
		t.Errorf("got %v, %v, again %v", j.Err, j.verdict, j.again)
	}
}

func TestSecondAttemptForgetsTheErrorOfTheFirst(t *testing.T) {
	var j Job
	runAttempts(&j, &rules{}, func(context.Context) error { return io.EOF }, func(context.Context) error { return nil })
	if j.Err != nil || j.verdict != succeeded || j.counted != succeeded || j.Attempts != 2 {
		t.Errorf("got %v, %v, %v after %d attempts", j.Err, j.verdict, j.counted, j.Attempts)
	}
}

func TestWaitedAndTookAreOfTheWholeJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &attempts{clock: clock.Real(), epoch: time.Now()}
		a.rules.Store(&rules{classify: Classify})
		j := &Job{door: doorOf(false), taken: time.Second, Work: WorkFunc(func(context.Context) error {
			time.Sleep(3 * time.Second)
			return io.EOF
		})}
		time.Sleep(5 * time.Second)
		a.run(j, a.now())
		time.Sleep(10 * time.Second) // backs off
		if ended := a.run(j, a.now()); ended != 21*time.Second {
			t.Errorf("ended at %v, want 21s", ended)
		}
		if j.Waited != 4*time.Second || j.Took != 16*time.Second {
			t.Errorf("waited %v, took %v, want 4s and 16s", j.Waited, j.Took)
		}
	})
}

func TestAttemptOfACancelledDoorDoesNotStart(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(io.EOF)
	for attempts, want := range []error{nil, errService} { // what it failed with before
		j := Job{door: &Door{ctx: ctx}, Attempts: attempts, Err: want, again: true, started: 1, ended: 1, tokens: 5}
		runAttempts(&j, &rules{retry: &controller.Retry{Budget: 1}}, func(context.Context) error {
			t.Error("started")
			return nil
		})
		if !errors.Is(j.Err, io.EOF) || !errors.Is(j.Err, want) && want != nil {
			t.Errorf("got %v, want the cause and %v", j.Err, want)
		}
		if !j.skipped || j.Attempts != attempts || j.again || j.verdict != ignored || j.counted != ignored || j.tokens != Unknown {
			t.Errorf("taken for an attempt: %+v", j)
		}
	}
}

func TestTimeoutEndsTheAttemptAndIsASignOfOverload(t *testing.T) {
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, test := range []struct {
		name string
		work WorkFunc
		want controller.Verdict
	}{
		{"gives up in time", wait, overload},
		{"wraps it", func(ctx context.Context) error { return errors.Join(io.EOF, wait(ctx)) }, overload},
		{"fails by itself", func(ctx context.Context) error { _ = wait(ctx); return io.EOF }, failed},
		{"succeeds all the same", func(ctx context.Context) error { _ = wait(ctx); return nil }, succeeded},
		{"deadline of its own, before", func(context.Context) error { return context.DeadlineExceeded }, failed},
		{"refused in the end", func(ctx context.Context) error { return Overloaded(wait(ctx), 0) }, overload},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &attempts{clock: clock.Real(), epoch: time.Now()}
				a.rules.Store(&rules{classify: Classify, timeout: time.Minute})
				j := &Job{door: doorOf(false), Work: test.work}
				if ended := a.run(j, 0); ended > time.Minute {
					t.Errorf("ended after %v", ended)
				}
				if j.verdict != test.want {
					t.Errorf("got %v, want %v: %v", j.verdict, test.want, j.Err)
				}
			})
		})
	}
}

// An evil error ends the goroutine that calls any method of it.
type evil struct{}

func (evil) Error() string   { runtime.Goexit(); return "" }
func (evil) Is(error) bool   { runtime.Goexit(); return false }
func (evil) As(any) bool     { runtime.Goexit(); return false }
func (evil) Unwrap() []error { runtime.Goexit(); return nil }

// abort runs in a deferred function of a goroutine that ends, and must come to
// its own end whatever is in the error.
func TestAbortedAttemptCallsNothingOfTheUsers(t *testing.T) {
	mock := clock.NewMock()
	a := &attempts{clock: mock, epoch: mock.Now().Add(-3 * time.Second)}
	for name, err := range map[string]error{"evil error": evil{}, "no error yet": ErrGoexit, "error": io.EOF} {
		done := make(chan bool, 1)
		j := &Job{door: doorOf(false), again: true}
		go func() {
			defer close(done)
			a.begin(j, &rules{}, 0)
			j.Err = err
			a.abort(j)
			done <- true
		}()
		if !<-done {
			t.Errorf("%s: did not come to its end", name)
			continue
		}
		if j.again || j.verdict != ignored || j.counted != ignored || j.tokens != Unknown || j.Took != 3*time.Second {
			t.Errorf("%s: %v, %v, again %v, took %v", name, j.verdict, j.counted, j.again, j.Took)
		}
		if joined, ok := j.Err.(interface{ Unwrap() []error }); err != ErrGoexit && (!ok || joined.Unwrap()[1] != ErrGoexit) {
			t.Errorf("%s: its error does not say that it was ended", name)
		}
	}
}

func TestGoexitOfTheWorkLeavesItsErrorBehind(t *testing.T) {
	j := Job{Err: io.EOF}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runAttempts(&j, &rules{}, func(context.Context) error { runtime.Goexit(); return nil })
	}()
	<-ended
	if j.Err != ErrGoexit {
		t.Errorf("got %v, want that of Goexit and none of an earlier attempt", j.Err)
	}
}

// A policy takes it that of two attempts the one with the higher number did not start first.
func TestNumbersOfAttemptsAreInTheOrderOfTheirStarts(t *testing.T) {
	a := &attempts{clock: clock.Real(), epoch: time.Now()}
	const workers, each = 8, 5_000
	starts := make([]time.Duration, 1+workers*each)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				j := Job{door: doorOf(false)}
				started := a.now()
				runtime.Gosched() // so that others come between
				a.begin(&j, &rules{}, started)
				starts[j.seq] = j.started
			}
		})
	}
	all.Wait()
	for seq := 2; seq < len(starts); seq++ {
		if starts[seq] == 0 || starts[seq] < starts[seq-1] {
			t.Fatalf("attempt %d started at %v, attempt %d at %v", seq-1, starts[seq-1], seq, starts[seq])
		}
	}
}
