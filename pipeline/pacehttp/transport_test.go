package pacehttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

func TestFailedRequestsAreSentAgain(t *testing.T) {
	for name, fault := range map[string]reply{
		"500":             status(500),
		"502":             status(502),
		"503":             status(503),
		"504":             status(504),
		"507":             status(507),
		"408":             status(408),
		"425":             status(425),
		"429":             status(429),
		"529":             status(529),
		"reset":           reset,
		"closed":          say(""),
		"half a header":   say("HTTP/1.1 200 OK\r\nContent-Le"),
		"not HTTP at all": say("220 mail.example ESMTP\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, quick(), after(2, fault))
			res, err := s.Get(s.url)
			wantAnswer(t, res, err, 200, "done")
			s.wantRequests(t, 3)
		})
	}
}

func TestARequestsOwnFaultIsNotRepeated(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 405, 409, 410, 413, 422, 501, 505} {
		s := newStand(t, quick(), status(code))
		res, err := s.Get(s.url)
		wantAnswer(t, res, err, code, http.StatusText(code)+"\n")
		s.wantRequests(t, 1)
		if a := s.throttle.Snapshot().Attempts; a != (pipeline.AttemptCounts{Ignored: 1}) {
			t.Errorf("%d: got %+v, want it to say nothing of the service", code, a)
		}
	}
}

func TestTheServersOwnWordOnRetriesCounts(t *testing.T) {
	for _, test := range []struct {
		method, should, body string
		code                 int
		requests             int64
	}{
		{"GET", "false", "", 500, 1},
		{"GET", "false", "", 429, 1},
		{"GET", "true", "", 409, 3},
		{"POST", "true", "", 500, 3},
		{"POST", "", "", 500, 1},
		{"POST", "", `{"error":{"code":"insufficient_quota"}}`, 429, 1},
		{"POST", "", `{"error":{"code":"rate_limit_exceeded"}}`, 429, 3},
	} {
		s := newStand(t, quick(), after(2, func(w http.ResponseWriter, _ *http.Request, _ int) {
			if test.should != "" {
				w.Header().Set("X-Should-Retry", test.should)
			}
			w.WriteHeader(test.code)
			io.WriteString(w, test.body)
		}))
		res, err := s.Do(request(t, test.method, s.url, "question"))
		if test.requests > 1 {
			wantAnswer(t, res, err, 200, "done")
		} else {
			wantAnswer(t, res, err, test.code, test.body)
		}
		s.wantRequests(t, test.requests)
	}
}

func TestWhatIsNotIdempotentIsSentTwiceOnlyIfTheServerDidNothing(t *testing.T) {
	refusal := func(code int, fields ...string) reply {
		return func(w http.ResponseWriter, _ *http.Request, _ int) {
			for i := 0; i < len(fields); i += 2 {
				w.Header().Set(fields[i], fields[i+1])
			}
			w.WriteHeader(code)
		}
	}
	always := func(*http.Request) bool { return true }
	never := func(*http.Request) bool { return false }
	for _, test := range []struct {
		name, method, key string
		fault             reply
		retry             func(*http.Request) bool
		again             bool
	}{
		{"POST, 500", "POST", "", status(500), nil, false},
		{"POST, 503", "POST", "", status(503), nil, false},
		{"POST, 408", "POST", "", status(408), nil, false},
		{"POST, reset", "POST", "", reset, nil, false},
		{"PATCH, 500", "PATCH", "", status(500), nil, false},
		{"POST, 429", "POST", "", status(429), nil, true},
		{"POST, 425", "POST", "", status(425), nil, true},
		{"POST, 529", "POST", "", status(529), nil, true},
		{"POST, 503 with Retry-After", "POST", "", refusal(503, "Retry-After-Ms", "1"), nil, true},
		{"POST, 500 with Retry-After", "POST", "", refusal(500, "Retry-After-Ms", "1"), nil, false},
		{"POST, 403 with Retry-After", "POST", "", refusal(403, "Retry-After-Ms", "1"), nil, true},
		{"POST with a key, 500", "POST", "Idempotency-Key", status(500), nil, true},
		{"POST with a key, reset", "POST", "X-Idempotency-Key", reset, nil, true},
		{"POST, told to", "POST", "", status(500), always, true},
		{"PUT", "PUT", "", status(500), nil, true},
		{"DELETE", "DELETE", "", reset, nil, true},
		{"OPTIONS", "OPTIONS", "", status(500), nil, true},
		{"GET, told not to", "GET", "", status(500), never, false},
		{"GET, refused and told not to", "GET", "", status(429), never, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStand(t, quick(), after(1, test.fault))
			s.transport.Retry = test.retry
			req := request(t, test.method, s.url, "")
			if test.key != "" {
				req.Header[test.key] = nil
			}
			res, err := s.Do(req)
			if test.again {
				wantAnswer(t, res, err, 200, "done")
				s.wantRequests(t, 2)
				return
			}
			if err == nil {
				res.Body.Close()
			}
			if err == nil && res.StatusCode == 200 {
				t.Error("it was sent again")
			}
			s.wantRequests(t, 1)
		})
	}
}

