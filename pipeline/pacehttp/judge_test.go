package pacehttp_test

import (
	"context"
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

// answer is a reply with a header and a body.
func answer(code int, fields, body string) reply {
	return func(w http.ResponseWriter, _ *http.Request, _ int) {
		for key, values := range header(fields) {
			w.Header()[key] = values
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// judged sends a request in each way that a judge can be given.
var judged = map[string]func(*stand, *http.Request, pacehttp.Judge) (string, error){
	"Transport": func(s *stand, req *http.Request, judge pacehttp.Judge) (string, error) {
		s.transport.Judge = judge
		return ways["Transport"](s, req)
	},
	"Transport, by context": func(s *stand, req *http.Request, judge pacehttp.Judge) (string, error) {
		s.transport.Judge = func(*http.Response, func() []byte, pacehttp.Meaning) pacehttp.Meaning { panic("not asked") }
		return ways["Transport"](s, req.WithContext(pacehttp.WithJudge(req.Context(), judge)))
	},
	"Do": func(s *stand, req *http.Request, judge pacehttp.Judge) (string, error) {
		return ways["Do"](s, req.WithContext(pacehttp.WithJudge(req.Context(), judge)))
	},
	"Attempt": func(s *stand, req *http.Request, judge pacehttp.Judge) (string, error) {
		ctx := pacehttp.WithJudge(req.Context(), judge)
		return pipeline.Execute(ctx, s.throttle, func(ctx context.Context) (string, error) {
			again := req.WithContext(ctx)
			if req.GetBody != nil {
				again.Body, _ = req.GetBody()
			}
			return pacehttp.Attempt(s.plain(), again, readAll)
		})
	},
}

func TestAJudgeSaysWhatAResponseMeans(t *testing.T) {
	const body = `{"errors":[{"message":"Throttled"}]}`
	is := func(kind pacehttp.Kind, pause time.Duration, undone bool) func(pacehttp.Meaning) pacehttp.Meaning {
		return func(pacehttp.Meaning) pacehttp.Meaning {
			return pacehttp.Meaning{Kind: kind, Pause: pause, Undone: undone}
		}
	}
	pause := func(most time.Duration) func(pacehttp.Meaning) pacehttp.Meaning {
		return func(m pacehttp.Meaning) pacehttp.Meaning {
			m.Pause = min(m.Pause, most)
			return m
		}
	}
	for _, test := range []struct {
		name     string
		fault    reply
		judge    func(pacehttp.Meaning) pacehttp.Meaning
		requests int64
		wait     time.Duration // until the next one may start
		attempts pipeline.AttemptCounts
	}{
		{"a limit in a 200", answer(200, "", body), is(pacehttp.OverQuota, time.Second, true), 2, time.Second, pipeline.AttemptCounts{Overloaded: 1, Succeeded: 1}},
		{"a failure in a 200", answer(200, "", body), is(pacehttp.Failure, 0, true), 2, 0, pipeline.AttemptCounts{Failed: 1, Succeeded: 1}},
		{"a 404 that is as good as any", answer(404, "", body), is(pacehttp.Done, 0, false), 1, 0, pipeline.AttemptCounts{Succeeded: 1}},
		{"a 500 that is the request's fault", answer(500, "", body), is(pacehttp.OwnFault, 0, false), 1, 0, pipeline.AttemptCounts{Ignored: 1}},
		{"a 422 that is to come later", answer(422, "", body), is(pacehttp.NotYet, time.Second, true), 2, time.Second, pipeline.AttemptCounts{Ignored: 1, Succeeded: 1}},
		{"a 500 that did something", answer(500, "", body), is(pacehttp.Failure, 0, false), 1, 0, pipeline.AttemptCounts{Failed: 1}},
		{"a kind that there is none of", answer(429, "", body), is(77, -1, true), 2, 0, pipeline.AttemptCounts{Failed: 1, Succeeded: 1}},
		{"a pause with a bound", answer(429, "Retry-After: 2592000", body), pause(time.Minute), 2, time.Minute, pipeline.AttemptCounts{Overloaded: 1, Succeeded: 1}},
		{"a pause that is ignored", answer(429, "Retry-After: 2592000", body), pause(0), 2, 0, pipeline.AttemptCounts{Overloaded: 1, Succeeded: 1}},
		{
			"a quota that is ignored", answer(429, "RateLimit-Limit: 5\nRateLimit-Remaining: 0\nRateLimit-Reset: 3600", body),
			func(m pacehttp.Meaning) pacehttp.Meaning { m.IgnoreQuotas = true; return m }, 2, 0, pipeline.AttemptCounts{Overloaded: 1, Succeeded: 1},
		},
	} {
		for way, send := range judged {
			t.Run(way+", "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStandInMemory(t, quick(), after(1, test.fault))
					begin := time.Now()
					req := request(t, "POST", s.url, "order")
					if way == "Attempt" && test.requests == 1 {
						s.throttle.Update(pipeline.Config{Policy: pipeline.Static{}}) // it does not ask whether it may be sent again
					}
					text, err := send(s, req, func(res *http.Response, head func() []byte, usual pacehttp.Meaning) pacehttp.Meaning {
						if string(head()) == "done" {
							return usual
						}
						if string(head()) != body {
							t.Errorf("got the body %q", head())
						}
						return test.judge(usual)
					})
					s.wantRequests(t, test.requests)
					if test.requests == 2 {
						wantText(t, text, err, "done")
					} else if test.attempts.Succeeded == 1 {
						wantText(t, text, err, body)
					}
					if passed := time.Since(begin); passed < test.wait || passed > test.wait+time.Second/2 {
						t.Errorf("took %v, want %v and next to nothing", passed, test.wait)
					}
					if got := s.throttle.Snapshot().Attempts; got != test.attempts {
						t.Errorf("got %+v, want %+v", got, test.attempts)
					}
				})
			})
		}
	}
}

func TestWhatAJudgeSaysIsInTheError(t *testing.T) {
	s := newStand(t, quick(), answer(200, "", "out of order"))
	_, err := judged["Do"](s, request(t, "GET", s.url, ""), func(*http.Response, func() []byte, pacehttp.Meaning) pacehttp.Meaning {
		return pacehttp.Meaning{Kind: pacehttp.OwnFault}
	})
	var status *pacehttp.StatusError
	if !errors.As(err, &status) || status.Meaning.Kind != pacehttp.OwnFault || !strings.HasPrefix(err.Error(), "200 OK: out of order") {
		t.Errorf("got %v, want a StatusError of an own fault", err)
	}
}

func TestABodyIsWholeAfterAJudgeHasLookedIntoIt(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for way, send := range judged {
		synctest.Test(t, func(t *testing.T) { // what does not come soon, the judge does not see
			s := newStandInMemory(t, quick(), answer(200, "", long))
			text, err := send(s, request(t, "GET", s.url, ""), func(_ *http.Response, head func() []byte, usual pacehttp.Meaning) pacehttp.Meaning {
				if got := len(head()); got != 4<<10 {
					t.Errorf("%s: the judge sees %d bytes, want 4 KiB", way, got)
				}
				return usual
			})
			wantText(t, text, err, long)
		})
	}
}

// A stream is not held up by a judge who does not look into it.
func TestAJudgeWhoDoesNotLookIntoABodyHoldsUpNoStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), func(w http.ResponseWriter, r *http.Request, _ int) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		s.transport.Judge = func(_ *http.Response, _ func() []byte, usual pacehttp.Meaning) pacehttp.Meaning { return usual }
		begin := time.Now()
		res, err := s.Get(s.url)
		if err != nil || time.Since(begin) != 0 {
			t.Fatalf("got %v after %v, want it at once", err, time.Since(begin))
		}
		res.Body.Close()
	})
}

