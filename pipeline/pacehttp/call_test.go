package pacehttp_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// readAll is what most calls make of a response.
func readAll(res *http.Response) (string, error) {
	body, err := io.ReadAll(res.Body)
	return string(body), err
}

// plain is a client that knows of no throttle, over the connections of a stand.
func (s *stand) plain() *http.Client { return &http.Client{Transport: s.transport.Base} }

func wantText(t *testing.T, got string, err error, want string) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	if got != want {
		t.Errorf("got %.40q, want %.40q", got, want)
	}
}

func TestABodyThatEndsEarlyIsTriedAgain(t *testing.T) {
	for name, half := range map[string]reply{
		"too short": say("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"half\":"),
		"no chunk":  say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"ha"),
		"bad chunk": say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
		"reset": func(w http.ResponseWriter, r *http.Request, n int) {
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
		"half a zip": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Encoding", "gzip")
			io.WriteString(w, "\x1f\x8b\x08")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t, quick(), after(2, half))
			got, err := pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, ""), readAll)
			wantText(t, got, err, "done")
			s.wantRequests(t, 3)
			if a := s.throttle.Snapshot().Attempts; a != (pipeline.AttemptCounts{Failed: 2, Succeeded: 1}) {
				t.Errorf("got %+v, want 2 failures", a)
			}
		})
	}
}

func TestABodyThatEndsEarlyIsAFailureWhateverIsMadeOfIt(t *testing.T) {
	for name, read := range map[string]func(*http.Response) (string, error){
		"ignored": func(res *http.Response) (string, error) { text, _ := readAll(res); return text, nil },
		"taken wrong": func(res *http.Response) (string, error) {
			return "", pipeline.Fatal(json.NewDecoder(res.Body).Decode(new(int)))
		},
		"closed as is": func(res *http.Response) (string, error) { text, _ := readAll(res); return text, res.Body.Close() },
	} {
		s := newStand(t, quick(), say("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n12"))
		_, err := pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, ""), read)
		var exhausted *pipeline.RetriesExhaustedError
		if !errors.As(err, &exhausted) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %v, want 3 attempts that end with %v", name, err, io.ErrUnexpectedEOF)
		}
	}
}

func TestWhatIsMadeOfAWholeBodyIsTheReadersOwn(t *testing.T) {
	own := errors.New("not what I want")
	for _, test := range []struct {
		name     string
		err      error
		requests int64
	}{
		{"its own error", own, 3},
		{"fatal", pipeline.Fatal(own), 1},
		{"final", pipeline.Final(own), 1},
	} {
		s := newStand(t, quick(), after(0, nil))
		_, err := pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, ""), func(*http.Response) (int, error) { return 0, test.err })
		if !errors.Is(err, own) {
			t.Errorf("%s: got %v", test.name, err)
		}
		s.wantRequests(t, test.requests)
	}
}

func TestAResponseThatIsNoneIsAnErrorWithItsText(t *testing.T) {
	s := newStand(t, quick(), func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("X-Request-Id", "7")
		w.WriteHeader(http.StatusUnprocessableEntity)
		io.WriteString(w, "{\"error\":\n\t\"no such city\"}\n"+strings.Repeat("x", 10_000))
	})
	_, err := pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, ""), func(*http.Response) (int, error) {
		t.Error("it was read")
		return 0, nil
	})
	var status *pacehttp.StatusError
	if !errors.As(err, &status) {
		t.Fatalf("got %v", err)
	}
	if status.StatusCode != 422 || status.Header.Get("X-Request-Id") != "7" || len(status.Body) != 4<<10 {
		t.Errorf("got %d, %v, %d bytes", status.StatusCode, status.Header, len(status.Body))
	}
	if want := `422 Unprocessable Entity: {"error": "no such city"} xxx`; !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 300 {
		t.Errorf("got %q, want %q …", err, want)
	}
	s.wantRequests(t, 1)
}

func TestAPostWhoseAnswerIsLostIsNotRepeated(t *testing.T) {
	for _, test := range []struct {
		key      bool
		requests int64
	}{{false, 1}, {true, 2}} {
		s := newStand(t, quick(), after(1, say("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nhalf")))
		req := request(t, "POST", s.url, "question")
		if test.key {
			req.Header.Set("Idempotency-Key", "8e03978e")
		}
		got, err := pacehttp.Do(s.throttle, s.plain(), req, readAll)
		if test.key {
			wantText(t, got, err, "done")
		} else if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v, want %v", err, io.ErrUnexpectedEOF)
		}
		s.wantRequests(t, test.requests)
	}
}

func TestDoSendsBodiesWhole(t *testing.T) {
	s := newStand(t, quick(), func(w http.ResponseWriter, r *http.Request, n int) {
		if text, err := io.ReadAll(r.Body); string(text) != "question" || err != nil {
			t.Errorf("attempt %d: got %q, %v", n, text, err)
		}
		after(2, status(429))(w, r, n)
	})
	got, err := pacehttp.Do(s.throttle, s.plain(), request(t, "POST", s.url, "question"), readAll)
	wantText(t, got, err, "done")
	s.wantRequests(t, 3)
}

func TestDoClosesABodyThatIsNeverSent(t *testing.T) {
	throttle := newThrottle(t, quick())
	throttle.Close()
	body := &spiedBody{Reader: strings.NewReader("question")}
	_, err := pacehttp.Do(throttle, nil, requestFrom(t, "PUT", "http://server.test", body), readAll)
	if !errors.Is(err, pipeline.ErrClosed) || body.closed.Load() != 1 {
		t.Errorf("got %v and closed %d times, want %v and once", err, body.closed.Load(), pipeline.ErrClosed)
	}
}

