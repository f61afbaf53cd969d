package pacehttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// gated returns a Handler in front of next, and its throttle.
func gated(t *testing.T, cfg pipeline.Config, next http.HandlerFunc) (*pacehttp.Handler, *pipeline.Throttle) {
	t.Helper()
	cfg.Policy, cfg.Spread = pipeline.Static{}, -1
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &pacehttp.Handler{Throttle: throttle, Next: next}, throttle
}

// ask sends a request to a handler.
func ask(ctx context.Context, h http.Handler, path string) *http.Response {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	h.ServeHTTP(w, r)
	res := w.Result()
	res.Request = r
	return res
}

func slow(w http.ResponseWriter, _ *http.Request) {
	time.Sleep(time.Second)
	_, _ = io.WriteString(w, "done")
}

// A server that is full says for how long, in a way that our own client reads.
func TestHandlerRefusesWhatWouldWaitForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, throttle := gated(t, pipeline.Config{MaxConcurrency: 1}, slow)
		if res := ask(t.Context(), h, "/"); res.StatusCode != http.StatusOK { // so that it is known what one takes
			t.Fatal(res.Status)
		}
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { ask(pipeline.WithMaxWait(t.Context(), time.Minute), h, "/") })
		}
		synctest.Wait()
		begin := time.Now()
		res := ask(t.Context(), h, "/")
		if res.StatusCode != http.StatusTooManyRequests || time.Since(begin) != 0 {
			t.Errorf("got %s after %v, want 429 at once", res.Status, time.Since(begin))
		}
		for name, want := range map[string]string{
			"Retry-After":      "1",
			"Retry-After-Ms":   "1000",
			"Ratelimit-Policy": `"inflight";q=1;qu="concurrent-requests"`,
			"Ratelimit":        `"inflight";r=0;t=1`,
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		var status *pacehttp.StatusError
		if err := pacehttp.Check(res); !errors.As(err, &status) || status.Meaning.Kind != pacehttp.OverQuota || status.Meaning.Pause != time.Second || !status.Meaning.Undone {
			t.Errorf("our client takes it for %+v", err)
		}
		all.Wait()
		if s := throttle.Snapshot(); s.Completed != 3 || s.Failed != 0 {
			t.Errorf("%d completed, %d failed, want 3 and none", s.Completed, s.Failed)
		}
	})
}

func TestHandlerWaitsForMaxWaitAtMost(t *testing.T) {
	for _, c := range []struct{ most, want time.Duration }{{0, 100 * time.Millisecond}, {300 * time.Millisecond, 300 * time.Millisecond}, {-1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			h, _ := gated(t, pipeline.Config{MaxConcurrency: 1}, slow)
			h.MaxWait = c.most
			go ask(t.Context(), h, "/")
			synctest.Wait()
			begin := time.Now()
			if res := ask(t.Context(), h, "/"); res.StatusCode != http.StatusTooManyRequests || time.Since(begin) != c.want {
				t.Errorf("MaxWait %v: got %s after %v, want 429 after %v", c.most, res.Status, time.Since(begin), c.want)
			}
			time.Sleep(time.Second)
		})
	}
}

func TestHandlerTellsOfAQuotaThatIsUsedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := gated(t, pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 2, Window: time.Minute, Requests: true}}},
			func(http.ResponseWriter, *http.Request) {})
		for range 2 {
			if res := ask(t.Context(), h, "/"); res.StatusCode != http.StatusOK {
				t.Fatal(res.Status)
			}
		}
		time.Sleep(18 * time.Second)
		res := ask(t.Context(), h, "/")
		if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "42" || res.Header.Get("RateLimit") != `"requests";r=0;t=42` {
			t.Errorf("got %s, %v, want 429 and 42 seconds", res.Status, res.Header)
		}
		hints := pacehttp.Hints(res, time.Now(), 0)
		want := pipeline.Hint{Budget: "requests", Requests: true, Reset: 42 * time.Second}
		if !slices.Contains(hints, want) || !slices.Contains(hints, pipeline.Hint{RetryAfter: 42 * time.Second}) {
			t.Errorf("our client reads %+v", hints)
		}
	})
}

func TestHandlerWithAnOpenCircuitAndAClosedThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, throttle := gated(t, pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1, OpenFor: 1500 * time.Millisecond}},
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
		ask(t.Context(), h, "/")
		synctest.Wait()
		res := ask(t.Context(), h, "/")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "2" || res.Header.Get("Retry-After-Ms") != "1500" {
			t.Errorf("open circuit: got %s, %v", res.Status, res.Header)
		}
		throttle.Close()
		res = ask(t.Context(), h, "/")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Connection") != "close" || res.Header.Get("Retry-After") != "" {
			t.Errorf("closed throttle: got %s, %v", res.Status, res.Header)
		}
	})
}

func TestHealthChecksPassAFullServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, _ := gated(t, pipeline.Config{MaxConcurrency: 1}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/work" {
				time.Sleep(time.Second)
			}
		})
		h.MaxWait = -1
		full := func(path, method string) bool {
			r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code == http.StatusTooManyRequests
		}
		go ask(t.Context(), h, "/work")
		synctest.Wait()
		for _, path := range []string{"/healthz", "/livez", "/readyz", "/health"} {
			if full(path, http.MethodGet) || full(path, http.MethodHead) {
				t.Errorf("%s does not pass", path)
			}
			if !full(path, http.MethodPost) {
				t.Errorf("POST %s passes", path)
			}
		}
		if !full("/other", http.MethodGet) {
			t.Error("/other passes")
		}
		h.Exempt = func(r *http.Request) bool { return r.URL.Path == "/other" }
		if full("/other", http.MethodGet) || !full("/healthz", http.MethodGet) {
			t.Error("Exempt is not asked")
		}
		time.Sleep(time.Second)
	})
}

// A client who has gone is not worked for, and tells nothing of the server.
func TestHandlerDoesNotWorkForAClientWhoHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		h, throttle := gated(t, pipeline.Config{MaxConcurrency: 1}, func(_ http.ResponseWriter, r *http.Request) {
			calls++
			select {
			case <-r.Context().Done():
			case <-time.After(time.Second):
			}
		})
		h.MaxWait = time.Minute
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { ask(ctx, h, "/") })
		}
		synctest.Wait()
		leave()
		all.Wait()
		s := throttle.Snapshot()
		if calls != 1 || s.Attempts != (pipeline.AttemptCounts{Ignored: 1}) || s.InFlight != 0 {
			t.Errorf("%d calls, %+v, want one that says nothing", calls, s.Attempts)
		}
	})
}

func TestWhatTheStatusesOfAHandlerTell(t *testing.T) {
	one := func(v pipeline.Verdict) (c pipeline.AttemptCounts) { c.Add(v); return c }
	for status, want := range map[int]pipeline.AttemptCounts{
		0:   one(pipeline.Succeeded),
		200: one(pipeline.Succeeded),
		304: one(pipeline.Succeeded),
		404: one(pipeline.Ignored),
		429: one(pipeline.Ignored),
		500: one(pipeline.Failed),
		503: one(pipeline.Overload),
		504: one(pipeline.Failed),
	} {
		h, throttle := gated(t, pipeline.Config{}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints) // is not the last word
			if status > 0 {
				w.WriteHeader(status)
			}
		})
		ask(t.Context(), h, "/")
		if got := throttle.Snapshot().Attempts; got != want {
			t.Errorf("%d: got %+v, want %+v", status, got, want)
		}
	}
}

func TestPanicOfAHandlerGoesOnAndFreesItsPlace(t *testing.T) {
	h, throttle := gated(t, pipeline.Config{MaxConcurrency: 1}, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for range 3 {
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("recovered %v", v)
				}
			}()
			ask(t.Context(), h, "/")
		}()
	}
	if s := throttle.Snapshot(); s.Attempts.Failed != 3 || s.InFlight != 0 {
		t.Errorf("%+v", s)
	}
}

// Requests wait as their context says: one of a higher priority goes before those that came first.
func TestHandlerLetsRequestsWaitAsTheirContextSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		h, _ := gated(t, pipeline.Config{MaxConcurrency: 1}, func(w http.ResponseWriter, r *http.Request) {
			order = append(order, r.URL.Path)
			time.Sleep(time.Second)
		})
		h.MaxWait = time.Hour
		h.Context = func(r *http.Request) context.Context {
			if strings.HasPrefix(r.URL.Path, "/urgent") {
				return pipeline.WithShare(r.Context(), pipeline.Share{Priority: 1})
			}
			return r.Context()
		}
		var all sync.WaitGroup
		for _, path := range []string{"/a", "/b", "/urgent"} {
			all.Go(func() { ask(t.Context(), h, path) })
			synctest.Wait()
		}
		all.Wait()
		if want := []string{"/a", "/urgent", "/b"}; !slices.Equal(order, want) {
			t.Errorf("served %v, want %v", order, want)
		}
	})
}

// A handler can do with its ResponseWriter what it can without a throttle.
func TestHandlerHasAWholeResponseWriter(t *testing.T) {
	h, _ := gated(t, pipeline.Config{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/flush":
			w.(http.Flusher).Flush()
			if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
				t.Error(err)
			}
		case "/file":
			if _, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("text")); err != nil {
				t.Error(err)
			}
		case "/hijack":
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhijacked")
		}
	})
	server := httptest.NewServer(h)
	defer server.Close()
	for path, want := range map[string]string{"/flush": "", "/file": "text", "/hijack": "hijacked"} {
		res, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Error(path, err)
			continue
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(body) != want {
			t.Errorf("%s: got %q, %v, want %q", path, body, err, want)
		}
	}
}