func TestAConnectionThatWasNeverMadeIsTriedAgainForAnyMethod(t *testing.T) {
	s := newStand(t, quick(), after(0, nil))
	dials := 0
	base := s.transport.Base
	s.transport.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
		if dials++; dials <= 2 {
			return new(http.Transport).RoundTrip(request(t, "GET", "http://127.0.0.1:1", ""))
		}
		return base.RoundTrip(req)
	})
	res, err := s.Do(request(t, "POST", s.url, "question"))
	wantAnswer(t, res, err, 200, "done")
	s.wantRequests(t, 1)
}

// spiedBody counts how often it was closed.
type spiedBody struct {
	io.Reader
	closed atomic.Int64
}

func (b *spiedBody) Close() error {
	b.closed.Add(1)
	return nil
}

func TestBodiesAreSentWhole(t *testing.T) {
	long := strings.Repeat("question ", 20_000)
	s := newStand(t, quick(), func(w http.ResponseWriter, r *http.Request, n int) {
		got, err := io.ReadAll(r.Body)
		if string(got) != long || err != nil || r.ContentLength != int64(len(long)) {
			t.Errorf("attempt %d: got %d bytes of %d, %v", n, len(got), r.ContentLength, err)
		}
		after(2, status(500))(w, r, n)
	})
	res, err := s.Do(request(t, "PUT", s.url, long))
	wantAnswer(t, res, err, 200, "done")
	s.wantRequests(t, 3)
}

func TestABodyThatCanBeReadOnceIsSentOnce(t *testing.T) {
	for _, code := range []int{429, 500, 503} {
		s := newStand(t, quick(), status(code))
		res, err := s.Do(requestFrom(t, "PUT", s.url, io.LimitReader(strings.NewReader("question"), 8)))
		wantAnswer(t, res, err, code, http.StatusText(code)+"\n")
		s.wantRequests(t, 1)
		if a := s.throttle.Snapshot().Attempts; a.Failed+a.Overloaded != 1 {
			t.Errorf("%d: got %+v, want it to count all the same", code, a)
		}
	}
	s := newStand(t, quick(), reset)
	_, err := s.Do(requestFrom(t, "PUT", s.url, io.LimitReader(strings.NewReader("question"), 8)))
	if err == nil || !strings.Contains(err.Error(), "not sent again") || !strings.Contains(err.Error(), "GetBody") {
		t.Errorf("got %v, want it to say why it was not sent again", err)
	}
	s.wantRequests(t, 1)
}

