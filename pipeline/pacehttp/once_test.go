package pacehttp_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// nowhere is an address that nobody listens at.
const nowhere = "http://127.0.0.1:1"

// refusals are answers that say that the server did nothing with the request.
var refusals = map[string]http.Header{
	"429":                     nil,
	"425":                     nil,
	"529":                     nil,
	"503 with Retry-After":    {"Retry-After-Ms": {"1"}},
	"403 with Retry-After":    {"Retry-After-Ms": {"1"}},
	"500 with X-Should-Retry": {"X-Should-Retry": {"true"}},
	"nobody listens any more": nil,
}

// refuse answers with one of refusals.
func refuse(w http.ResponseWriter, name string) {
	for key, value := range refusals[name] {
		w.Header()[key] = value
	}
	var code int
	fmt.Sscan(name, &code)
	w.WriteHeader(code)
}

// A POST that is redirected was done by the host that redirects, whatever the next one says.
func TestAPostThatIsRedirectedIsDoneOnce(t *testing.T) {
	for _, redirect := range []int{301, 302, 303, 307, 308} {
		for name := range refusals {
			t.Run(fmt.Sprint(redirect, ", then ", name), func(t *testing.T) {
				posts := 0
				cfg := quick()
				cfg.Retry.GiveUpAfter = 1
				s := newStand(t, cfg, func(w http.ResponseWriter, r *http.Request, n int) {
					switch {
					case r.URL.Path == "/next":
						refuse(w, name)
						return
					case name[0] == 'n':
						w.Header().Set("Location", nowhere)
					default:
						w.Header().Set("Location", "/next")
					}
					posts++
					w.WriteHeader(redirect)
				})
				if _, err := pacehttp.Do(s.throttle, s.plain(), request(t, "POST", s.url, "order"), readAll); err == nil || !strings.Contains(err.Error(), "not sent again: it was redirected") {
					t.Errorf("got %v, want it to say why it was not sent again", err)
				}
				if posts != 1 {
					t.Errorf("the order was placed %d times, want once", posts)
				}
			})
		}
	}
}

// What read fails with may be of another request, of which the POST knows nothing.
func TestAPostThatWasAcceptedIsDoneOnceWhateverComesOfTheReading(t *testing.T) {
	for name := range refusals {
		t.Run(name, func(t *testing.T) {
			posts := 0
			cfg := quick()
			cfg.Retry.GiveUpAfter = 1
			s := newStand(t, cfg, func(w http.ResponseWriter, r *http.Request, n int) {
				if r.Method != "POST" {
					refuse(w, name)
					return
				}
				posts++
				w.WriteHeader(http.StatusAccepted)
			})
			next := s.url
			if name[0] == 'n' {
				next = nowhere
			}
			_, err := pacehttp.Do(s.throttle, s.plain(), request(t, "POST", s.url, "order"), func(res *http.Response) (string, error) {
				return pacehttp.Attempt(s.plain(), request(t, "GET", next, "").WithContext(res.Request.Context()), readAll)
			})
			if err == nil || posts != 1 {
				t.Errorf("got %v, and the order was placed %d times, want an error and once", err, posts)
			}
		})
	}
}

// A redirect that is looked at by the client is followed as the client says.
func TestDoFollowsRedirectsAsTheClientDoes(t *testing.T) {
	s := newStand(t, quick(), func(w http.ResponseWriter, r *http.Request, n int) {
		http.Redirect(w, r, fmt.Sprint("/", n), http.StatusTemporaryRedirect)
	})
	stop := errors.New("far enough")
	for _, test := range []struct {
		check    func(*http.Request, []*http.Request) error
		want     string
		requests int64
	}{
		{nil, "stopped after 10 redirects", 10},
		{func(*http.Request, []*http.Request) error { return stop }, stop.Error(), 1},
		{func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, "", 1},
	} {
		s.requests.Store(0)
		client := s.plain()
		client.CheckRedirect = test.check
		code, err := pacehttp.Do(s.throttle, client, request(t, "POST", s.url, "order"), func(res *http.Response) (int, error) {
			return res.StatusCode, nil
		})
		switch {
		case test.want == "" && (code != http.StatusTemporaryRedirect || err != nil):
			t.Errorf("got %d, %v, want the redirect itself", code, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("got %v, want %s", err, test.want)
		}
		s.wantRequests(t, test.requests)
	}
}

// Each hop is a request of its own for a Transport, so the one that is refused is sent again.
func TestATransportRepeatsOnlyTheHopThatWasRefused(t *testing.T) {
	for _, redirect := range []int{302, 303, 307, 308} {
		posts := 0
		s := newStand(t, quick(), func(w http.ResponseWriter, r *http.Request, n int) {
			if r.URL.Path == "/next" {
				after(2, status(429))(w, r, n)
				return
			}
			posts++
			w.Header().Set("Location", "/next")
			w.WriteHeader(redirect)
		})
		res, err := s.Do(request(t, "POST", s.url, "order"))
		wantAnswer(t, res, err, 200, "done")
		if posts != 1 {
			t.Errorf("%d: the order was placed %d times, want once", redirect, posts)
		}
	}
}
