package pacenats_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

type queue = pacenats.Queue[int, string]

func openQueue(t testing.TB, conn *nats.Conn, name string, o pacenats.QueueOptions) *queue {
	t.Helper()
	q, err := pacenats.OpenQueue[int, string](t.Context(), conn, name, strconv.Itoa, o)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func count(n int) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func throttle(t testing.TB, cfg pipeline.Config) *pipeline.Throttle {
	t.Helper()
	th, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// results reads all results, of which no key may come twice.
func results(t testing.TB, q *queue) map[string]pacenats.Result[int, string] {
	t.Helper()
	all := make(map[string]pacenats.Result[int, string])
	for r, err := range q.Results(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[r.Key]; twice {
			t.Errorf("got two results of %s", r.Key)
		}
		all[r.Key] = r
	}
	return all
}

func left(t testing.TB, q *queue) int64 {
	t.Helper()
	s, err := q.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Left
}

// work has n processes' worth of work done until nothing is left.
func work(t testing.TB, q *queue, n int, do pipeline.Work[int, string]) {
	t.Helper()
	var wg sync.WaitGroup
	var all []*pipeline.Throttle
	for range n {
		th := throttle(t, pipeline.Config{MaxConcurrency: 16, Policy: pipeline.Static{}})
		all = append(all, th)
		wg.Go(func() {
			if err := q.Work(t.Context(), th, do); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "nothing is left", func() bool { return left(t, q) == 0 })
	for _, th := range all {
		th.Close()
	}
	wg.Wait()
}

// Each job gets one result, also one that is submitted again, and one that fails.
func TestEachJobGetsOneResult(t *testing.T) {
	t.Parallel()
	q := openQueue(t, connect(t, serve(t).URL()), "jobs", pacenats.QueueOptions{})
	added, err := q.Submit(t.Context(), count(300))
	if err != nil || added != 300 {
		t.Fatalf("got %d added, error %v, want 300", added, err)
	}
	if added, err = q.Submit(t.Context(), count(310)); err != nil || added != 10 {
		t.Errorf("got %d added, error %v, want the 10 that are new", added, err)
	}
	var calls atomic.Int64
	do := func(_ context.Context, in int) (string, error) {
		calls.Add(1)
		if in%100 == 7 {
			return "", fmt.Errorf("bad job %d", in)
		}
		return strconv.Itoa(2 * in), nil
	}
	work(t, q, 2, do)
	all := results(t, q)
	if len(all) != 310 || calls.Load() != 310 {
		t.Fatalf("got %d results by %d calls, want 310", len(all), calls.Load())
	}
	for in := range 310 {
		r := all[strconv.Itoa(in)]
		failed := new(pacenats.FailedError)
		switch {
		case in%100 == 7:
			if !errors.As(r.Err, &failed) || failed.Text != fmt.Sprintf("bad job %d", in) {
				t.Errorf("job %d: got error %v, want that of the work", in, r.Err)
			}
		case r.Err != nil || r.Out != strconv.Itoa(2*in) || r.In != in || r.Starts != 1:
			t.Errorf("job %d: got %+v", in, r)
		}
	}
	again := openQueue(t, connect(t, serve(t).URL()), "jobs", pacenats.QueueOptions{})
	if _, err := again.Submit(t.Context(), count(0)); err != nil || len(results(t, again)) != 0 {
		t.Errorf("got error %v, want an empty queue of another server", err)
	}
}

// A job that failed comes again after as long as Later says, and holds nothing meanwhile.
func TestAFailedJobIsPutOff(t *testing.T) {
	t.Parallel()
	conn := connect(t, serve(t).URL())
	q := openQueue(t, conn, "later", pacenats.QueueOptions{Later: func(_ error, starts int) time.Duration {
		return time.Duration(3-starts) * 150 * time.Millisecond
	}})
	if _, err := q.Submit(t.Context(), count(3)); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	at := make(map[int][]time.Time)
	work(t, q, 1, func(_ context.Context, in int) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		at[in] = append(at[in], time.Now())
		if in == 1 {
			return "", errors.New("not now")
		}
		return "", nil
	})
	if len(at[0]) != 1 || len(at[1]) != 3 || len(at[2]) != 1 {
		t.Fatalf("got attempts at %v, want three of job 1 and one of the others", at)
	}
	for i, want := range []time.Duration{300, 150} {
		if waited := at[1][i+1].Sub(at[1][i]); waited < want*time.Millisecond {
			t.Errorf("got another attempt after %v, want not before %dms", waited, want)
		}
	}
	if r := results(t, q)["1"]; r.Err == nil || r.Starts != 3 {
		t.Errorf("got %+v, want its failure, after 3 starts", r)
	}
}

// A job that has a result is not done again, however it comes back.
func TestWhatIsStoredIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	conn := connect(t, serve(t).URL())
	q := openQueue(t, conn, "again", pacenats.QueueOptions{})
	do := func(_ context.Context, in int) (string, error) { return "first", nil }
	if _, err := q.Submit(t.Context(), count(5)); err != nil {
		t.Fatal(err)
	}
	work(t, q, 1, do)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for in := range 5 { // as if the server had forgotten the ids of messages, which it does
		id := results(t, q)[strconv.Itoa(in)].Key
		if _, err := js.Publish(t.Context(), "pacejobs.again.job", []byte(id)); err != nil {
			t.Fatal(err)
		}
	}
	work(t, q, 1, func(context.Context, int) (string, error) {
		t.Error("got a job done again that has a result")
		return "second", nil
	})
	for key, r := range results(t, q) {
		if r.Out != "first" {
			t.Errorf("job %s: got %q, want the first result", key, r.Out)
		}
	}
}

// A job that a second process has begun, because the server took the first one for dead, gets the
// result of the first that ends: the second may be killed before it has one.
func TestAResultIsStoredThoughAnotherHasBegun(t *testing.T) {
	t.Parallel()
	conn := connect(t, serve(t).URL())
	q := openQueue(t, conn, "slow", pacenats.QueueOptions{})
	if _, err := q.Submit(t.Context(), count(1)); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	work(t, q, 1, func(ctx context.Context, in int) (string, error) {
		records, err := js.Stream(ctx, "PACERECORDS_slow")
		if err != nil {
			return "", err
		}
		begun, err := records.GetMsg(ctx, 1)
		if err != nil {
			return "", err
		}
		_, err = js.Publish(ctx, begun.Subject, []byte(strings.Replace(string(begun.Data), `"starts":1`, `"starts":2`, 1)))
		return "first", err
	})
	if all := results(t, q); len(all) != 1 || all["0"].Err != nil || all["0"].Out != "first" || all["0"].Starts != 2 {
		t.Errorf("got %+v, want the result of the one that ended, and that it was begun twice", all)
	}
}

// Jobs that were taken and not begun when the throttle is closed are given back, and those that
// were begun are finished.
func TestCloseGivesBackWhatWasNotBegun(t *testing.T) {
	t.Parallel()
	q := openQueue(t, connect(t, serve(t).URL()), "close", pacenats.QueueOptions{})
	if _, err := q.Submit(t.Context(), count(50)); err != nil {
		t.Fatal(err)
	}
	th := throttle(t, pipeline.Config{MaxConcurrency: 3, Policy: pipeline.Static{}})
	begun := make(chan int, 50)
	release := make(chan struct{})
	ended := make(chan error)
	go func() {
		ended <- q.Work(t.Context(), th, func(_ context.Context, in int) (string, error) {
			begun <- in
			<-release
			return "", nil
		})
	}()
	for range 3 {
		<-begun
	}
	th.Close()
	close(release)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	stored := int64(len(results(t, q)))
	if stored < 3 {
		t.Errorf("got %d results, want at least 3", stored)
	}
	until(t, "those that have a result are gone", func() bool { return left(t, q) == 50-stored }) // the server is told without an answer
	work(t, q, 1, func(context.Context, int) (string, error) { return "", nil })
	if n := len(results(t, q)); n != 50 {
		t.Errorf("got %d results in the end, want 50", n)
	}
}

func TestWhatIsWrongWithAQueueIsSaid(t *testing.T) {
	t.Parallel()
	conn := connect(t, serve(t).URL())
	ctx := t.Context()
	for want, o := range map[string]pacenats.QueueOptions{
		"max_starts: got -1": {MaxStarts: -1}, "ack_wait: got 1ms": {AckWait: time.Millisecond},
	} {
		if _, err := pacenats.OpenQueue[int, string](ctx, conn, "x", strconv.Itoa, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	if _, err := pacenats.OpenQueue[int, string](ctx, conn, "x", nil, pacenats.QueueOptions{}); err == nil || !strings.Contains(err.Error(), "key: got nil") {
		t.Errorf("got error %v, want one of the key", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "PACEJOBS_taken", Subjects: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := pacenats.OpenQueue[int, string](ctx, conn, "taken", strconv.Itoa, pacenats.QueueOptions{}); !errors.Is(err, pacenats.ErrForeign) {
		t.Errorf("got error %v, want ErrForeign", err)
	}
	q, err := pacenats.OpenQueue[int, string](ctx, conn, "keys", func(int) string { return "" }, pacenats.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Submit(ctx, count(1)); err == nil || !strings.Contains(err.Error(), "key: got none") {
		t.Errorf("got error %v, want one of the key", err)
	}
}