func requestFrom(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestABodyThatCannotBeHadAgainEndsTheCall(t *testing.T) {
	s := newStand(t, quick(), status(500))
	req := request(t, "PUT", s.url, "question")
	gone := errors.New("the file is gone")
	req.GetBody = func() (io.ReadCloser, error) { return nil, gone }
	if _, err := s.Do(req); !errors.Is(err, gone) {
		t.Errorf("got %v, want %v", err, gone)
	}
	s.wantRequests(t, 1)
}

func TestTheRequestsBodyIsClosedWhateverHappens(t *testing.T) {
	closed := newThrottle(t, quick())
	closed.Close()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	broken := newThrottle(t, pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1}})
	broken.RecordFailure(nil)
	dear := newThrottle(t, pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 1, Window: time.Minute}}})
	for _, test := range []struct {
		name     string
		ctx      context.Context
		throttle *pipeline.Throttle
		answer   reply
	}{
		{"throttle closed", t.Context(), closed, status(200)},
		{"cancelled", cancelled, newThrottle(t, quick()), status(200)},
		{"circuit open", t.Context(), broken, status(200)},
		{"too dear", pipeline.WithCost(t.Context(), 2), dear, status(200)},
		{"success", t.Context(), newThrottle(t, quick()), status(200)},
		{"failure", t.Context(), newThrottle(t, quick()), status(500)},
		{"reset", t.Context(), newThrottle(t, quick()), reset},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStand(t, quick(), test.answer)
			s.transport.Throttle = test.throttle
			body := &spiedBody{Reader: strings.NewReader("question")}
			req := requestFrom(t, "PUT", s.url, body).WithContext(test.ctx)
			res, err := s.transport.RoundTrip(req)
			if err == nil {
				res.Body.Close()
			}
			if n := body.closed.Load(); n != 1 {
				t.Errorf("the body was closed %d times, want once", n)
			}
		})
	}
}

func TestTheRequestIsNeverChanged(t *testing.T) {
	s := newStand(t, quick(), after(2, status(500)))
	req := request(t, "PUT", s.url, "question")
	req.Header.Set("X-Own", "value")
	before := req.Clone(req.Context())
	body := req.Body
	res, err := s.transport.RoundTrip(req)
	wantAnswer(t, res, err, 200, "done")
	if req.Body != body || req.Context() != before.Context() || req.ContentLength != before.ContentLength ||
		!reflect.DeepEqual(req.Header, before.Header) || req.URL.String() != before.URL.String() {
		t.Errorf("got\n%+v, was\n%+v", req, before)
	}
	if res.Request != req {
		t.Error("the response is not that of the request")
	}
}

func TestTheLastResponseIsTheCallersAndItsBodyIsWhole(t *testing.T) {
	for _, size := range []int{0, 1, 1000, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20} {
		text := strings.Repeat("x", size)
		s := newStand(t, quick(), func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(500)
			io.WriteString(w, text)
		})
		res, err := s.Get(s.url)
		wantAnswer(t, res, err, 500, text)
		s.wantRequests(t, 3)
	}
}

func TestTheLastRefusalIsTheCallersToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.Retry.GiveUpAfter = 55 * time.Second
		s := newStandInMemory(t, cfg, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", "10")
			w.WriteHeader(503)
			io.WriteString(w, "down for maintenance")
		})
		begin := time.Now()
		res, err := s.Get(s.url)
		wantAnswer(t, res, err, 503, "down for maintenance")
		s.wantRequests(t, 7)
		if passed := time.Since(begin).Round(time.Second); passed != time.Minute {
			t.Errorf("came back after %v, want a minute", passed)
		}
	})
}

func TestAResponseIsKeptWhenThereIsNoTimeForAnotherAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(429)
			io.WriteString(w, "slow down")
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		begin := time.Now()
		res, err := s.Do(request(t, "GET", s.url, "").WithContext(ctx))
		wantAnswer(t, res, err, 429, "slow down")
		if passed := time.Since(begin); passed != 0 {
			t.Errorf("came back after %v, want at once", passed)
		}
	})
}

func TestErrorsOfTheThrottleAreSeenThroughTheClient(t *testing.T) {
	s := newStand(t, pipeline.Config{Breaker: &pipeline.Breaker{Failures: 1}}, reset)
	_, _ = s.Get(s.url)
	var open *pipeline.CircuitOpenError
	if _, err := s.Get(s.url); !errors.As(err, &open) || open.RetryAfter <= 0 {
		t.Errorf("got %v, want an open circuit", err)
	}
	s = newStand(t, quick(), reset)
	var exhausted *pipeline.RetriesExhaustedError
	if _, err := s.Get(s.url); !errors.As(err, &exhausted) || exhausted.Attempts != 3 {
		t.Errorf("got %v, want 3 attempts that are exhausted", err)
	}
	s.throttle.Close()
	if _, err := s.Get(s.url); !errors.Is(err, pipeline.ErrClosed) {
		t.Errorf("got %v, want %v", err, pipeline.ErrClosed)
	}
}

