package pacejournal

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestWhatIsStoredIsNotDoneAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	work := newCounted()
	for run, jobs := range []int{300, 1000, 1000, 10} {
		j := openAt(t, path, Options{})
		results := all(j, t.Context(), through(t, work.square), numbers(jobs))
		mustSquare(t, results, jobs)
		before := []int{0, 300, 1000, 10}[run]
		if done := work.done(); len(done) != jobs-before || known(results) != before {
			t.Errorf("run %d: got %d done and %d known, want %d and %d", run, len(done), known(results), jobs-before, before)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResultsAreReadAgainInTheOrderOfJobs(t *testing.T) {
	j := open(t)
	mustSquare(t, all(j, t.Context(), through(t, square), numbers(1000)), 1000)
	for _, jobs := range [][]int{slices.Collect(numbers(1000)), {999, 3, 500, 3, 2000, 4}} {
		var got []int
		for r, err := range j.Results(slices.Values(jobs)) {
			if err != nil || r.Out != r.In*r.In || !r.Known || !r.Stored {
				t.Fatalf("got %+v and %v", r, err)
			}
			got = append(got, r.In)
		}
		want := slices.DeleteFunc(slices.Clone(jobs), func(n int) bool { return n >= 1000 })
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	for range j.Results(numbers(5)) {
		break
	}
}

func TestAllIsInTheOrderOfStoring(t *testing.T) {
	j := open(t)
	var order []string
	for r := range j.Each(t.Context(), through(t, square), numbers(1000)) {
		order = append(order, strconv.Itoa(r.In))
	}
	var got []string
	for e, err := range j.All() {
		if n, _ := strconv.Atoi(e.Key); err != nil || e.Out != n*n || e.Attempts != 1 || e.Err != nil || e.Stored.IsZero() {
			t.Fatalf("got %+v and %v", e, err)
		}
		got = append(got, e.Key)
	}
	if !slices.Equal(got, order) {
		t.Error("got another order than that of the results")
	}
	for range j.All() {
		break
	}
}

func TestFailuresAreKeptAndTakenUpOnDemand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path, Options{})
	failed := func(results []result) (n int) {
		for _, r := range results {
			if r.Err != nil {
				n++
				if want := "bad number " + strconv.Itoa(r.In); r.Err.Error() != want || !r.Stored || r.Attempts != 1 {
					t.Errorf("got %+v, want %s, stored", r, want)
				}
			}
		}
		return n
	}
	const bad = 14 // of a hundred
	if got := failed(all(j, t.Context(), through(t, badly), numbers(100))); got != bad {
		t.Errorf("got %d failures, want %d", got, bad)
	}
	j.Close()

	j = openAt(t, path, Options{})
	work := newCounted()
	results := all(j, t.Context(), through(t, work.square), numbers(100))
	if got := failed(results); got != bad || len(work.done()) != 0 || known(results) != 100 {
		t.Errorf("again: got %d failures, %d known; want %d, and nothing done", got, known(results), bad)
	}
	var kept *FailedError
	if r := results[3]; !errors.As(r.Err, &kept) || errors.Is(r.Err, errBad) {
		t.Errorf("got %#v, want a *FailedError", r.Err)
	}

	if n, err := j.Retry("3", "10", "4", "none"); n != 2 || err != nil {
		t.Errorf("got %d to be done again and %v, want 2", n, err)
	}
	if n, err := j.Left(numbers(2 * page)); n != 2*page-100+2 || err != nil {
		t.Errorf("got %d left and %v, want %d: what was never done, and the two", n, err, 2*page-100+2)
	}
	for e := range j.All() {
		if want := e.Key == "3" || e.Key == "10"; e.Again != want {
			t.Errorf("job %s: got again %v", e.Key, e.Again)
		}
	}
	if got := failed(all(j, t.Context(), through(t, work.square), numbers(100))); got != bad-2 {
		t.Errorf("got %d failures after two were done again, want %d", got, bad-2)
	}
	if done := work.done(); !slices.Equal(done, []int{3, 10}) {
		t.Errorf("got %v done again, want 3 and 10", done)
	}
	if n, err := j.Retry(); n != bad-2 || err != nil {
		t.Errorf("got %d to be done again and %v, want all %d", n, err, bad-2)
	}
	if got := failed(all(j, t.Context(), through(t, badly), numbers(100))); got != bad-2 {
		t.Errorf("got %d failures, want the same as before", got)
	}
	for e := range j.All() {
		if want := map[bool]int{true: 2, false: 1}[e.Err != nil || e.Key == "3" || e.Key == "10"]; e.Attempts != want {
			t.Errorf("job %s: got %d attempts, want %d in all", e.Key, e.Attempts, want)
		}
	}
}

func TestWhatWasCutOffIsDoneByTheNextRun(t *testing.T) {
	j := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	work := newCounted()
	results := all(j, ctx, through(t, func(ctx context.Context, n int) (int, error) {
		if n == 50 {
			cancel()
		}
		if n >= 50 {
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return square(ctx, n)
	}), numbers(1000))
	stored := 0
	for _, r := range results {
		if r.Stored != (r.Err == nil) || r.Err != nil && !errors.Is(r.Err, context.Canceled) {
			t.Fatalf("got %+v, want it stored or cut off", r)
		}
		if r.Stored {
			stored++
		}
	}
	if stored == 0 || stored >= 100 {
		t.Errorf("got %d stored, want about 50", stored)
	}
	if results := all(j, t.Context(), through(t, work.square), numbers(1000)); known(results) != stored {
		t.Errorf("got %d known, want %d", known(results), stored)
	} else {
		mustSquare(t, results, 1000)
	}
}

// Whatever error the work makes of it, what ends because the run does has not failed.
func TestNoFailureOfACancelledRunIsFinal(t *testing.T) {
	j := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	for r := range j.Each(ctx, through(t, func(ctx context.Context, n int) (int, error) {
		cancel()
		<-ctx.Done()
		return 0, errors.New("broken off")
	}), numbers(10)) {
		if r.Stored || r.Err == nil {
			t.Errorf("got %+v, want it left for the next run", r)
		}
	}
	deadline, done := context.WithTimeout(t.Context(), time.Hour)
	defer done()
	for r := range j.Each(deadline, through(t, func(context.Context, int) (int, error) {
		return 0, pipeline.Fatal(context.DeadlineExceeded) // as what had no time for another attempt
	}), numbers(10)) {
		if r.Stored || !errors.Is(r.Err, context.DeadlineExceeded) {
			t.Errorf("got %+v, want it left for the next run", r)
		}
	}
	mustSquare(t, all(j, t.Context(), through(t, square), numbers(10)), 10)
}

// What is between two stages when the second one closes comes back with ErrClosed, and has not failed.
func TestWhatAClosedStageDoesNotDoIsLeftForTheNextRun(t *testing.T) {
	j := open(t)
	second := through(t, square)
	closed := 0
	for r := range j.Each(t.Context(), pipeline.Then(through(t, func(_ context.Context, n int) (int, error) {
		if n == 100 {
			second.Throttle().Close()
		}
		return n, nil
	}), second), numbers(1000)) {
		if errors.Is(r.Err, pipeline.ErrClosed) {
			closed++
		}
		if r.Stored != (r.Err == nil) {
			t.Fatalf("got %+v", r)
		}
	}
	if closed == 0 {
		t.Error("got nothing that was not done")
	}
	for r := range j.Each(t.Context(), through(t, square), numbers(1000)) {
		if r.Err != nil || r.Out != r.In*r.In || !r.Stored {
			t.Errorf("got %+v from the next run", r)
		}
	}
}

func TestLeavingTheLoopKeepsWhatWasDone(t *testing.T) {
	j := open(t)
	for range j.Each(t.Context(), through(t, square), numbers(100_000)) {
		break
	}
	if results := all(j, t.Context(), through(t, square), numbers(1000)); known(results) == 0 {
		t.Error("got nothing known of a run that was left")
	} else {
		mustSquare(t, results, 1000)
	}
}

// As from pipeline.Each: what was done by then is stored.
func TestAPanicOfTheJobsComesOutOfTheLoop(t *testing.T) {
	j := open(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("got no panic")
			}
		}()
		all(j, t.Context(), through(t, square), func(yield func(int) bool) {
			for n := range 100 {
				yield(n)
			}
			panic("no more jobs")
		})
	}()
	if results := all(j, t.Context(), through(t, square), numbers(100)); known(results) != 100 {
		t.Errorf("got %d known, want all that came before the panic", known(results))
	}
}

