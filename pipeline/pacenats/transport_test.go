package pacenats_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacefleet"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

func serve(t testing.TB) *pacenats.Server {
	t.Helper()
	s, err := pacenats.Serve(t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func connect(t testing.TB, url string, options ...nats.Option) *nats.Conn {
	t.Helper()
	conn, err := nats.Connect(url, append(options, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// until waits until ok, or fails.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited a minute until %s", what)
		}
	}
}

// One of several transports leads, until it resigns or its term is over.
func TestOneLeads(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx := t.Context()
	var all [3]*pacenats.Transport
	for i := range all {
		var err error
		if all[i], err = pacenats.NewTransport(ctx, connect(t, s.URL()), "one"); err != nil {
			t.Fatal(err)
		}
	}
	lead := func(i int, state string) (bool, string) {
		t.Helper()
		var kept []byte
		if state != "" {
			kept = []byte(state)
		}
		leads, last, err := all[i].Lead(ctx, kept)
		if err != nil {
			t.Fatal(err)
		}
		return leads, string(last)
	}
	if leads, last := lead(0, ""); !leads || last != "" {
		t.Errorf("got %v, %q, want the first to lead, without a state", leads, last)
	}
	if leads, _ := lead(1, ""); leads {
		t.Error("got two leaders")
	}
	for range 3 {
		if leads, _ := lead(0, "learned"); !leads {
			t.Error("got no leader where its term was not over")
		}
	}
	if err := all[1].Resign(ctx); err != nil {
		t.Error(err)
	}
	if leads, _ := lead(2, ""); leads {
		t.Error("got a lease that another has given up")
	}
	if err := all[0].Resign(ctx); err != nil {
		t.Error(err)
	}
	if leads, last := lead(2, ""); !leads || last != "learned" {
		t.Errorf("got %v, %q, want another to lead, with the state of the first", leads, last)
	}
	begin := time.Now()
	until(t, "the term of the second is over", func() bool { leads, _ := lead(1, ""); return leads })
	if passed := time.Since(begin); passed < pacefleet.Term-100*time.Millisecond {
		t.Errorf("got another leader after %v, want none before the term is over", passed)
	}
}

// When the connection of the leader is gone, another member leads, and work goes on.
func TestWorkGoesOnWithoutTheLeader(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := pipeline.Config{MaxConcurrency: 12, Budgets: []pipeline.Budget{{Tokens: 3000, Window: time.Second, Requests: true}}}
	var members []*pacefleet.Member
	var conns []*nats.Conn
	for range 3 {
		conn := connect(t, s.URL())
		m, err := pacenats.Join(ctx, conn, "fleet", cfg)
		if err != nil {
			t.Fatal(err)
		}
		members, conns = append(members, m), append(conns, conn)
	}
	leader := func() int {
		for i, m := range members {
			if m != nil && m.Status().Leads {
				return i
			}
		}
		return -1
	}
	first := leader()
	if first < 0 {
		t.Fatal("got no leader")
	}
	conns[first].Close()
	gone, begin := members[first], time.Now()
	members[first] = nil
	until(t, "another leads", func() bool { return leader() >= 0 })
	t.Logf("another leads after %v", time.Since(begin))
	for _, m := range members {
		if m == nil {
			continue
		}
		for range 20 {
			if _, err := pipeline.Execute(ctx, m.Throttle(), func(context.Context) (int, error) { return 1, nil }); err != nil {
				t.Error(err)
			}
		}
	}
	until(t, "the first says that it is alone", func() bool { return !gone.Status().Alone.IsZero() })
	for _, m := range append(members, gone) {
		if m != nil {
			if err := m.Leave(ctx); err != nil {
				t.Error(err)
			}
		}
	}
}

// After a restart of the server there is a leader again, and everybody goes on.
func TestTheServerIsStartedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := pacenats.Serve(dir, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, s.URL())
	m, err := pacenats.Join(t.Context(), conn, "again", pipeline.Config{MaxConcurrency: 4})
	if err != nil {
		t.Fatal(err)
	}
	url := s.URL()
	s.Close()
	until(t, "it leads no more", func() bool { return !m.Status().Leads })
	if s, err = pacenats.Serve(dir, strings.TrimPrefix(url, "nats://")); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	until(t, "it leads again", func() bool { return m.Status().Leads && m.Status().Alone.IsZero() })
	if _, err := pipeline.Execute(t.Context(), m.Throttle(), func(context.Context) (int, error) { return 1, nil }); err != nil {
		t.Error(err)
	}
	if err := m.Leave(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	s := serve(t)
	conn := connect(t, s.URL())
	ctx := t.Context()
	if _, err := pacenats.NewTransport(ctx, nil, "x"); err == nil || !strings.Contains(err.Error(), "connection: got nil") {
		t.Errorf("got error %v, want one of the connection", err)
	}
	if _, err := pacenats.NewTransport(ctx, conn, "a b"); err == nil || !strings.Contains(err.Error(), `name: got "a b"`) {
		t.Errorf("got error %v, want one of the name", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"PACEFLEET_same": "other", "else": "pacefleet.overlap.>"} {
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"same", "overlap"} {
		if _, err := pacenats.NewTransport(ctx, conn, name); !errors.Is(err, pacenats.ErrForeign) {
			t.Errorf("%s: got error %v, want ErrForeign", name, err)
		}
	}
	if _, err := pacenats.Serve(t.TempDir(), "4222"); err == nil || !strings.Contains(err.Error(), "address: got") {
		t.Errorf("got error %v, want one of the address", err)
	}
}
