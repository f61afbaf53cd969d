package pacenats_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// startServer starts a server with options of the test's.
func startServer(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.NoSigs, o.NoLog = "127.0.0.1", true, true
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("got a server that is not ready")
	}
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// freePorts returns ports that nobody listens on now.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// cluster starts three servers.
func cluster(t *testing.T) (servers []*server.Server, urls string) {
	t.Helper()
	ports := freePorts(t, 3)
	var routes []*url.URL
	for _, p := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", p)})
	}
	var all []string
	for i, p := range ports {
		s := startServer(t, &server.Options{
			ServerName: fmt.Sprintf("n%d", i), Port: -1, JetStream: true, Routes: routes,
			Cluster: server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: p},
		})
		servers, all = append(servers, s), append(all, s.ClientURL())
	}
	until(t, "the cluster has a leader, which knows all", func() bool {
		for _, s := range servers {
			if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(servers) {
				return true
			}
		}
		return false
	})
	return servers, strings.Join(all, ",")
}

// The node of a cluster of three that leads the streams is stopped while work goes on: nothing
// is lost. Without a second one, there is an error that says so.
func TestANodeOfTheClusterIsStopped(t *testing.T) {
	t.Parallel()
	servers, urls := cluster(t)
	conn := connect(t, urls, nats.DontRandomize())
	ctx := t.Context()
	cfg := pipeline.Config{MaxConcurrency: 16, Policy: pipeline.Static{}, Budgets: []pipeline.Budget{{Tokens: 200, Window: time.Second, Requests: true}}}
	m, err := pacenats.Join(ctx, conn, "three", cfg)
	if err != nil {
		t.Fatal(err)
	}
	q := openQueue(t, conn, "three", pacenats.QueueOptions{AckWait: time.Second})
	const jobs = 300
	if _, err := q.Submit(ctx, count(jobs)); err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	ended := make(chan error)
	go func() {
		ended <- q.Work(ctx, m.Throttle(), func(context.Context, int) (string, error) {
			calls.Add(1)
			return "", nil
		})
	}()
	until(t, "some jobs are done", func() bool { return calls.Load() > jobs/4 })
	for i, s := range servers {
		if s.JetStreamIsStreamLeader("$G", "PACEJOBS_three") {
			s.Shutdown()
			s.WaitForShutdown()
			servers = append(servers[:i], servers[i+1:]...)
			break
		}
	}
	stopped, before := time.Now(), calls.Load()
	until(t, "work goes on", func() bool { return calls.Load() > before+20 })
	t.Logf("work goes on %v after the node was stopped", time.Since(stopped))
	until(t, "nothing is left", func() bool {
		s, err := q.Status(ctx)
		return err == nil && s.Left == 0
	})
	m.Throttle().Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := len(results(t, q)); n != jobs {
		t.Errorf("got %d results, want %d", n, jobs)
	}
	if err := m.Leave(ctx); err != nil {
		t.Error(err)
	}
	servers[0].Shutdown()
	servers[0].WaitForShutdown()
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := pacenats.Join(short, conn, "another", cfg); !errors.Is(err, pacenats.ErrNoAnswer) {
		t.Errorf("got error %v, want ErrNoAnswer without a quorum", err)
	}
}

// An account that may not use JetStream, a server that has it off, a user who may not publish
// and a disk that is full are told apart.
func TestTheServerRefuses(t *testing.T) {
	t.Parallel()
	open := func(conn *nats.Conn) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		q, err := pacenats.OpenQueue[string, string](ctx, conn, "x", func(s string) string { return s }, pacenats.QueueOptions{})
		if err != nil {
			return err
		}
		for i := range 50 {
			if _, err := q.Submit(ctx, func(yield func(string) bool) { yield(fmt.Sprint(i, strings.Repeat("x", 50_000))) }); err != nil {
				return err
			}
		}
		return nil
	}
	off := startServer(t, &server.Options{Port: -1})
	if err := open(connect(t, off.ClientURL())); !errors.Is(err, pacenats.ErrNoJetStream) {
		t.Errorf("without JetStream: got error %v, want ErrNoJetStream", err)
	}
	full := startServer(t, &server.Options{Port: -1, JetStream: true, JetStreamMaxStore: 1 << 20})
	if err := open(connect(t, full.ClientURL())); !errors.Is(err, pacenats.ErrFull) {
		t.Errorf("with a full disk: got error %v, want ErrFull", err)
	}
	other := server.NewAccount("OTHER")
	accounts := startServer(t, &server.Options{
		Port: -1, JetStream: true, Accounts: []*server.Account{other},
		Users: []*server.User{{Username: "a", Password: "b", Account: other}},
	})
	if err := open(connect(t, accounts.ClientURL(), nats.UserInfo("a", "b"))); !errors.Is(err, pacenats.ErrNoJetStream) {
		t.Errorf("with an account without JetStream: got error %v, want ErrNoJetStream", err)
	}
}