func TestTheSlotIsHeldUntilTheBodyIsRead(t *testing.T) {
	s := newStand(t, quick(), after(0, nil))
	_, err := pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, ""), func(res *http.Response) (string, error) {
		if n := s.throttle.Snapshot().InFlight; n != 1 {
			t.Errorf("%d in flight while it is read, want 1", n)
		}
		return readAll(res)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAttemptTimeoutIsForTheWholeCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.AttemptTimeout = time.Second
		s := newStandInMemory(t, cfg, after(2, func(w http.ResponseWriter, r *http.Request, _ int) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}))
		got, err := pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, ""), readAll)
		wantText(t, got, err, "done")
		s.wantRequests(t, 3)
		if a := s.throttle.Snapshot().Attempts; a.Overloaded != 2 {
			t.Errorf("got %+v, want 2 timeouts to count as overload", a)
		}
	})
}

func TestWhoGivesUpACallSaysNothingOfTheService(t *testing.T) {
	for _, header := range []bool{false, true} {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		s := newStand(t, quick(), func(w http.ResponseWriter, r *http.Request, _ int) {
			if header {
				w.(http.Flusher).Flush()
			} else {
				cancel(enough)
			}
			<-r.Context().Done()
		})
		_, err := pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, "").WithContext(ctx), func(res *http.Response) (string, error) {
			cancel(enough)
			return readAll(res)
		})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, enough) {
			t.Errorf("got %v, want %v and %v", err, context.Canceled, enough)
		}
		if a := s.throttle.Snapshot().Attempts; a != (pipeline.AttemptCounts{Ignored: 1}) {
			t.Errorf("got %+v, want it to be ignored", a)
		}
	}
}

func TestConnectionsOfCallsAreUsedAgain(t *testing.T) {
	s := newStand(t, quick(), func(w http.ResponseWriter, _ *http.Request, n int) {
		if n%2 == 0 {
			w.WriteHeader(500)
		}
		fmt.Fprintf(w, "{}\n%s", strings.Repeat(" ", 10_000))
	})
	for range 5 {
		_, err := pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, ""), func(res *http.Response) (v struct{}, err error) {
			return v, json.NewDecoder(res.Body).Decode(&v) // leaves the rest
		})
		if err != nil {
			t.Error(err)
		}
	}
	if n := s.conns.Load(); n != 1 {
		t.Errorf("%d connections for %d attempts, want 1", n, s.requests.Load())
	}
}

func TestAStreamThatNobodyReadsToItsEndIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []int{200, 404} {
			s := newStandInMemory(t, quick(), func(w http.ResponseWriter, r *http.Request, _ int) {
				w.WriteHeader(code)
				io.WriteString(w, "data: [DONE]\n\n")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
			})
			begin := time.Now()
			_, _ = pacehttp.Do(s.throttle, s.plain(), request(t, "GET", s.url, ""), func(res *http.Response) (int, error) {
				return io.ReadFull(res.Body, make([]byte, 14))
			})
			if passed := time.Since(begin); passed > time.Second {
				t.Errorf("%d: came back after %v, want at once or nearly so", code, passed)
			}
		}
	})
}

func TestAttemptsAsTheWorkOfAPipeline(t *testing.T) {
	faults := []reply{status(500), status(429), reset, say("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nhalf")}
	cfg := quick()
	cfg.Retry.MaxAttempts = 50
	s := newStand(t, cfg, func(w http.ResponseWriter, r *http.Request, n int) {
		if n%3 == 0 {
			faults[n/3%len(faults)](w, r, n)
			return
		}
		zip := gzip.NewWriter(w)
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(zip, r.URL.Path)
		zip.Close()
	})
	client := s.plain()
	work := func(ctx context.Context, job int) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprint(s.url, "/", job), nil)
		if err != nil {
			return "", pipeline.Fatal(err)
		}
		return pacehttp.Attempt(client, req, readAll)
	}
	seen := map[int]bool{}
	jobs := func(yield func(int) bool) {
		for i := 0; i < 300 && yield(i); i++ {
		}
	}
	for r := range pipeline.Attach(s.throttle, work).Each(t.Context(), jobs) {
		wantText(t, r.Out, r.Err, fmt.Sprint("/", r.In))
		if seen[r.In] {
			t.Errorf("job %d came back twice", r.In)
		}
		seen[r.In] = true
	}
	if len(seen) != 300 {
		t.Errorf("%d jobs came back, want 300", len(seen))
	}
}

func TestCallsWithoutWhatTheyNeedPanic(t *testing.T) {
	for name, call := range map[string]func(){
		"paceline: Do: request is nil":         func() { pacehttp.Do(newThrottle(t, quick()), nil, nil, readAll) },
		"paceline: Do: function is nil":        func() { pacehttp.Do[int](newThrottle(t, quick()), nil, request(t, "GET", "/", ""), nil) },
		"paceline: Execute: throttle is nil":   func() { pacehttp.Do(nil, nil, request(t, "GET", "/", ""), readAll) },
		"paceline: Attempt: request is nil":    func() { pacehttp.Attempt(nil, nil, readAll) },
		"paceline: Attempt: function is nil":   func() { pacehttp.Attempt[int](nil, request(t, "GET", "/", ""), nil) },
		"paceline: NewClient: throttle is nil": func() { pacehttp.NewClient(nil, nil) },
	} {
		func() {
			defer func() {
				if got := recover(); got != name {
					t.Errorf("got %v, want %s", got, name)
				}
			}()
			call()
		}()
	}
}