func TestADrainedThrottleGivesBackWhatItDoesNotDo(t *testing.T) {
	j := open(t)
	work := newCounted()
	p := through(t, work.square)
	var stored, left int
	for r := range j.Each(t.Context(), p, numbers(100_000)) {
		switch {
		case stored == 0:
			p.Throttle().Close()
			fallthrough
		case r.Err == nil && r.Stored:
			stored++
		case errors.Is(r.Err, pipeline.ErrClosed) && !r.Stored && r.Attempts == 0:
			left++
		default:
			t.Fatalf("got %+v", r)
		}
	}
	if done := work.done(); len(done) != stored || left == 0 {
		t.Errorf("got %d stored and %d given back of %d done", stored, left, len(done))
	}
}

func TestOneOfSeveralWithTheSameKeyIsDone(t *testing.T) {
	j := open(t)
	work := newCounted()
	jobs := make([]int, 0, 3000)
	for i := range 3000 {
		jobs = append(jobs, i%100)
	}
	results := all(j, t.Context(), through(t, work.square), slices.Values(jobs))
	if done := work.done(); len(results) != 3000 || !slices.Equal(done, slices.Collect(numbers(100))) || known(results) != 2900 {
		t.Errorf("got %d results, %d known, and %d done; want 3000, 2900, and 100 once each", len(results), known(results), len(done))
	}
}