func TestWhatIsDiscardedLeavesItsConnectionForOthers(t *testing.T) {
	for _, size := range []int{0, 10, 60_000} {
		cfg := quick()
		cfg.Retry.MaxAttempts = 20
		s := newStand(t, cfg, after(19, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(500)
			io.WriteString(w, strings.Repeat("x", size))
		}))
		res, err := s.Get(s.url)
		wantAnswer(t, res, err, 200, "done")
		s.wantRequests(t, 20)
		if n := s.conns.Load(); n != 1 {
			t.Errorf("bodies of %d bytes: %d connections for 20 attempts, want 1", size, n)
		}
	}
}

func TestNoSlotIsHeldForABodyThatNobodyReads(t *testing.T) {
	cfg := quick()
	cfg.MaxConcurrency = 1
	s := newStand(t, cfg, func(w http.ResponseWriter, r *http.Request, _ int) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for range 5 {
		res, err := s.Get(s.url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
	}
	if got := s.throttle.Snapshot(); got.InFlight != 0 || got.Completed != 5 {
		t.Errorf("%d in flight and %d completed, want 0 and 5", got.InFlight, got.Completed)
	}
}

func TestABodyOutlivesItsAttemptAndItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.AttemptTimeout = time.Second
		s := newStandInMemory(t, cfg, func(w http.ResponseWriter, _ *http.Request, _ int) {
			for range 10 {
				io.WriteString(w, "word ")
				w.(http.Flusher).Flush()
				time.Sleep(time.Second)
			}
		})
		res, err := s.Get(s.url)
		wantAnswer(t, res, err, 200, strings.Repeat("word ", 10))
	})
}

func TestTheCallersContextEndsTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), func(w http.ResponseWriter, r *http.Request, _ int) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		res, err := s.Do(request(t, "GET", s.url, "").WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got, err := io.ReadAll(res.Body); string(got) != "half" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %q, %v; want half of it until the deadline", got, err)
		}
	})
}

func TestAttemptTimeoutIsForTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.AttemptTimeout = time.Second
		s := newStandInMemory(t, cfg, after(2, func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }))
		res, err := s.Get(s.url)
		wantAnswer(t, res, err, 200, "done")
		s.wantRequests(t, 3)
		if a := s.throttle.Snapshot().Attempts; a.Overloaded != 2 {
			t.Errorf("got %+v, want 2 timeouts to count as overload", a)
		}
	})
}

func TestATimeoutOfWhatMustNotBeRepeatedIsOverloadToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.AttemptTimeout = time.Second
		s := newStandInMemory(t, cfg, func(_ http.ResponseWriter, r *http.Request, _ int) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		})
		_, err := s.Do(request(t, "POST", s.url, "question"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
		}
		s.wantRequests(t, 1)
		if a := s.throttle.Snapshot().Attempts; a != (pipeline.AttemptCounts{Overloaded: 1}) {
			t.Errorf("got %+v, want it to count as overload", a)
		}
	})
}

func TestACallerWhoHasHadEnoughSaysNothingOfTheService(t *testing.T) {
	for name, cause := range map[string]error{"cancelled": nil, "with a cause": errors.New("changed my mind")} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, quick(), nil)
			ctx, cancel := context.WithCancelCause(t.Context())
			s.transport.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
				cancel(cause)
				<-req.Context().Done()
				return nil, context.Cause(req.Context())
			})
			_, err := s.Do(request(t, "GET", s.url, "").WithContext(ctx))
			if !errors.Is(err, context.Canceled) || cause != nil && !errors.Is(err, cause) {
				t.Errorf("got %v, want %v and %v", err, context.Canceled, cause)
			}
			if a := s.throttle.Snapshot().Attempts; a != (pipeline.AttemptCounts{Ignored: 1}) {
				t.Errorf("got %+v, want it to be ignored", a)
			}
		})
	}
}

func TestACallerWhoHasHadEnoughOfWaitingGetsNoResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.Retry.BaseDelay, cfg.Retry.MaxDelay, cfg.Retry.Backoff = time.Minute, time.Minute, pipeline.Fixed
		s := newStandInMemory(t, cfg, status(500))
		ctx, cancel := context.WithCancel(t.Context())
		defer time.AfterFunc(time.Second, cancel).Stop()
		if res, err := s.Do(request(t, "GET", s.url, "").WithContext(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, %v, want %v", res, err, context.Canceled)
		}
		s.wantRequests(t, 1)
	})
}

