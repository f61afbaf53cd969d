package pacehttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// A brokenBody does something else than to be read.
type brokenBody func()

func (b brokenBody) Read([]byte) (int, error) { b(); return 0, io.EOF }
func (b brokenBody) Close() error             { return nil }

// What is read ahead is read on a goroutine of ours, where nobody else can recover.
func TestABodyThatPanicsEndsNoProgram(t *testing.T) {
	transport := &pacehttp.Transport{Throttle: newThrottle(t, quick()), Base: roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 500, Body: brokenBody(func() { panic("body panicked") })}, nil
	})}
	res, err := transport.RoundTrip(request(t, "GET", "http://server.test", ""))
	if err != nil || res.StatusCode != 500 {
		t.Fatalf("got %v, %v, want the last response", res, err)
	}
	var panicked *pipeline.PanicError
	if _, err := io.ReadAll(res.Body); !errors.As(err, &panicked) || panicked.Value != "body panicked" {
		t.Errorf("got %v from reading the body, want its panic", err)
	}
}

func TestTheContextOfARequestEndsWhenTheBasePanics(t *testing.T) {
	for name, misbehave := range map[string]func(){
		"panics": func() { panic("base panicked") },
		"exits":  func() { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			var ctx context.Context
			throttle := newThrottle(t, quick())
			transport := &pacehttp.Transport{Throttle: throttle, Base: roundTripper(func(req *http.Request) (*http.Response, error) {
				ctx = req.Context()
				misbehave()
				return nil, nil
			})}
			done := make(chan bool)
			go func() {
				defer close(done)
				transport.RoundTrip(request(t, "GET", "http://server.test", ""))
			}()
			<-done
			if ctx.Err() == nil {
				t.Error("it did not end")
			}
			if n := throttle.Snapshot().InFlight; n != 0 {
				t.Errorf("%d in flight", n)
			}
		})
	}
}

func TestATimeoutCanBeSeenThroughTheClient(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }
	for name, set := range map[string]func(*pipeline.Config, *stand, *http.Request) *http.Request{
		"of the base": func(_ *pipeline.Config, s *stand, req *http.Request) *http.Request {
			base := s.transport.Base.(*http.Transport).Clone()
			base.ResponseHeaderTimeout = time.Millisecond
			s.transport.Base = base
			return req
		},
		"of the client": func(_ *pipeline.Config, s *stand, req *http.Request) *http.Request {
			s.Client.Timeout = 10 * time.Millisecond
			return req
		},
		"of the request": func(_ *pipeline.Config, s *stand, req *http.Request) *http.Request {
			ctx, cancel := context.WithTimeout(req.Context(), 10*time.Millisecond)
			t.Cleanup(cancel)
			return req.WithContext(ctx)
		},
		"of the attempt": func(cfg *pipeline.Config, s *stand, req *http.Request) *http.Request {
			cfg.AttemptTimeout = time.Millisecond
			return req
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, quick(), hang)
			cfg := quick()
			req := set(&cfg, s, request(t, "GET", s.url, ""))
			if err := s.throttle.Update(cfg); err != nil {
				t.Fatal(err)
			}
			_, err := s.Do(req)
			var client *url.Error
			var network net.Error
			if !errors.As(err, &client) || !client.Timeout() || !errors.As(err, &network) || !network.Timeout() || !os.IsTimeout(err) {
				t.Errorf("%v is not seen for a timeout", err)
			}
		})
	}
}

// Ten thousands of quotas and of policies that match none were compared each with each.
func TestAHugeHeaderOfQuotasCostsNothing(t *testing.T) {
	limits, policies := strings.Repeat("a,", 20_000)+"a", strings.Repeat("b,", 20_000)+"b"
	res := &http.Response{StatusCode: 200, Header: http.Header{"Ratelimit": {limits}, "Ratelimit-Policy": {policies}}}
	allocations := testing.AllocsPerRun(1, func() {
		if hints := pacehttp.Hints(res, noon, 0); len(hints) > 0 {
			t.Errorf("got %v from nonsense", hints)
		}
	})
	if allocations > 100 {
		t.Errorf("took %v allocations, want next to none", allocations)
	}
}

// A server's answer to an attempt, drawn at random.
type drawnAnswer struct {
	status int
	size   int           // of the body
	stall  time.Duration // before the header
	pause  time.Duration // in the midst of the body
	breaks int           // 0: not; 1: before the header, 2: within the body
	early  bool          // without having read the request
}

func drawAnswer(t *rapid.T) drawnAnswer {
	return drawnAnswer{
		status: rapid.SampledFrom([]int{200, 200, 204, 404, 429, 500, 503}).Draw(t, "status"),
		size:   rapid.SampledFrom([]int{0, 1, 4000, 64 << 10, 64<<10 + 1, 300_000}).Draw(t, "size"),
		stall:  rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, time.Second, time.Minute}).Draw(t, "stall"),
		pause:  rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 300 * time.Millisecond, time.Minute}).Draw(t, "pause"),
		breaks: rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "breaks"),
		early:  rapid.Bool().Draw(t, "early"),
	}
}

