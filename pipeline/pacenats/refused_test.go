package pacenats_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// What a user needs, as package pacenats says.
var (
	mayPublish   = []string{"$JS.API.>", "$JS.ACK.>", "pacejobs.>", "pacefleet.>", "_INBOX.>"}
	maySubscribe = []string{"pacejobs.*.holder.*", "pacefleet.>", "_INBOX.>"}
)

// A user who lacks a permission hears which, and one who has those that the package names needs
// no other.
func TestWhatIsForbiddenIsNamed(t *testing.T) {
	t.Parallel()
	all := startServer(t, &server.Options{Port: -1, JetStream: true})
	if err := useAll(t, connect(t, all.ClientURL()), time.Minute); err != nil {
		t.Fatal(err)
	}
	var users []*server.User
	user := func(lacks string, publish, subscribe []string) {
		users = append(users, &server.User{Username: lacks, Password: "b", Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: publish}, Subscribe: &server.SubjectPermission{Allow: subscribe},
		}})
	}
	without := func(from []string, one string) []string {
		return slices.DeleteFunc(slices.Clone(from), func(s string) bool { return s == one })
	}
	user("nothing", mayPublish, maySubscribe)
	lacks := []string{"$JS.API.>", "$JS.ACK.>", "pacejobs.>", "pacefleet.>"}
	for _, s := range lacks {
		user(s, without(mayPublish, s), maySubscribe)
	}
	user("pacejobs.*.holder.*", mayPublish, without(maySubscribe, "pacejobs.*.holder.*"))
	lacks = append(lacks, "pacejobs.*.holder.*")
	user("_INBOX.>", mayPublish, without(maySubscribe, "_INBOX.>"))
	lacks = append(lacks, "_INBOX.>")
	s := startServer(t, &server.Options{Port: -1, JetStream: true, Users: users})
	quiet := nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	if err := useAll(t, connect(t, s.ClientURL(), nats.UserInfo("nothing", "b"), quiet), time.Minute); err != nil {
		t.Errorf("with the permissions that are named: got error %v", err)
	}
	for _, what := range lacks {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			within := 2 * time.Second // after which it is told why there was no answer
			if what == "$JS.ACK.>" || what == "pacejobs.*.holder.*" {
				within = time.Minute // these are told at once
			}
			err := useAll(t, connect(t, s.ClientURL(), nats.UserInfo(what, "b"), quiet), within)
			first, _, _ := strings.Cut(what, ".*")
			if !errors.Is(err, pacenats.ErrForbidden) || !strings.Contains(err.Error(), strings.TrimSuffix(first, ">")) {
				t.Errorf("got error %v, want ErrForbidden and the subject", err)
			}
		})
	}
}

