package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is a limit with which the program takes less than a second.
var quick = settings{rate: 50, burst: 20}

// page is an output that calls back at a cue.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
	cue  string
	then func()
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.then != nil && strings.Contains(string(b), p.cue) {
		p.then()
		p.then = nil
	}
	return p.text.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func TestNoCallIsRefused(t *testing.T) {
	out := &page{}
	sum, err := quick.endpoints(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	sum.print(out)
	if want := (seen{lookups: 20, searches: 8}); !sum.complete() || *sum.seen != want {
		t.Errorf("saw %+v, want %+v and all answered: %v", *sum.seen, want, out)
	}
	for _, want := range []string{"lookup 418      → I'm a teapot", "search payment  → 402", "none refused"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in %v", want, out)
		}
	}
	if sum.took < sum.least() {
		t.Errorf("took %v, less than the %v that the service must take", sum.took, sum.least())
	}
}

func TestAnInterruptAccountsForEveryCall(t *testing.T) {
	for name, cue := range map[string]string{"among the calls": "call ", "among the pipelines": "pipeline "} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			slow := settings{rate: 50, burst: 13}
			sum, err := slow.endpoints(ctx, &page{cue: cue, then: cancel})
			if err != nil {
				t.Fatal(err)
			}
			lookup, search := sum.tallies["lookup"], sum.tallies["search"]
			lost := lookup.refused + lookup.failed + search.refused + search.failed
			if lost > 0 || sum.complete() || lookup.ended+lookup.unmade()+search.ended+search.unmade() == 0 {
				t.Errorf("got lookups %+v, searches %+v, want all answered or ended, and some ended", *lookup, *search)
			}
			if sum.seen.lookups < lookup.answered || sum.seen.searches < search.answered || sum.seen.refused > 0 {
				t.Errorf("saw %+v, want no fewer than were answered: %+v, %+v", *sum.seen, *lookup, *search)
			}
		})
	}
}

func TestTheEndpointsShareOneLimit(t *testing.T) {
	for name, c := range map[string]struct {
		calls string // l: lookup, s: search
		want  seen
	}{
		"lookups":  {"llllll", seen{lookups: 5, refused: 1}},
		"searches": {"sss", seen{searches: 2, refused: 1}},
		"both":     {"slslss", seen{lookups: 2, searches: 1, refused: 3}},
		"tenths":   {"slsll", seen{lookups: 2, searches: 1, refused: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := startService(0.001, 5)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			asker := newClient(s.url)
			defer asker.close()
			refused := new(tally)
			for _, call := range c.calls {
				ask, in := asker.lookup, "418"
				if call == 's' {
					ask, in = asker.search, "teapot"
				}
				_, err := ask(t.Context(), in)
				refused.count(err)
			}
			if got := s.stats(); got != c.want || refused.refused != c.want.refused || refused.failed > 0 {
				t.Errorf("got %+v, and the client %+v, want %+v", got, *refused, c.want)
			}
		})
	}
}

func TestARefusalSaysWhenToComeAgain(t *testing.T) {
	s, err := startService(0.5, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	defer http.DefaultClient.CloseIdleConnections()
	for i, want := range []string{"", "2"} {
		res, err := http.Get(s.url + "/v1/status/200")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := res.Header.Get("Retry-After"); got != want {
			t.Errorf("call %d: got Retry-After %q, want %q", i, got, want)
		}
	}
}

func TestAnotherServiceCanBeAsked(t *testing.T) {
	s, err := startService(500, 200)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var stdout, stderr bytes.Buffer
	if got := run([]string{"-url", s.url, "-rate", "500", "-burst", "110"}, &stdout, &stderr); got != 0 {
		t.Errorf("got status %d, want 0: %s%s", got, &stdout, &stderr)
	}
	if got, want := s.stats(), (seen{lookups: 20, searches: 8}); got != want {
		t.Errorf("saw %+v, want %+v", got, want)
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"flags alone": {"now"},
		"-rate":       {"-rate", "0"},
		"-burst":      {"-burst", "3"},
		"invalid":     {"-rate", "many"},
	} {
		var stderr bytes.Buffer
		if status := run(args, io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, &stderr, want)
		}
	}
}
