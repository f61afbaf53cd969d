package pacenats_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// A working is a call of Work, in a process of its own as far as the server can tell.
type working struct {
	conn   *nats.Conn
	t      *pipeline.Throttle
	cancel context.CancelFunc
	ended  chan error
}

func startWorking(t *testing.T, url, name string, o pacenats.QueueOptions, do pipeline.Work[int, string]) *working {
	t.Helper()
	w := &working{conn: connect(t, url), t: throttle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Static{}}), ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	w.cancel = cancel
	q := openQueue(t, w.conn, name, o)
	go func() { w.ended <- q.Work(ctx, w.t, do) }()
	return w
}

// close ends it as a program does that drains.
func (w *working) close(t *testing.T) {
	t.Helper()
	w.t.Close()
	if err := <-w.ended; err != nil {
		t.Error(err)
	}
	w.cancel()
}

// vanish has the server hear nothing of it any more, as if it had been killed.
func (w *working) vanish() {
	w.conn.Close()
	w.cancel()
	<-w.ended
}

func stream(t *testing.T, conn *nats.Conn, name string) (jetstream.JetStream, jetstream.Stream) {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return js, s
}

// A result that cannot be stored before the run is cancelled leaves its job in the queue.
func TestAJobWithoutAStoredResultStays(t *testing.T) {
	t.Parallel()
	s := serve(t)
	o := pacenats.QueueOptions{AckWait: time.Second}
	conn := connect(t, s.URL())
	q := openQueue(t, conn, "full", o)
	if _, err := q.Submit(t.Context(), count(1)); err != nil {
		t.Fatal(err)
	}
	js, records := stream(t, conn, "PACERECORDS_full")
	cfg := records.CachedInfo().Config
	resize := func(most int64) error {
		cfg.MaxMsgSize = 0
		cfg.MaxBytes, cfg.Discard = most, jetstream.DiscardNew
		_, err := js.UpdateStream(t.Context(), cfg)
		return err
	}
	begun := make(chan struct{})
	w := startWorking(t, s.URL(), "full", o, func(ctx context.Context, _ int) (string, error) {
		defer close(begun)
		return strings.Repeat("x", 1000), resize(500)
	})
	<-begun
	w.cancel()
	if err := <-w.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that it was cancelled", err)
	}
	if n := len(results(t, q)); n != 0 || left(t, q) != 1 {
		t.Fatalf("got %d results and %d jobs left, want the job and no result", n, left(t, q))
	}
	if err := resize(-1); err != nil {
		t.Fatal(err)
	}
	work(t, q, 1, func(context.Context, int) (string, error) { return "second", nil })
	if r := results(t, q)["0"]; r.Out != "second" {
		t.Errorf("got %+v, want the result of the second", r)
	}
}

