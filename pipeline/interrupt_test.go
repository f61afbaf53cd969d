package pipeline_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// signalSelf sends this process a signal, which an Interruptible has to be waiting for.
func signalSelf(t *testing.T, s os.Signal) {
	t.Helper()
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// endlessJobs sends jobs until nobody hears them any more.
func endlessJobs(done <-chan struct{}) <-chan int {
	jobs := make(chan int)
	go func() {
		for i := 0; ; i++ {
			select {
			case jobs <- i:
			case <-done:
				return
			}
		}
	}()
	return jobs
}

// After the first signal nothing more is taken, and what was taken is finished.
func TestASignalLetsWhatWasTakenFinish(t *testing.T) {
	for s, code := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		ctx, stop := pipeline.Interruptible(context.Background(), 0)
		defer stop()
		begun, release := make(chan struct{}, 100), make(chan struct{})
		p := newPipeline(t, func(context.Context, int) (int, error) {
			begun <- struct{}{}
			<-release
			return 0, nil
		}, pipeline.Config{MaxConcurrency: 3, Policy: pipeline.Static{}})
		results := p.Run(ctx, endlessJobs(p.Throttle().Done()))
		for range 3 {
			<-begun
		}
		said := pipeline.Interruption(ctx)
		if pipeline.Interrupted(ctx) != nil || said.Err() != nil || pipeline.Interruption(t.Context()).Done() != nil {
			t.Fatal("got a signal before there was one")
		}
		signalSelf(t, s)
		<-p.Throttle().Done()
		if _, err := pipeline.Execute(ctx, p.Throttle(), func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, pipeline.ErrClosed) {
			t.Errorf("%v: got error %v of a call after it, want ErrClosed", s, err)
		}
		close(release)
		n := 0
		for r := range results {
			if n++; r.Err != nil {
				t.Errorf("%v: got error %v, want each job that was taken done", s, r.Err)
			}
		}
		var cause *pipeline.InterruptedError
		if !errors.As(context.Cause(said), &cause) || cause.Signal != s {
			t.Errorf("%v: got cause %v of its interruption, want the signal", s, context.Cause(said))
		}
		if was := pipeline.Interrupted(ctx); n < 3 || ctx.Err() != nil || was == nil || was.ExitCode() != code {
			t.Errorf("%v: got %d results, context %v, %v; want at least 3, none, and exit status %d", s, n, ctx.Err(), was, code)
		}
		stop()
	}
}

// When the grace is over, what is still under way is cut off and comes back with the signal.
func TestAfterTheGraceAttemptsAreCutOff(t *testing.T) {
	ctx, stop := pipeline.Interruptible(context.Background(), time.Millisecond)
	defer stop()
	begun := make(chan struct{}, 100)
	p := newPipeline(t, func(ctx context.Context, _ int) (int, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}, pipeline.Config{MaxConcurrency: 3, Policy: pipeline.Static{}})
	results := p.Run(ctx, endlessJobs(p.Throttle().Done()))
	<-begun
	signalSelf(t, os.Interrupt)
	n := 0
	for r := range results {
		n++
		stopped := new(pipeline.InterruptedError)
		if !errors.As(r.Err, &stopped) || stopped.Signal != os.Interrupt || !errors.Is(r.Err, context.Canceled) {
			t.Errorf("got error %v, want the signal", r.Err)
		}
	}
	if n == 0 || context.Cause(ctx) != error(pipeline.Interrupted(ctx)) {
		t.Errorf("got %d results, cause %v, want at least one, and the signal", n, context.Cause(ctx))
	}
}

// Of a chain, the first stage takes nothing more, and the others finish what it has taken.
func TestASignalLetsAChainFinish(t *testing.T) {
	for _, each := range []bool{false, true} {
		ctx, stop := pipeline.Interruptible(context.Background(), 0)
		defer stop()
		cfg := pipeline.Config{MaxConcurrency: 2, Policy: pipeline.Static{}}
		begun, release := make(chan struct{}, 1000), make(chan struct{})
		first := newPipeline(t, func(_ context.Context, in int) (int, error) {
			begun <- struct{}{}
			<-release
			return in, nil
		}, cfg)
		second := newPipeline(t, func(ctx context.Context, in int) (int, error) {
			if pipeline.Interrupted(ctx) == nil {
				t.Error("got no signal in the work of the second stage, want it to know")
			}
			return in, nil
		}, cfg)
		chain := pipeline.Then(first, second)
		go func() {
			<-begun
			signalSelf(t, os.Interrupt)
			<-first.Throttle().Done()
			close(release)
		}()
		done := 0
		take := func(r pipeline.Result[int, int]) {
			switch {
			case r.Err == nil:
				done++
			case r.Attempts > 0 || !errors.Is(r.Err, pipeline.ErrClosed):
				t.Errorf("got error %v of job %d after %d attempts, want those that were begun done", r.Err, r.In, r.Attempts)
			}
		}
		if each {
			for r := range chain.Each(ctx, func(yield func(int) bool) {
				for i := 0; yield(i); i++ {
				}
			}) {
				take(r)
			}
		} else {
			for r := range chain.Run(ctx, endlessJobs(first.Throttle().Done())) {
				take(r)
			}
		}
		select {
		case <-second.Throttle().Done():
			t.Error("got the second stage's throttle closed, want it open for what comes from the first")
		default:
		}
		if done == 0 {
			t.Error("got nothing done, want what was begun")
		}
		stop()
	}
}

