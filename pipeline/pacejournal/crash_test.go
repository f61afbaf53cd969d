package pacejournal

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

var kills = flag.Int("kills", mostKilled, "processes that TestAKilledProcess… kills")

// child, set to a path and the address of a service, makes the test binary a process that can be killed.
const child = "PACEJOURNAL_CHILD"

const crashJobs = 4000

// runChild does all jobs, and says of each that was stored that it was.
func runChild(path, service string) error {
	j, err := Open[int, int](path, keyOfNumber, Options{})
	if err != nil {
		return err
	}
	conns := make(chan *bufio.ReadWriter, 4)
	for range cap(conns) {
		conn, err := net.Dial("tcp", service)
		if err != nil {
			return err
		}
		conns <- bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	}
	p, err := pipeline.New(func(_ context.Context, n int) (int, error) {
		conn := <-conns
		defer func() { conns <- conn }()
		fmt.Fprintln(conn, n, j.IdempotencyKey(n))
		if err := conn.Flush(); err != nil {
			return 0, err
		}
		answer, err := conn.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(answer))
	}, pipeline.Config{MaxConcurrency: cap(conns), Policy: pipeline.Static{}})
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	for r := range j.Each(context.Background(), p, numbers(crashJobs)) {
		if r.Err != nil || !r.Stored {
			return fmt.Errorf("job %d: got stored %v and %w", r.In, r.Stored, r.Err)
		}
		if err := out.Encode(r.In); err != nil {
			return err
		}
	}
	return j.Close()
}

// A squarer is a service in the process of the test, which sees every job that is done.
type squarer struct {
	listener net.Listener
	seen     chan asked
	serving  chan struct{}
}

type asked struct {
	n   int
	key string
}

func startSquarer(t *testing.T) *squarer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &squarer{l, make(chan asked, 10*crashJobs), make(chan struct{})}
	go func() {
		defer close(s.serving)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-s.serving
	})
	return s
}

func (s *squarer) serve(conn net.Conn) {
	defer conn.Close()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		var a asked
		if _, err := fmt.Sscan(lines.Text(), &a.n, &a.key); err != nil {
			return // cut off in the middle
		}
		s.seen <- a
		fmt.Fprintln(conn, a.n*a.n)
	}
}

// TestAKilledProcessLosesAndDoublesNothing kills a process at random moments, again and
// again. What it said was stored is there and is not done again, and what is done again has
// the same idempotency key.
func TestAKilledProcessLosesAndDoublesNothing(t *testing.T) {
	service := startSquarer(t)
	keys, repeated, finished := map[int]string{}, 0, 0
	for kill := 0; kill < *kills; {
		path := filepath.Join(t.TempDir(), "journal.db")
		told := map[int]bool{}
		clear(keys)
		for done, mercy := false, kill+8; !done; kill++ {
			// How long a process takes is not known, so the delay is another part of a tenth of a
			// second each time: of every third from its start on, when it opens the journal, of
			// the others from its first result on.
			delay := time.Duration(1+(kill*37)%97) * time.Millisecond
			if kill >= mercy || kill >= *kills {
				delay = time.Hour
			}
			done = runUntilKilled(t, service, path, delay, kill%3 == 0, told, func(a asked, toldBefore bool) {
				if toldBefore {
					t.Errorf("job %d: done again, though its result was stored", a.n)
				}
				if before, again := keys[a.n]; again {
					repeated++
					if before != a.key {
						t.Errorf("job %d: got the idempotency key %s after %s", a.n, a.key, before)
					}
				}
				keys[a.n] = a.key
			})
			if done {
				finished++
			} else if kill%2 == 0 { // else the next process is the first to open what was left
				noteStored(t, path, told)
			}
		}
		mustHoldAll(t, path)
	}
	t.Logf("%d processes, %d journals finished, %d jobs done again that were in flight", *kills, finished, repeated)
}

// runUntilKilled runs a process until it ends or is killed, and notes what it tells.
func runUntilKilled(t *testing.T, service *squarer, path string, delay time.Duration, early bool, told map[int]bool, each func(asked, bool)) (done bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", child+"="+path+"\n"+service.listener.Addr().String())
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	before := make(map[int]bool, len(told))
	for n := range told {
		before[n] = true
	}
	killer := time.AfterFunc(delay, func() { cmd.Process.Kill() })
	defer killer.Stop()
	if !early {
		killer.Stop()
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if !early { // now it is at work
			killer.Reset(delay)
			early = true
		}
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			break // it was killed in the middle of a line
		}
		told[n] = true
	}
	if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the process ended with %v", err)
	}
	for {
		select {
		case a := <-service.seen:
			each(a, before[a.n])
		default:
			return cmd.ProcessState.Success()
		}
	}
}

// noteStored adds what is stored, though perhaps nobody was told.
func noteStored(t *testing.T, path string, told map[int]bool) {
	t.Helper()
	j := openAt(t, path, Options{})
	defer j.Close()
	for e, err := range j.All() {
		n, wrong := strconv.Atoi(strings.TrimPrefix(e.Key, "number "))
		if err != nil || wrong != nil {
			t.Fatalf("got %+v and %v", e, err)
		}
		told[n] = true
	}
}

// mustHoldAll checks that a journal has each job once.
func mustHoldAll(t *testing.T, path string) {
	t.Helper()
	j := openAt(t, path, Options{})
	defer j.Close()
	seen := map[string]bool{}
	for e, err := range j.All() {
		n, _ := strconv.Atoi(strings.TrimPrefix(e.Key, "number "))
		if err != nil || seen[e.Key] || e.Err != nil || e.Out != n*n {
			t.Fatalf("got %+v and %v, again: %v", e, err, seen[e.Key])
		}
		seen[e.Key] = true
	}
	if len(seen) != crashJobs {
		t.Errorf("got %d results in the journal, want %d", len(seen), crashJobs)
	}
}