func TestAJudgeWhoPanicsEndsHisRequestOnly(t *testing.T) {
	for way, send := range judged {
		s := newStand(t, quick(), after(0, nil))
		_, err := send(s, request(t, "GET", s.url, ""), func(*http.Response, func() []byte, pacehttp.Meaning) pacehttp.Meaning { panic("judge") })
		var panicked *pipeline.PanicError
		if !errors.As(err, &panicked) || s.throttle.Snapshot().InFlight != 0 {
			t.Errorf("%s: got %v, want its panic", way, err)
		}
	}
}

// A Transport without a throttle tells the slot what the judge says.
func TestAJudgeBoundsWhatASlotIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), after(1, answer(429, "Retry-After: 2592000", "")))
		sdk := &http.Client{Transport: &pacehttp.Transport{Base: s.transport.Base, Judge: atMostAMinute}}
		begin := time.Now()
		text, err := pipeline.Execute(t.Context(), s.throttle, func(ctx context.Context) (string, error) {
			res, err := sdk.Do(request(t, "GET", s.url, "").WithContext(ctx))
			if err != nil {
				return "", err
			}
			defer res.Body.Close()
			if res.StatusCode != 200 {
				return "", errors.New("an SDK's")
			}
			return readAll(res)
		})
		wantText(t, text, err, "done")
		if passed := time.Since(begin); passed != time.Minute {
			t.Errorf("the second request was through after %v, want a minute", passed)
		}
	})
}

func atMostAMinute(_ *http.Response, _ func() []byte, usual pacehttp.Meaning) pacehttp.Meaning {
	usual.Pause = min(usual.Pause, time.Minute)
	return usual
}

func TestKindsHaveNames(t *testing.T) {
	got := fmt.Sprint(pacehttp.Done, pacehttp.OwnFault, pacehttp.Failure, pacehttp.NotYet, pacehttp.Busy, pacehttp.OverQuota, pacehttp.Kind(9))
	if want := "done own fault failure not yet busy over quota kind(9)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