func TestHandlerNeedsAThrottleAndANext(t *testing.T) {
	throttle, err := pipeline.NewThrottle(pipeline.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for want, h := range map[string]*pacehttp.Handler{
		"paceline: Handler: Throttle is nil": {Next: http.NotFoundHandler()},
		"paceline: Handler: Next is nil":     {Throttle: throttle},
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("got %v, want %s", got, want)
				}
			}()
			ask(t.Context(), h, "/")
		}()
	}
}

// A request through a Transport waits for as long as its context says.
func TestTransportRejectsWhatWouldWaitForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle, err := pipeline.NewThrottle(pipeline.Config{MinDispatchInterval: time.Minute, MaxDispatchInterval: time.Minute, Policy: pipeline.Static{}})
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &pacehttp.Transport{Throttle: throttle, Base: answering{}}}
		get := func() error {
			req, err := http.NewRequestWithContext(pipeline.WithMaxWait(t.Context(), time.Second), http.MethodGet, "http://inside/", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(req)
			if err == nil {
				res.Body.Close()
			}
			return err
		}
		if err := get(); err != nil {
			t.Fatal(err)
		}
		var wait *pipeline.WaitError
		if err := get(); !errors.As(err, &wait) || wait.Expected != time.Minute || wait.HeldBy != pipeline.HeldByPace {
			t.Errorf("got %v, want a wait of a minute", err)
		}
	})
}

// answering answers each request.
type answering struct{}

func (answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// TestClientsWhoGoLeaveTheHandlerWhole: clients come and go at any time, while their requests wait or are handled, and some are
// handled by what panics. Nothing hangs, each place is free afterwards, and only clients who stayed count.
func TestClientsWhoGoLeaveTheHandlerWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		type client struct{ at, patience, work time.Duration }
		ms := func(label string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(rt, label)) * time.Millisecond
		}
		limit := rapid.IntRange(1, 4).Draw(rt, "limit")
		wait := ms("wait", 50)
		closeAt := ms("closeAt", 2000)
		deaf, panics := rapid.Bool().Draw(rt, "deaf"), rapid.IntRange(0, 40).Draw(rt, "panics")
		var clients []client
		for range rapid.IntRange(1, 40).Draw(rt, "clients") {
			clients = append(clients, client{ms("at", 100), ms("patience", 60), ms("work", 30)})
		}
		var fault string
		synctest.Test(t, func(t *testing.T) {
			var busy, most, handled atomic.Int64
			h, throttle := gated(t, pipeline.Config{MaxConcurrency: limit}, func(w http.ResponseWriter, r *http.Request) {
				n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
				now := busy.Add(1)
				defer busy.Add(-1)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				handled.Add(1)
				gone := r.Context().Done()
				if deaf {
					gone = nil
				}
				select {
				case <-time.After(clients[n].work):
				case <-gone:
				}
				if n == panics {
					panic(http.ErrAbortHandler)
				}
			})
			h.MaxWait = wait
			var all sync.WaitGroup
			var accepted atomic.Int64
			for n, c := range clients {
				all.Go(func() {
					time.Sleep(c.at)
					ctx, leave := context.WithTimeout(context.Background(), c.patience)
					defer leave()
					defer func() { _ = recover() }() // as net/http does
					if res := ask(ctx, h, "/"+strconv.Itoa(n)); res.StatusCode == http.StatusOK {
						accepted.Add(1)
					}
				})
			}
			all.Go(func() {
				time.Sleep(closeAt)
				throttle.Close()
			})
			all.Wait()
			if err := throttle.Drain(context.Background()); err != nil {
				fault = err.Error()
			}
			s := throttle.Snapshot()
			sum := s.Attempts.Succeeded + s.Attempts.Failed + s.Attempts.Overloaded + s.Attempts.Ignored
			switch {
			case s.InFlight != 0 || s.Waiting != 0 || busy.Load() != 0:
				fault = fmt.Sprintf("after all: %v", s)
			case most.Load() > int64(limit):
				fault = fmt.Sprintf("%d handled at once, want at most %d", most.Load(), limit)
			case sum != handled.Load():
				fault = fmt.Sprintf("%d were handled, %+v are told of", handled.Load(), s.Attempts)
			case s.Attempts.Succeeded > accepted.Load():
				fault = fmt.Sprintf("%d were answered, %+v", accepted.Load(), s.Attempts)
			}
		})
		if fault != "" {
			rt.Fatal(fault)
		}
	})
}
