package service

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/clock"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call asks for Berlin on midsummer's day through the handler alone.
func call(t *testing.T, s *Server) *httptest.ResponseRecorder {
	t.Helper()
	return get(s, Path+"?"+Query(52.52, 13.405, noon))
}

func get(s *Server, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func newServer(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnswer(t *testing.T) {
	w := call(t, newServer(t, Config{}))
	if w.Code != http.StatusOK {
		t.Fatalf("got %d: %s", w.Code, w.Body)
	}
	var got Answer
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Geohash != "u33dc0cpp" || got.Tokens != 13 || got.DayMinutes < 1009 || got.DayMinutes > 1011 {
		t.Errorf("got %+v, want geohash u33dc0cpp, 13 tokens and a day of 16 h 50 min", got)
	}
	if got.Sunrise.IsZero() || !got.Sunrise.Before(got.Noon) || !got.Noon.Before(got.Sunset) {
		t.Errorf("got %+v, want sunrise before noon before sunset", got)
	}
}

func TestNoSunriseInThePolarDay(t *testing.T) {
	w := get(newServer(t, Config{}), Path+"?"+Query(69.65, 18.96, noon))
	if body := w.Body.String(); strings.Contains(body, "sunrise") || !strings.Contains(body, `"day_minutes":1440`) {
		t.Errorf("got %s, want a day of 1440 minutes without a sunrise", body)
	}
}

func TestARefusalSaysWhatIsAllowed(t *testing.T) {
	mock := clock.NewMock()
	s := newServer(t, Config{Clock: mock, Limits: Limits{PerSecond: 2, Burst: 3, Tokens: 1000}})
	for range 3 {
		if w := call(t, s); w.Code != http.StatusOK {
			t.Fatalf("in the burst: got %d, want 200", w.Code)
		}
	}
	w := call(t, s)
	if w.Code != http.StatusTooManyRequests {
		t.Fatalf("after the burst: got %d, want 429", w.Code)
	}
	for field, want := range map[string]string{
		"Retry-After":      "1",
		"RateLimit":        `"requests";r=0;t=2, "tokens";r=961;t=60`,
		"RateLimit-Policy": `"requests";q=2;w=1, "tokens";q=1000;w=60`,
	} {
		if got := w.Header().Get(field); got != want {
			t.Errorf("%s: got %s, want %s", field, got, want)
		}
	}
	mock.Add(time.Second)
	if w := call(t, s); w.Code != http.StatusOK {
		t.Errorf("after Retry-After: got %d, want 200", w.Code)
	}
}

func TestAnOutageSaysNothingOfItsEnd(t *testing.T) {
	mock := clock.NewMock()
	s := newServer(t, Config{Clock: mock, Phases: []Phase{{Down: true}, {At: time.Second}}})
	w := call(t, s)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "" {
		t.Errorf("got %d and %v, want 503 without Retry-After", w.Code, w.Header())
	}
	mock.Add(time.Second)
	if w := call(t, s); w.Code != http.StatusOK {
		t.Errorf("after the outage: got %d, want 200", w.Code)
	}
}

func TestInvalidCalls(t *testing.T) {
	s := newServer(t, Config{})
	for target, want := range map[string]string{
		Path + "?lat=91&lon=0&date=2026-06-21":  `lat: got "91", want degrees from -90 to 90`,
		Path + "?lat=0&lon=x&date=2026-06-21":   `lon: got "x", want degrees from -180 to 180`,
		Path + "?lat=NaN&lon=0&date=2026-06-21": `lat: got "NaN", want degrees from -90 to 90`,
		Path + "?lat=0&lon=0":                   `date: got "", want one such as 2026-06-21`,
	} {
		w := get(s, target)
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusBadRequest || got != want {
			t.Errorf("%s: got %d %s, want 400 %s", target, w.Code, got, want)
		}
	}
	if w := get(s, "/"); w.Code != http.StatusNotFound {
		t.Errorf("another path: got %d, want 404", w.Code)
	}
	if got := s.Stats().Invalid; got != 4 {
		t.Errorf("got %d counted as invalid, want 4", got)
	}
}

func TestStartAnswersOverTheNetwork(t *testing.T) {
	s, err := Start(Config{Latency: time.Millisecond, FailShare: 0.5, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	seen := map[int]int64{}
	for range 20 {
		res, err := http.Get(s.URL() + Path + "?" + Query(1, 2, noon))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		seen[res.StatusCode]++
	}
	stats := s.Stats()
	if stats.Served != seen[http.StatusOK] || stats.Failed != seen[http.StatusInternalServerError] || stats.Requests != 20 {
		t.Errorf("got %+v, want what the caller saw: %v", stats, seen)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestInvalidConfigsAreNamed(t *testing.T) {
	for want, cfg := range map[string]Config{
		"service: latency: got -1ns, want at least 0":                                    {Latency: -1},
		"service: spread: got -1, want at least 0":                                       {Spread: -1},
		"service: fail share: got 1, want at least 0 and less than 1":                    {FailShare: 1},
		"service: limits: requests per second: got -1, want at least 0":                  {Limits: Limits{PerSecond: -1}},
		"service: limits: burst: got 0.5, want at least 1":                               {Limits: Limits{Burst: 0.5}},
		"service: limits: tokens: got -1, want at least 0":                               {Limits: Limits{Tokens: -1}},
		"service: limits: window: got -1ns, want at least 0":                             {Limits: Limits{Window: -1}},
		"service: limits: concurrency: got -1, want at least 0":                          {Limits: Limits{Concurrency: -1}},
		"service: phase 0: tokens: got -1, want at least 0":                              {Phases: []Phase{{Limits: Limits{Tokens: -1}}}},
		"service: phase 1: got offset 1s, want at least 2s, that of the phase before it": {Phases: []Phase{{At: 2 * time.Second}, {At: time.Second}}},
		"service: phase 0: got an outage as the last phase, want one that ends":          {Phases: []Phase{{Down: true}}},
	} {
		if _, err := New(cfg); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if _, err := Start(cfg); err == nil || err.Error() != want {
			t.Errorf("Start: got %v, want %s", err, want)
		}
	}
}