// A job that waits for another one with its key does not wait for others.
func TestOneOfSeveralWithTheSameKeyWaitsForNoOtherJob(t *testing.T) {
	j := open(t)
	gate, read := make(chan struct{}), make(chan struct{})
	p := through(t, func(ctx context.Context, n int) (int, error) {
		if n == 0 {
			<-gate
		}
		return square(ctx, n)
	})
	count := map[int]int{}
	for r := range j.Each(t.Context(), p, func(yield func(int) bool) {
		for _, n := range []int{0, 0, 1, 1} {
			yield(n)
		}
		<-read // no further job comes that would have it looked at the others
	}) {
		if count[r.In]++; count[1] == 2 && count[0] == 0 {
			close(gate)
			close(read)
		}
	}
	if count[0] != 2 || count[1] != 2 {
		t.Errorf("got %v, want two results of each", count)
	}
}

func TestTwoLoopsShareTheWork(t *testing.T) {
	j := open(t)
	work := newCounted()
	p := through(t, work.square)
	second := make(chan []result)
	go func() { second <- all(j, t.Context(), p, numbers(2000)) }()
	mustSquare(t, all(j, t.Context(), p, numbers(2000)), 2000)
	mustSquare(t, <-second, 2000)
	if done := work.done(); !slices.Equal(done, slices.Collect(numbers(2000))) {
		t.Errorf("got %d done, want 2000 once each", len(done))
	}
}

// The log is in memory that is not shared: on a file system without it, and on a full disk, a journal opens all the same.
func TestThereIsNoThirdFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	for range 3 {
		j := openAt(t, path, Options{})
		mustSquare(t, all(j, t.Context(), through(t, square), numbers(100)), 100)
		files, err := filepath.Glob(path + "*")
		if want := []string{path, path + "-wal"}; err != nil || !slices.Equal(files, want) {
			t.Errorf("got %v and %v, want %v", files, err, want)
		}
		j.Close()
	}
}

func TestIdempotencyKeysStayTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path, Options{})
	first := j.IdempotencyKey(1)
	if len(first) != 32 || first == j.IdempotencyKey(2) || first == open(t).IdempotencyKey(1) {
		t.Errorf("got %q, want 32 digits that no other job and no other journal has", first)
	}
	j.Close()
	j = openAt(t, path, Options{})
	if again := j.IdempotencyKey(1); again != first {
		t.Errorf("got %q after %q", again, first)
	}
	j.Close()
	if fresh := openAt(t, path, Options{Fresh: true}).IdempotencyKey(1); fresh == first {
		t.Error("got the same key from a fresh journal")
	}
}

func TestAChainRunsThroughAJournal(t *testing.T) {
	j := open(t)
	chain := pipeline.Then(through(t, square), through(t, func(_ context.Context, n int) (int, error) { return n + 1, nil }))
	for range 2 {
		for r := range j.Each(t.Context(), chain, numbers(100)) {
			if r.Out != r.In*r.In+1 || r.Err != nil || !r.Stored {
				t.Errorf("got %+v", r)
			}
		}
	}
}
