package pacehttp_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// A listening policy is Static that hears what comes of attempts.
type listening struct {
	pipeline.Static
	heard *[]pipeline.Outcome
}

func (p listening) Start(b pipeline.Bounds) (pipeline.Law, pipeline.Setting) {
	law, setting := p.Static.Start(b)
	return listener{law, p.heard}, setting
}

type listener struct {
	pipeline.Law
	heard *[]pipeline.Outcome
}

func (l listener) Next(now time.Time, o pipeline.Outcome) pipeline.Setting {
	*l.heard = append(*l.heard, o)
	return l.Law.Next(now, o)
}

// A refusal is the service's trouble where it says so outright, not where it is a bare 503, which
// nginx answers to those who ask too often.
func TestARefusalIsTroubleWhereTheServerSaysSo(t *testing.T) {
	for _, c := range []struct {
		name string
		code int
		body string
		want bool
	}{
		{"529", 529, "", true},
		{"529 of Anthropic's", 529, `{"type":"error","error":{"type":"overloaded_error"}}`, true},
		{"503 of Gemini's", 503, `{"error": {"code": 503, "message": "The model is overloaded."}}`, true},
		{"429 of an engine that is overloaded", 429, `{"error":{"message":"The engine is currently overloaded"}}`, true},
		{"a bare 503", 503, "<html>503 Service Temporarily Unavailable</html>", false},
		{"429", 429, `{"error":{"message":"Rate limit reached"}}`, false},
	} {
		for door, call := range map[string]func(context.Context, *http.Client, *pipeline.Throttle) error{
			"Transport": func(_ context.Context, client *http.Client, throttle *pipeline.Throttle) error {
				polite := &http.Client{Transport: &pacehttp.Transport{Throttle: throttle, Base: client.Transport}}
				res, err := polite.Get("http://server.test")
				if err != nil {
					return err
				}
				return res.Body.Close()
			},
			"Do": func(ctx context.Context, client *http.Client, throttle *pipeline.Throttle) error {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://server.test", nil)
				if err != nil {
					return err
				}
				_, err = pacehttp.Do(throttle, client, req, func(res *http.Response) ([]byte, error) { return io.ReadAll(res.Body) })
				return err
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				refused := false
				client := &http.Client{Transport: saying(func(req *http.Request) *http.Response {
					code, body := http.StatusOK, ""
					if !refused {
						refused, code, body = true, c.code, c.body
					}
					return &http.Response{
						StatusCode: code, Status: http.StatusText(code), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
						Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: req,
					}
				})}
				var heard []pipeline.Outcome
				throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 1, Retry: &pipeline.Retry{}, Policy: listening{heard: &heard}})
				if err != nil {
					t.Fatal(err)
				}
				if err := call(t.Context(), client, throttle); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				if len(heard) != 2 || heard[0].Verdict != pipeline.Overload || heard[0].Trouble != c.want || heard[1].Trouble {
					t.Errorf("%s by %s: heard %+v, want trouble %v, and a success", c.name, door, heard, c.want)
				}
			})
		}
	}
}

type saying func(*http.Request) *http.Response

func (a saying) RoundTrip(req *http.Request) (*http.Response, error) { return a(req), nil }
