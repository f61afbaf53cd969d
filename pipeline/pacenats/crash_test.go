package pacenats_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// In full: go test ./pipeline/pacenats -run Killed -jobs 200000 -kills 50 -leaders 10 -timeout 1h
var (
	crashJobs    = flag.Int("jobs", 800, "of the test with kills")
	crashKills   = flag.Int("kills", 2, "of workers, in that test")
	crashLeaders = flag.Int("leaders", 1, "that are killed, beside those")
)

const workerOf = "PACENATS_TEST_WORKER" // the URL, in the environment of a child process

func TestMain(m *testing.M) {
	if url := os.Getenv(workerOf); url != "" {
		if err := child(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var crashConfig = pipeline.Config{
	MaxConcurrency: 64,
	Budgets:        []pipeline.Budget{{Name: "calls", Tokens: 2000, Window: time.Second, Requests: true}},
	Policy:         pipeline.Static{},
}

func crashQueue(ctx context.Context, conn *nats.Conn) (*queue, error) {
	return pacenats.OpenQueue[int, string](ctx, conn, "crash", strconv.Itoa, pacenats.QueueOptions{MaxStarts: 1000, AckWait: time.Second})
}

// child is a worker in a process of its own. It works until it is killed, and says when it
// leads and how much it has begun.
func child(url string) error {
	ctx := context.Background()
	conn, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // the server is started anew, which it would print
	if err != nil {
		return err
	}
	m, err := pacenats.Join(ctx, conn, "crash", crashConfig)
	if err != nil {
		return err
	}
	q, err := crashQueue(ctx, conn)
	if err != nil {
		return err
	}
	go func() {
		for leads := false; ; time.Sleep(10 * time.Millisecond) {
			if is := m.Status().Leads; is != leads {
				leads = is
				fmt.Println("leads", leads)
			}
		}
	}()
	return q.Work(ctx, m.Throttle(), func(context.Context, int) (string, error) {
		fmt.Println("begun")
		return strconv.Itoa(os.Getpid()), nil
	})
}

// A worker is a child process.
type worker struct {
	cmd   *exec.Cmd
	leads atomic.Bool
	begun *atomic.Int64 // by all
	ended chan struct{}
}

func startWorker(t *testing.T, url string, begun *atomic.Int64) *worker {
	t.Helper()
	w := &worker{cmd: exec.Command(os.Args[0]), begun: begun, ended: make(chan struct{})}
	w.cmd.Env = append(os.Environ(), workerOf+"="+url)
	w.cmd.Stderr = os.Stderr
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch lines.Text() {
			case "begun":
				w.begun.Add(1)
			case "leads true":
				w.leads.Store(true)
			case "leads false":
				w.leads.Store(false)
			}
		}
	}()
	return w
}

func (w *worker) kill() {
	w.cmd.Process.Kill()
	<-w.ended
	w.cmd.Wait()
}

// Workers are killed, the leader among them, and the server is started anew: each job has one
// result in the end, and few were done twice.
func TestKilledWorkersLoseNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := pacenats.Serve(dir, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()
	q, err := crashQueue(t.Context(), connect(t, s.URL()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Submit(t.Context(), count(*crashJobs)); err != nil {
		t.Fatal(err)
	}
	var begun atomic.Int64
	workers := make([]*worker, 3)
	for i := range workers {
		workers[i] = startWorker(t, s.URL(), &begun)
	}
	defer func() {
		for _, w := range workers {
			w.kill()
		}
	}()
	replace := func(i int) {
		workers[i].kill()
		workers[i] = startWorker(t, s.URL(), &begun)
	}
	steps := *crashKills + *crashLeaders + 1
	for step := range steps {
		until(t, "some more were begun", func() bool {
			return begun.Load() >= int64((step+1)**crashJobs/(steps+1)) || left(t, q) == 0
		})
		switch {
		case step == steps/2:
			url := s.URL()
			s.Close()
			if s, err = pacenats.Serve(dir, strings.TrimPrefix(url, "nats://")); err != nil {
				t.Fatal(err)
			}
			until(t, "the server is back", func() bool { _, err := q.Status(t.Context()); return err == nil })
		case step%(steps / *crashLeaders) == 0:
			leader := -1
			until(t, "somebody leads", func() bool {
				for i, w := range workers {
					if w.leads.Load() {
						leader = i
					}
				}
				return leader >= 0
			})
			replace(leader)
		default:
			replace(rand.N(len(workers)))
		}
	}
	until(t, "nothing is left", func() bool { return left(t, q) == 0 })
	all := results(t, q)
	t.Logf("%d jobs, %d results, %d begun", *crashJobs, len(all), begun.Load())
	if len(all) != *crashJobs {
		t.Errorf("got %d results, want %d", len(all), *crashJobs)
	}
	for key, r := range all {
		if r.Err != nil {
			t.Errorf("job %s: got error %v", key, r.Err)
		}
	}
}