// useAll does what can be done with the package, in streams of its own.
func useAll(t *testing.T, conn *nats.Conn, within time.Duration) error {
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	name := fmt.Sprintf("x%d", time.Now().UnixNano())
	q, err := pacenats.OpenQueue[int, string](ctx, conn, name, func(i int) string { return fmt.Sprint(i) }, pacenats.QueueOptions{AckWait: time.Second})
	if err != nil {
		return err
	}
	if _, err := q.Submit(ctx, count(3)); err != nil {
		return err
	}
	m, err := pacenats.Join(ctx, conn, name, pipeline.Config{MaxConcurrency: 4, Policy: pipeline.Static{}})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		done <- q.Work(ctx, m.Throttle(), func(context.Context, int) (string, error) { return "", nil })
	}()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return errors.Join(err, m.Leave(ctx))
		case <-ticker.C:
			if s, err := q.Status(ctx); err == nil && s.Left == 0 {
				m.Throttle().Close()
			}
		}
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// While the server has no room for results they wait, and none is lost.
func TestADiskThatIsFullWhileWorking(t *testing.T) {
	t.Parallel()
	s := startServer(t, &server.Options{Port: -1, JetStream: true, JetStreamMaxStore: 1 << 20})
	conn := connect(t, s.ClientURL())
	q := openQueue(t, conn, "room", pacenats.QueueOptions{AckWait: time.Second})
	full := make(chan struct{}, 1000)
	q.Logger = slog.New(slog.NewTextHandler(writer(func(line []byte) (int, error) {
		if strings.Contains(string(line), "store a result") && strings.Contains(string(line), "no room left") {
			full <- struct{}{}
		}
		return len(line), nil
	}), nil))
	const jobs = 20
	if _, err := q.Submit(t.Context(), count(jobs)); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	other, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{"other"}})
	if err != nil {
		t.Fatal(err)
	}
	th := throttle(t, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Static{}})
	begun, release, ended := make(chan struct{}, jobs), make(chan struct{}), make(chan error)
	go func() {
		ended <- q.Work(t.Context(), th, func(context.Context, int) (string, error) {
			begun <- struct{}{}
			<-release
			return strings.Repeat("x", 2000), nil
		})
	}()
	until(t, "a job is begun", func() bool { return len(begun) > 0 })
	for size := 100_000; size >= 1000; {
		if _, err := js.Publish(t.Context(), "other", make([]byte, size)); err != nil {
			size /= 10
		}
	}
	close(release)
	until(t, "a result finds no room", func() bool { return len(full) > 0 })
	if n := left(t, q); n == 0 {
		t.Error("got nothing left, want jobs whose results wait")
	}
	if err := other.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "nothing is left", func() bool { return left(t, q) == 0 })
	th.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	all := results(t, q)
	for key, r := range all {
		if r.Err != nil || len(r.Out) != 2000 {
			t.Errorf("job %s: got error %v and %d bytes, want its result", key, r.Err, len(r.Out))
		}
	}
	if len(all) != jobs {
		t.Errorf("got %d results, want %d", len(all), jobs)
	}
}

// offClock is a clock that goes wrong by so much.
type offClock struct {
	clock.Clock
	by time.Duration
}

func (c offClock) Now() time.Time                  { return c.Clock.Now().Add(c.by) }
func (c offClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// Processes whose clocks are an hour fast and an hour slow share a fleet and a queue as others do;
// what is put off comes when it should.
func TestClocksAnHourApart(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx := t.Context()
	at := make(chan time.Time, 100)
	tried := make(map[int]bool)
	var members []interface{ Leave(context.Context) error }
	var ends []chan error
	var throttles []*pipeline.Throttle
	var queues []*queue
	lock := make(chan struct{}, 1)
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		conn, c := connect(t, s.URL()), offClock{clock.Real(), by}
		m, err := pacenats.Join(ctx, conn, "apart", pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Static{}, Clock: c})
		if err != nil {
			t.Fatal(err)
		}
		q := openQueue(t, conn, "apart", pacenats.QueueOptions{Clock: c, Later: func(error, int) time.Duration { return 300 * time.Millisecond }})
		members, throttles, queues = append(members, m), append(throttles, m.Throttle()), append(queues, q)
	}
	if _, err := queues[0].Submit(ctx, count(20)); err != nil {
		t.Fatal(err)
	}
	for i, q := range queues {
		ended := make(chan error, 1)
		ends = append(ends, ended)
		go func() {
			ended <- q.Work(ctx, throttles[i], func(_ context.Context, in int) (string, error) {
				lock <- struct{}{}
				defer func() { <-lock }()
				if !tried[in] {
					tried[in] = true
					return "", errors.New("not now")
				}
				at <- time.Now()
				return "", nil
			})
		}()
	}
	begin := time.Now()
	until(t, "nothing is left", func() bool { return left(t, queues[1]) == 0 })
	for i, th := range throttles {
		th.Close()
		if err := <-ends[i]; err != nil {
			t.Error(err)
		}
		if err := members[i].Leave(ctx); err != nil {
			t.Error(err)
		}
	}
	close(at)
	n := 0
	for end := range at {
		if n++; end.Sub(begin) < 300*time.Millisecond {
			t.Errorf("got a second attempt after %v, want none before 300ms", end.Sub(begin))
		}
	}
	if n != 20 || len(results(t, queues[0])) != 20 {
		t.Errorf("got %d second attempts and %d results, want 20", n, len(results(t, queues[0])))
	}
}