func TestTheContextOfARequestEndsWhenItsResponseIsDoneWith(t *testing.T) {
	long := func(w http.ResponseWriter, _ *http.Request, _ int) { io.WriteString(w, strings.Repeat("x", 1<<20)) }
	for _, test := range []struct {
		name   string
		answer reply
		method string
		end    func(*http.Response)
	}{
		{"read", long, "GET", func(res *http.Response) { io.Copy(io.Discard, res.Body) }},
		{"closed", long, "GET", func(res *http.Response) { res.Body.Close() }},
		{"no body", long, "HEAD", func(*http.Response) {}},
		{"no response", reset, "GET", func(*http.Response) {}},
		{"a failure", status(500), "GET", func(res *http.Response) { res.Body.Close() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStand(t, quick(), test.answer)
			var contexts []context.Context
			base := s.transport.Base
			s.transport.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
				contexts = append(contexts, req.Context())
				return base.RoundTrip(req)
			})
			res, err := s.Do(request(t, test.method, s.url, ""))
			if err == nil && res.Body != http.NoBody && res.StatusCode == 200 && contexts[0].Err() != nil {
				t.Error("it ended before")
			}
			test.end(res)
			for i, ctx := range contexts {
				if ctx.Err() == nil {
					t.Errorf("that of attempt %d did not end", i)
				}
			}
		})
	}
}

func TestWhatTheContextCarriesReachesTheBase(t *testing.T) {
	type key struct{}
	var traced, slots atomic.Int64
	s := newStand(t, quick(), after(1, status(500)))
	base := s.transport.Base
	deadline := time.Now().Add(time.Hour)
	s.transport.Base = roundTripper(func(req *http.Request) (*http.Response, error) {
		ctx := req.Context()
		if got := ctx.Value(key{}); got != "value" {
			t.Errorf("got %v, want the caller's value", got)
		}
		if got, ok := ctx.Deadline(); !ok || !got.Equal(deadline) {
			t.Errorf("got %v, want the caller's deadline", got)
		}
		if got := int64(pipeline.SlotFrom(ctx).Attempt()); got != slots.Add(1)-1 {
			t.Errorf("got the slot of attempt %d, want %d", got, slots.Load()-1)
		}
		return base.RoundTrip(req)
	})
	ctx, cancel := context.WithDeadline(context.WithValue(t.Context(), key{}, "value"), deadline)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { traced.Add(1) }})
	res, err := s.Do(request(t, "GET", s.url, "").WithContext(ctx))
	wantAnswer(t, res, err, 200, "done")
	if traced.Load() != 2 {
		t.Errorf("%d connections were traced, want 2", traced.Load())
	}
}

func TestWhatTheServerSaysHoldsForAllRequests(t *testing.T) {
	for name, test := range map[string]struct {
		code int
		set  http.Header
		wait time.Duration
	}{
		"a refusal":          {429, http.Header{"Retry-After": {"30"}}, 30 * time.Second},
		"a failure":          {500, http.Header{"Retry-After": {"30"}}, 30 * time.Second},
		"a quota used up":    {200, http.Header{"Ratelimit": {`"minute";r=0;t=40`}}, 40 * time.Second},
		"GitHub's, used up":  {403, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"20"}}, 20 * time.Second},
		"nothing":            {200, nil, 0},
		"of this thing only": {202, http.Header{"Retry-After": {"30"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStandInMemory(t, pipeline.Config{}, func(w http.ResponseWriter, _ *http.Request, n int) {
					if n == 1 {
						for key, value := range test.set {
							w.Header()[key] = value
						}
						w.WriteHeader(test.code)
					}
				})
				for range 2 {
					res, err := s.Get(s.url)
					if err != nil {
						t.Fatal(err)
					}
					res.Body.Close()
				}
				begin := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC) // of every bubble
				if passed := time.Since(begin); passed != test.wait {
					t.Errorf("the second request was through after %v, want %v", passed, test.wait)
				}
			})
		})
	}
}

func TestATransportWithoutAThrottleTellsTheSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				w.Header().Set("Retry-After", "30")
				w.WriteHeader(429)
			}
		})
		s.transport.Throttle = nil
		begin := time.Now()
		for _, status := range []int{429, 200} {
			_, err := pipeline.Execute(t.Context(), s.throttle, func(ctx context.Context) (int, error) {
				res, err := s.Do(request(t, "GET", s.url, "").WithContext(ctx))
				if err != nil {
					return 0, err
				}
				defer res.Body.Close()
				if res.StatusCode != status {
					t.Errorf("got %d, want %d: nothing is sent again", res.StatusCode, status)
				}
				return 0, nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		if passed := time.Since(begin); passed != 30*time.Second {
			t.Errorf("the second request was through after %v, want 30s", passed)
		}
	})
}

func TestAnErrorBodyThatDoesNotComeHoldsNoSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.Retry.MaxAttempts = 2
		s := newStandInMemory(t, cfg, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(500)
			io.WriteString(w, "in a ")
			w.(http.Flusher).Flush()
			time.Sleep(time.Minute)
			io.WriteString(w, "minute")
		})
		begin := time.Now()
		res, err := s.Get(s.url)
		if passed := time.Since(begin); passed > time.Second {
			t.Errorf("came back after %v, want two times 250ms", passed)
		}
		wantAnswer(t, res, err, 500, "in a minute") // the last one's, and nothing of it is lost
		s.wantRequests(t, 2)
	})
}

func TestAnErrorBodyIsNotReadAheadIfNothingIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(500)
			w.(http.Flusher).Flush()
			time.Sleep(time.Minute)
		})
		begin := time.Now()
		res, err := s.Do(request(t, "POST", s.url, "question"))
		if passed := time.Since(begin); passed != 0 {
			t.Errorf("came back after %v, want at once", passed)
		}
		wantAnswer(t, res, err, 500, "")
	})
}

func TestNothingIsLeftBehindByABodyThatIsClosed(t *testing.T) {
	// A bubble does not end while a goroutine of it is left.
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.AttemptTimeout = time.Hour
		s := newStandInMemory(t, cfg, func(w http.ResponseWriter, r *http.Request, n int) {
			if n%2 == 0 {
				w.WriteHeader(500)
			}
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		for range 6 {
			res, err := s.Get(s.url)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
		}
	})
}

func TestEachHopOfARedirectPassesTheThrottle(t *testing.T) {
	s := newStand(t, quick(), func(w http.ResponseWriter, r *http.Request, n int) {
		if n <= 3 {
			http.Redirect(w, r, fmt.Sprint("/", n), http.StatusTemporaryRedirect)
			return
		}
		io.Copy(w, r.Body)
	})
	res, err := s.Do(request(t, "POST", s.url, "question"))
	wantAnswer(t, res, err, 200, "question")
	if got := s.throttle.Snapshot().Completed; got != 4 {
		t.Errorf("%d passed, want 4", got)
	}
}

func TestResponsesWithoutABody(t *testing.T) {
	for _, test := range []struct {
		method string
		code   int
	}{{"HEAD", 200}, {"GET", 204}, {"GET", 304}, {"HEAD", 404}} {
		s := newStand(t, quick(), func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(test.code) })
		res, err := s.Do(request(t, test.method, s.url, ""))
		wantAnswer(t, res, err, test.code, "")
	}
}

func TestAnUpgradedConnectionIsTheCallers(t *testing.T) {
	s := newStand(t, quick(), func(w http.ResponseWriter, _ *http.Request, _ int) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := rw.ReadString('\n')
		io.WriteString(conn, line)
	})
	req := request(t, "GET", s.url, "")
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	res, err := s.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	conn, ok := res.Body.(io.ReadWriteCloser)
	if !ok || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %d with a %T, want 101 with a connection", res.StatusCode, res.Body)
	}
	defer conn.Close()
	io.WriteString(conn, "hello\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestHTTP2(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch n := requests.Add(1); {
		case n%3 == 1:
			http.Error(w, "no", 500)
		case n%3 == 2:
			panic(http.ErrAbortHandler) // RST_STREAM
		default:
			w.Write(body)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	cfg := quick()
	cfg.Retry.MaxAttempts = 100
	client := server.Client()
	client.Transport = &pacehttp.Transport{Throttle: newThrottle(t, cfg), Base: client.Transport}
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			text := strings.Repeat(fmt.Sprint(i), 1000)
			res, err := client.Do(request(t, "PUT", server.URL, text))
			if err != nil {
				t.Error(err)
				return
			}
			wantAnswer(t, res, err, 200, text)
			if res.ProtoMajor != 2 {
				t.Errorf("got %s", res.Proto)
			}
		})
	}
	all.Wait()
}

