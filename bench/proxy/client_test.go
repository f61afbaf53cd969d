package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

func TestGetTellsRefusalsFromFaults(t *testing.T) {
	for _, test := range []struct {
		status     int
		retryAfter string
		want       error
	}{
		{200, "", nil},
		{429, "", &refusal{status: 429}},
		{429, "2", &refusal{429, 2 * time.Second}},
		{503, "Wed, 21 Oct 2026 07:28:00 GMT", &refusal{status: 503}},
		{502, "", &fault{502}},
		{500, "3", &fault{500}},
	} {
		err := getFrom(t, func(w http.ResponseWriter, _ *http.Request) {
			if test.retryAfter != "" {
				w.Header().Set("Retry-After", test.retryAfter)
			}
			w.WriteHeader(test.status)
		})
		if !same(err, test.want) {
			t.Errorf("status %d, Retry-After %q: got %v, want %v", test.status, test.retryAfter, err, test.want)
		}
	}
}

func getFrom(t *testing.T, h http.HandlerFunc) error {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	client := newClient()
	defer client.CloseIdleConnections()
	return get(context.Background(), client, server.URL)
}

func same(a, b error) bool {
	switch a := a.(type) {
	case *refusal:
		b, ok := b.(*refusal)
		return ok && *a == *b
	case *fault:
		b, ok := b.(*fault)
		return ok && *a == *b
	}
	return a == nil && b == nil
}

func TestGetTellsABrokenConnection(t *testing.T) {
	err := getFrom(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if outcome(err) != failed {
		t.Errorf("a broken connection: got %v, which counts as %v, want a failure", err, outcome(err))
	}
}

func TestRefusalsAreMarkedForThePipeline(t *testing.T) {
	for want, err := range map[pipeline.Verdict]error{
		pipeline.Overload:  &refusal{status: 429},
		pipeline.Failed:    &fault{502},
		pipeline.Succeeded: nil,
	} {
		if got := stage.Classify(marked(err)); got != want {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
}

func TestThePipelineHonoursTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		var second time.Time
		attempts := 0
		paceline(pipeline.Seek{})(ctx, round{
			attempt: func(ctx context.Context) error {
				switch attempts++; attempts {
				case 1:
					return &refusal{429, time.Minute}
				case 2:
					second = time.Now()
				}
				cancel()
				return nil
			},
			jobEnded: func(error) {},
			watch:    func(func() gauge) {},
		})
		if waited := second.Sub(began); waited < time.Minute {
			t.Errorf("after a Retry-After of a minute: went on after %v", waited)
		}
	})
}

func TestBackendGoesAwayAndComesBack(t *testing.T) {
	b, err := startBackend()
	if err != nil {
		t.Fatal(err)
	}
	client := newClient()
	defer client.CloseIdleConnections()
	ask := func() error { return get(context.Background(), client, "http://"+b.address) }
	if err := ask(); err != nil {
		t.Errorf("at first: %v", err)
	}
	if err := b.goAway(); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err == nil {
		t.Errorf("a backend that went away has answered")
	}
	if err := b.comeBack(); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Errorf("after it came back: %v", err)
	}
	if err := b.goAway(); err != nil {
		t.Fatal(err)
	}
}