func (a drawnAnswer) serve(w http.ResponseWriter, r *http.Request) {
	sleep := func(d time.Duration) {
		if d == 0 {
			return
		}
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
	}
	if !a.early {
		io.Copy(io.Discard, r.Body)
	}
	sleep(a.stall)
	if a.breaks == 1 {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Trailer", "X-Sum")
	w.WriteHeader(a.status)
	if a.status != 204 {
		io.WriteString(w, strings.Repeat("x", a.size/2))
		w.(http.Flusher).Flush()
		sleep(a.pause)
		if a.breaks == 2 {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, strings.Repeat("x", a.size-a.size/2))
	}
	w.Header().Set("X-Sum", strconv.Itoa(a.size))
}

// A drawnCall is a request and how its caller treats it.
type drawnCall struct {
	arrives  time.Duration
	upload   int           // bytes of the request's body; 0: none
	again    bool          // it can be read again
	cancelAt time.Duration // 0: never
	sleepy   time.Duration // before the body is read
	reads    int64         // at most so much
	closes   int           // how often, at once
	do       bool          // Do instead of the client
	answers  []drawnAnswer
}

func drawCall(t *rapid.T) drawnCall {
	times := []time.Duration{0, 1, time.Millisecond, 250 * time.Millisecond, time.Second, 30 * time.Second}
	return drawnCall{
		arrives:  rapid.SampledFrom(times).Draw(t, "arrives"),
		upload:   rapid.SampledFrom([]int{0, 0, 10, 200_000}).Draw(t, "upload"),
		again:    rapid.Bool().Draw(t, "again"),
		cancelAt: rapid.SampledFrom(times).Draw(t, "cancelAt"),
		sleepy:   rapid.SampledFrom(times).Draw(t, "sleepy"),
		reads:    rapid.SampledFrom([]int64{0, 1, 70_000, 1 << 20}).Draw(t, "reads"),
		closes:   rapid.IntRange(1, 3).Draw(t, "closes"),
		do:       rapid.Bool().Draw(t, "do"),
		answers:  rapid.SliceOfN(rapid.Custom(drawAnswer), 1, 5).Draw(t, "answers"),
	}
}

// TestAnyMomentMayBeTheLast plays requests, servers and callers that do what they like,
// and cancels, closes and updates at random moments.
func TestAnyMomentMayBeTheLast(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		calls := rapid.SliceOfN(rapid.Custom(drawCall), 1, 6).Draw(rt, "calls")
		cfg := quick()
		cfg.MaxConcurrency = rapid.IntRange(1, 3).Draw(rt, "limit")
		cfg.AttemptTimeout = rapid.SampledFrom([]time.Duration{0, time.Millisecond, 2 * time.Second}).Draw(rt, "timeout")
		cfg.Retry.GiveUpAfter = 10 * time.Millisecond
		cfg.Retry.Park = rapid.Bool().Draw(rt, "park")
		if rapid.Bool().Draw(rt, "once") {
			cfg.Retry = nil
		}
		closeAt := rapid.SampledFrom([]time.Duration{0, 0, 1, time.Second, time.Minute}).Draw(rt, "closeAt")
		var faults []string
		var mu sync.Mutex
		add := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			faults = append(faults, fmt.Sprintf(format, args...))
		}
		synctest.Test(t, func(t *testing.T) {
			s := newStandInMemory(t, cfg, func(w http.ResponseWriter, r *http.Request, n int) {
				i, _ := strconv.Atoi(r.URL.Path[1:])
				answers := calls[i].answers
				answers[n%len(answers)].serve(w, r)
			})
			if closeAt > 0 {
				defer time.AfterFunc(closeAt, s.throttle.Close).Stop()
			}
			var all sync.WaitGroup
			for i, c := range calls {
				all.Go(func() { c.play(s, i, add) })
			}
			all.Wait()
			time.Sleep(time.Hour) // a server that has not read a request does not see that it was cancelled
			if n := s.throttle.Snapshot().InFlight; n != 0 {
				add("%d in flight after all", n)
			}
		})
		if len(faults) > 0 {
			rt.Fatal(strings.Join(faults, "\n"))
		}
	})
}

// play makes the call and notes what is wrong.
func (c drawnCall) play(s *stand, i int, add func(string, ...any)) {
	time.Sleep(c.arrives)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.cancelAt > 0 {
		defer time.AfterFunc(c.cancelAt, cancel).Stop()
	}
	req, _ := http.NewRequestWithContext(ctx, "GET", s.url+"/"+strconv.Itoa(i), nil)
	var body *spiedBody
	if c.upload > 0 {
		text := strings.Repeat("q", c.upload)
		body = &spiedBody{Reader: strings.NewReader(text)}
		req.Method, req.Body, req.ContentLength = "PUT", body, int64(c.upload)
		if c.again {
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
		}
	}
	begin := time.Now()
	var err error
	if c.do {
		var text string
		text, err = pacehttp.Do(s.throttle, s.plain(), req, readAll)
		if err == nil && strings.Trim(text, "x") != "" {
			add("call %d: got %.20q", i, text)
		}
	} else {
		var res *http.Response
		res, err = s.transport.RoundTrip(req)
		if (res == nil) == (err == nil) {
			add("call %d: got %v, %v", i, res, err)
		}
		if res != nil {
			if res.Body == nil || res.Request != req {
				add("call %d: got %+v", i, res)
			}
			time.Sleep(c.sleepy)
			n, err := io.Copy(io.Discard, io.LimitReader(res.Body, c.reads))
			if err == nil && n < c.reads && res.StatusCode != 204 { // else the trailer is not there yet
				if sum := res.Trailer.Get("X-Sum"); sum != strconv.FormatInt(n, 10) {
					add("call %d: read %d bytes of %s, status %d", i, n, sum, res.StatusCode)
				}
			}
			var closers sync.WaitGroup
			for range c.closes {
				closers.Go(func() { res.Body.Close() })
			}
			closers.Wait()
		}
	}
	if took := time.Since(begin); c.cancelAt > 0 && took > c.cancelAt+c.sleepy+time.Second {
		add("call %d: took %v, cancelled at %v", i, took, c.cancelAt)
	}
	time.Sleep(time.Second) // it may be closed from another goroutine
	if body != nil && body.closed.Load() == 0 {
		add("call %d: the request's body was not closed; %v", i, err)
	}
}