// While a process works on a job, another that gets it, as after a restart of the server, leaves
// it to the first: it is done once, and not taken for dead.
func TestAJobThatIsWorkedOnIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	o := pacenats.QueueOptions{AckWait: time.Second, MaxStarts: 1}
	conn := connect(t, s.URL())
	q := openQueue(t, conn, "held", o)
	if _, err := q.Submit(t.Context(), count(1)); err != nil {
		t.Fatal(err)
	}
	var calls, others atomic.Int64
	begun, release := make(chan struct{}), make(chan struct{})
	do := func(_ context.Context, in int) (string, error) {
		if in == 1 {
			others.Add(1)
			return "", nil
		}
		if calls.Add(1) == 1 {
			close(begun)
			<-release
		}
		return "first", nil
	}
	first := startWorking(t, s.URL(), "held", o, do)
	<-begun
	other := startWorking(t, s.URL(), "held", o, do)
	js, _ := stream(t, conn, "PACEJOBS_held")
	for range 4 { // as if delivered again; both processes get some of them, and jobs of their own
		if _, err := js.Publish(t.Context(), "pacejobs.held.job", []byte("0")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.Submit(t.Context(), func(yield func(int) bool) { yield(1) }); err != nil {
		t.Fatal(err)
	}
	until(t, "all deliveries were seen", func() bool {
		s, err := q.Status(t.Context())
		return err == nil && s.InFlight == s.Left && others.Load() > 0
	})
	close(release)
	until(t, "nothing is left", func() bool { return left(t, q) == 0 })
	first.close(t)
	other.close(t)
	if r := results(t, q)["0"]; r.Out != "first" || r.Starts != 1 || calls.Load() != 1 {
		t.Errorf("got %+v by %d calls, want the result of the only one", r, calls.Load())
	}
}

// A job whose process vanishes as often as MaxStarts is dead; those that gave it back do not count.
func TestAJobThatEndsProcessesIsDead(t *testing.T) {
	t.Parallel()
	s := serve(t)
	o := pacenats.QueueOptions{AckWait: time.Second, MaxStarts: 2}
	q := openQueue(t, connect(t, s.URL()), "dead", o)
	if _, err := q.Submit(t.Context(), count(1)); err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	do := func(ctx context.Context, _ int) (string, error) {
		begun <- struct{}{}
		<-ctx.Done()
		return "", ctx.Err()
	}
	for _, end := range []func(*working){
		func(w *working) { w.cancel(); <-w.ended },
		(*working).vanish,
		func(w *working) { w.cancel(); <-w.ended },
		(*working).vanish,
	} {
		w := startWorking(t, s.URL(), "dead", o, do)
		<-begun
		end(w)
	}
	work(t, q, 1, func(context.Context, int) (string, error) {
		t.Error("got a job done that is dead")
		return "", nil
	})
	dead := new(pacenats.DeadError)
	if r := results(t, q)["0"]; !errors.As(r.Err, &dead) || dead.Starts != 2 || r.Starts != 4 {
		t.Errorf("got %+v, want that it is dead after two processes, begun four times", r)
	}
}

// What another version of the program has written and this one cannot read is not thrown away.
func TestAJobThatCannotBeReadStays(t *testing.T) {
	t.Parallel()
	conn := connect(t, serve(t).URL())
	q := openQueue(t, conn, "unread", pacenats.QueueOptions{})
	if _, err := q.Submit(t.Context(), count(2)); err != nil {
		t.Fatal(err)
	}
	js, _ := stream(t, conn, "PACEJOBS_unread")
	if _, err := js.Publish(t.Context(), "pacejobs.unread.job", []byte(`{"of":"another"}`)); err != nil {
		t.Fatal(err)
	}
	th := throttle(t, pipeline.Config{MaxConcurrency: 4, Policy: pipeline.Static{}})
	ended := make(chan error)
	go func() {
		ended <- q.Work(t.Context(), th, func(context.Context, int) (string, error) { return "", nil })
	}()
	until(t, "the others are done", func() bool { return left(t, q) == 1 && len(results(t, q)) == 2 })
	th.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := left(t, q); n != 1 {
		t.Errorf("got %d jobs left, want the one that could not be read", n)
	}
}

// A result that is larger than a message may be is told as an error; it is not tried for ever.
func TestAResultThatIsTooLargeIsAnError(t *testing.T) {
	t.Parallel()
	q := openQueue(t, connect(t, serve(t).URL()), "large", pacenats.QueueOptions{})
	if _, err := q.Submit(t.Context(), count(1)); err != nil {
		t.Fatal(err)
	}
	work(t, q, 1, func(context.Context, int) (string, error) { return strings.Repeat("x", 2<<20), nil })
	if r := results(t, q)["0"]; r.Err == nil || !strings.Contains(r.Err.Error(), "result: got 2097154 bytes") {
		t.Errorf("got error %v, want one that says how large it was", r.Err)
	}
}

// Whatever happens, in whatever order, each job gets one result in the end: processes vanish or
// are cancelled, connections break, the server is started anew, jobs are submitted again.
func TestWhateverHappensEachJobGetsOneResult(t *testing.T) {
	t.Parallel()
	const jobs, steps = 60, 5
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	next := seed
	draw := func(n int64) int64 { // of a simple generator, so that a seed tells all
		next = next*6364136223846793005 + 1442695040888963407
		return int64(uint64(next)>>33) % n
	}
	dir := t.TempDir()
	s, err := pacenats.Serve(dir, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	url := s.URL()
	var calls atomic.Int64
	o := pacenats.QueueOptions{AckWait: time.Second, MaxStarts: 100, Later: func(_ error, starts int) time.Duration {
		if starts < 3 {
			return 20 * time.Millisecond
		}
		return 0
	}}
	q := openQueue(t, connect(t, url), "any", o)
	do := func(ctx context.Context, in int) (string, error) {
		calls.Add(1)
		if in%7 == 3 {
			return "", fmt.Errorf("job %d fails", in)
		}
		select {
		case <-time.After(time.Duration(in%5) * 10 * time.Millisecond): // the work takes a while
		case <-ctx.Done():
			return "", ctx.Err()
		}
		return strconv.Itoa(in), nil
	}
	begin := func() *working { return startWorking(t, url, "any", o, do) }
	workers := []*working{begin(), begin()}
	for i := range steps {
		from := i * jobs / steps
		if _, err := q.Submit(t.Context(), func(yield func(int) bool) {
			for in := max(0, from-10); in < (i+1)*jobs/steps && yield(in); in++ {
			}
		}); err != nil {
			t.Fatal(err)
		}
		before := calls.Load()
		until(t, "some work is done", func() bool { return calls.Load() > before || left(t, q) == 0 })
		which := draw(int64(len(workers)))
		switch draw(4) {
		case 0:
			workers[which].vanish()
			workers[which] = begin()
		case 1:
			workers[which].cancel()
			if err := <-workers[which].ended; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			workers[which] = begin()
		case 2:
			workers[which].conn.ForceReconnect()
		case 3:
			s.Close()
			if s, err = pacenats.Serve(dir, strings.TrimPrefix(url, "nats://")); err != nil {
				t.Fatal(err)
			}
			until(t, "the server is back", func() bool { _, err := q.Status(t.Context()); return err == nil })
		}
	}
	until(t, "nothing is left", func() bool { s, err := q.Status(t.Context()); return err == nil && s.Left == 0 })
	for _, w := range workers {
		w.close(t)
	}
	all := results(t, q)
	for in := range jobs {
		r, ok := all[strconv.Itoa(in)]
		if failed := in%7 == 3; !ok || failed != (r.Err != nil) || !failed && r.Out != strconv.Itoa(in) {
			t.Errorf("job %d: got %+v (there: %v), want its result", in, r, ok)
		}
	}
}