func TestACertificateThatIsNotTrustedIsNotTriedAgain(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	throttle := newThrottle(t, quick())
	client := &http.Client{Transport: &pacehttp.Transport{Throttle: throttle, Base: new(http.Transport)}}
	if _, err := client.Get(server.URL); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want a certificate that is not trusted", err)
	}
	if _, err := client.Get("gopher://server.test"); err == nil {
		t.Error("got no error for a protocol that there is none for")
	}
	if a := throttle.Snapshot().Attempts; a != (pipeline.AttemptCounts{Ignored: 2}) {
		t.Errorf("got %+v, want one attempt each that says nothing of the service", a)
	}
}

// idler is a base that notes whether its connections were closed.
type idler struct {
	roundTripper
	closed bool
}

func (i *idler) CloseIdleConnections() { i.closed = true }

func TestIdleConnectionsAreClosedThroughTheTransport(t *testing.T) {
	base := &idler{}
	client := &http.Client{Transport: &pacehttp.Transport{Base: base}}
	client.CloseIdleConnections()
	if !base.closed {
		t.Error("they were not")
	}
	(&pacehttp.Transport{Base: roundTripper(nil)}).CloseIdleConnections() // has none, and that is fine
}

func TestABaseThatMisbehavesDoesNoHarm(t *testing.T) {
	cause := errors.New("broken")
	body := &spiedBody{Reader: strings.NewReader("")}
	throttle := newThrottle(t, quick())
	for name, test := range map[string]struct {
		base roundTripper
		want func(*http.Response, error) bool
	}{
		"neither response nor error": {
			func(*http.Request) (*http.Response, error) { return nil, nil },
			func(res *http.Response, err error) bool { return res == nil && err != nil },
		},
		"both": {
			func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Body: body}, pipeline.Fatal(cause)
			},
			func(res *http.Response, err error) bool {
				return res == nil && errors.Is(err, cause) && body.closed.Load() == 1
			},
		},
		"no body, no header": {
			func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil },
			func(res *http.Response, err error) bool { return err == nil && res.Body == http.NoBody },
		},
		"no body, no header, a failure": {
			func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 500}, nil },
			func(res *http.Response, err error) bool {
				return err == nil && res.StatusCode == 500 && res.Body != nil
			},
		},
		"a panic": {
			func(*http.Request) (*http.Response, error) { panic(cause) },
			func(res *http.Response, err error) bool {
				var panicked *pipeline.PanicError
				return res == nil && errors.As(err, &panicked) && errors.Is(err, cause)
			},
		},
		"an error of its own, marked": {
			func(*http.Request) (*http.Response, error) { return nil, pipeline.Fatal(io.EOF) },
			func(res *http.Response, err error) bool { return res == nil && err.Error() == "EOF" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			transport := &pacehttp.Transport{Throttle: throttle, Base: test.base}
			if res, err := transport.RoundTrip(request(t, "GET", "http://server.test", "")); !test.want(res, err) {
				t.Errorf("got %+v, %v", res, err)
			}
		})
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	faults := []reply{status(500), reset, status(429), say("HTTP/1.1 200 OK\r\nConte"), status(503)}
	cfg := quick()
	cfg.Retry.MaxAttempts = 50
	s := newStand(t, cfg, func(w http.ResponseWriter, r *http.Request, n int) {
		if n%4 == 0 {
			faults[n/4%len(faults)](w, r, n)
			return
		}
		io.WriteString(w, r.URL.Path)
	})
	var all sync.WaitGroup
	for i := range 300 {
		all.Go(func() {
			path := fmt.Sprint("/", i)
			res, err := s.Get(s.url + path)
			if err != nil {
				t.Error(err)
				return
			}
			wantAnswer(t, res, err, 200, path)
		})
	}
	all.Wait()
}