// By key, thousands of jobs may have been taken. After a signal, those that have not been begun come back at
// once, and those that have are finished, with their retries.
func TestASignalLetsGoOfWhatStandsInLinesAndWasNotBegun(t *testing.T) {
	const jobs = 60
	for name, setUp := range map[string]func(*pipeline.KeyedPipeline[int, int, int]) pipeline.Stage[int, int]{
		"alone":   func(p *pipeline.KeyedPipeline[int, int, int]) pipeline.Stage[int, int] { return p },
		"ordered": func(p *pipeline.KeyedPipeline[int, int, int]) pipeline.Stage[int, int] { return p.OrderedByKey() },
		"chain": func(p *pipeline.KeyedPipeline[int, int, int]) pipeline.Stage[int, int] {
			return pipeline.Then(p, newPipeline(t, func(_ context.Context, in int) (int, error) { return in, nil }, pipeline.Config{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := pipeline.Interruptible(context.Background(), time.Hour)
			defer stop()
			keyed, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{Each: pipeline.Config{
				MaxConcurrency: 1, Policy: pipeline.Static{}, Retry: &pipeline.Retry{BaseDelay: time.Millisecond},
			}})
			if err != nil {
				t.Fatal(err)
			}
			begun, release, fed := make(chan struct{}, jobs), make(chan struct{}), make(chan struct{})
			p := pipeline.ByKey(keyed, func(in int) int { return in % 2 }, func(ctx context.Context, in int) (int, error) {
				begun <- struct{}{}
				<-release
				if pipeline.SlotFrom(ctx).Attempt() == 0 {
					return 0, errors.New("the first attempt fails")
				}
				return in, nil
			})
			go func() {
				<-fed
				<-begun
				<-begun
				signalSelf(t, os.Interrupt)
			}()
			done, notBegun := 0, 0
			for r := range setUp(p).Each(ctx, func(yield func(int) bool) {
				defer close(fed)
				for in := 0; in < jobs && yield(in); in++ {
				}
			}) {
				switch {
				case r.Err == nil:
					done++
				case r.Attempts == 0 && errors.Is(r.Err, pipeline.ErrClosed):
					if notBegun++; notBegun == jobs-2 {
						close(release)
					}
				default:
					t.Errorf("got error %v of job %d after %d attempts, want it done, or ErrClosed and not begun", r.Err, r.In, r.Attempts)
				}
			}
			if done != 2 || notBegun != jobs-2 || p.Snapshot().Inside != 0 {
				t.Errorf("got %d done, %d not begun, %d inside; want 2, %d and 0", done, notBegun, p.Snapshot().Inside, jobs-2)
			}
		})
	}
}

func TestWithoutASignalInterruptibleIsACancel(t *testing.T) {
	outer, cancel := context.WithCancel(context.Background())
	ctx, stop := pipeline.Interruptible(outer, time.Hour)
	stop()
	stop()
	if ctx.Err() == nil || pipeline.Interrupted(ctx) != nil || pipeline.Interrupted(outer) != nil {
		t.Errorf("got context %v and %v after stop, want it cancelled and no signal", ctx.Err(), pipeline.Interrupted(ctx))
	}
	ctx, stop = pipeline.Interruptible(outer, time.Hour)
	defer stop()
	if cancel(); ctx.Err() == nil {
		t.Error("got a context that goes on when its parent is cancelled")
	}
	var none context.Context
	for _, bad := range []func(){
		func() { pipeline.Interruptible(context.Background(), -1) },
		func() { pipeline.Interruptible(none, 0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("got no panic, want one that names what is wrong")
				}
			}()
			bad()
		}()
	}
}

// The second signal ends the program: the child's work never ends by itself.
func TestTheSecondSignalEndsTheProgram(t *testing.T) {
	const child = "PACELINE_TEST_SECOND_SIGNAL"
	if os.Getenv(child) != "" {
		ctx, stop := pipeline.Interruptible(context.Background(), time.Hour)
		defer stop()
		p := newPipeline(t, func(context.Context, int) (int, error) {
			fmt.Println("begun")
			select {}
		}, pipeline.Config{MaxConcurrency: 1})
		go func() {
			<-p.Throttle().Done()
			fmt.Println("draining")
		}()
		for range p.Run(ctx, endlessJobs(p.Throttle().Done())) {
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestTheSecondSignalEndsTheProgram$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(io.LimitReader(out, 1<<20)); lines.Scan(); {
		if text := lines.Text(); text == "begun" || text == "draining" {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil { // a shell may have had what it runs behind ignore the other
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	exit := new(exec.ExitError)
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("got %v, want a program that the second signal has ended", err)
	}
}
