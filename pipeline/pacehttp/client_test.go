package pacehttp_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// throttled puts a throttle before the client of a stand, as NewClient does.
func (s *stand) throttled(timeout time.Duration) *http.Client {
	plain := s.plain()
	plain.Timeout = timeout
	return pacehttp.NewClient(s.throttle, plain)
}

func TestAClientsTimeoutDoesNotIncludeTheWaitForATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.MaxConcurrency = 1000
		cfg.Rate = &pipeline.Rate{PerSecond: 100, Burst: 1}
		s := newStandInMemory(t, cfg, after(0, nil))
		client := s.throttled(5 * time.Second)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				res, err := client.Get(s.url)
				if err != nil {
					t.Error(err)
					return
				}
				wantAnswer(t, res, err, 200, "done")
			})
		}
		all.Wait()
		s.wantRequests(t, 1000)
	})
}

func TestAClientsTimeoutDoesNotIncludeTheWaitForAnotherAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), after(1, answer(429, "Retry-After: 60", "")))
		res, err := s.throttled(5 * time.Second).Get(s.url)
		wantAnswer(t, res, err, 200, "done")
	})
}

func TestAnAttemptThatTakesLongerThanTheTimeoutIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(_ http.ResponseWriter, r *http.Request, _ int) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}
		s := newStandInMemory(t, quick(), after(2, hang))
		begin := time.Now()
		client := s.throttled(5 * time.Second)
		res, err := client.Get(s.url)
		wantAnswer(t, res, err, 200, "done")
		if passed := time.Since(begin); passed < 10*time.Second || passed > 11*time.Second {
			t.Errorf("took %v, want twice 5s", passed)
		}
		if a := s.throttle.Snapshot().Attempts; a != (pipeline.AttemptCounts{Failed: 2, Succeeded: 1}) {
			t.Errorf("got %+v, want 2 failures", a)
		}
		s.requests.Store(0)
		_, err = client.Do(request(t, "POST", s.url, "order"))
		s.wantRequests(t, 1)
		var failure *url.Error
		var network net.Error
		if !errors.As(err, &failure) || !failure.Timeout() || !errors.As(err, &network) || !network.Timeout() || !os.IsTimeout(err) {
			t.Errorf("%v is not seen for a timeout", err)
		}
		if !strings.Contains(err.Error(), "attempt took longer than 5s") {
			t.Errorf("got %v, want it to say how long it took", err)
		}
	})
}

func TestAClientsTimeoutIncludesTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), func(w http.ResponseWriter, r *http.Request, _ int) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		begin := time.Now()
		res, err := s.throttled(5 * time.Second).Get(s.url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if !os.IsTimeout(err) || string(text) != "half" || time.Since(begin) != 5*time.Second {
			t.Errorf("got %q, %v after %v, want a timeout after 5s", text, err, time.Since(begin))
		}
	})
}

func TestABodyThatIsReadInTimeIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStandInMemory(t, quick(), after(0, nil))
		res, err := s.throttled(5 * time.Second).Get(s.url)
		time.Sleep(4 * time.Second)
		wantAnswer(t, res, err, 200, "done")
	})
}

func TestNewClientKeepsWhatTheClientHas(t *testing.T) {
	s := newStand(t, quick(), func(w http.ResponseWriter, r *http.Request, _ int) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	plain := s.plain()
	plain.Timeout = time.Minute
	plain.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	before := *plain
	client := pacehttp.NewClient(s.throttle, plain)
	res, err := client.Get(s.url)
	if err != nil || res.StatusCode != http.StatusFound {
		t.Fatalf("got %v, %v, want the redirect itself", res, err)
	}
	res.Body.Close()
	if plain.Timeout != before.Timeout || plain.Transport != before.Transport {
		t.Error("the client itself was changed")
	}
	if got := s.throttle.Snapshot().Completed; got != 1 {
		t.Errorf("%d passed the throttle, want 1", got)
	}
	if http.DefaultClient.Transport != nil || pacehttp.NewClient(s.throttle, nil) == http.DefaultClient {
		t.Error("http.DefaultClient was changed")
	}
}

func TestEachHostHasAThrottleOfItsOwn(t *testing.T) {
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{Each: quick()})
	if err != nil {
		t.Fatal(err)
	}
	first, second := newStand(t, quick(), after(0, nil)), newStand(t, quick(), after(1, answer(429, "Retry-After: 0", "")))
	client := pacehttp.NewHostClient(hosts, first.plain())
	for _, s := range []*stand{first, second} {
		res, err := client.Get(s.url)
		wantAnswer(t, res, err, 200, "done")
		at, err := url.Parse(s.url)
		if err != nil {
			t.Fatal(err)
		}
		a, refused := hosts.Throttle(pacehttp.HostOf(at)).Snapshot().Attempts, s.requests.Load()-1
		if a.Succeeded != 1 || a.Overloaded != int64(refused) {
			t.Errorf("%s: got %+v, want 1 success and %d refusals", s.url, a, refused)
		}
	}
}

func TestHostsAreToldApartByNameAndPort(t *testing.T) {
	for given, want := range map[string]string{
		"http://Example.com/a":       "example.com",
		"http://example.com:80/b":    "example.com",
		"https://example.com:443":    "example.com",
		"https://example.com:80":     "example.com:80",
		"http://example.com:8080/":   "example.com:8080",
		"http://user@[2001:db8::1]/": "2001:db8::1",
		"http://[2001:db8::1]:99/":   "[2001:db8::1]:99",
	} {
		u, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		if got := pacehttp.HostOf(u); got != want {
			t.Errorf("%s: got %q, want %q", given, got, want)
		}
	}
}

func TestAKeyOfTheRequestMayChooseTheThrottle(t *testing.T) {
	tenants, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{Each: quick()})
	if err != nil {
		t.Fatal(err)
	}
	s := newStand(t, quick(), after(0, nil))
	client := s.plain()
	client.Transport = &pacehttp.Transport{Base: client.Transport, Throttle: s.throttle, ThrottleOf: func(r *http.Request) *pipeline.Throttle {
		if tenant := r.Header.Get("Tenant"); tenant != "" {
			return tenants.Throttle(tenant)
		}
		return nil
	}}
	for _, tenant := range []string{"a", "b", "a", ""} {
		req := request(t, "GET", s.url, "")
		req.Header.Set("Tenant", tenant)
		res, err := client.Do(req)
		wantAnswer(t, res, err, 200, "done")
	}
	a, b, rest := tenants.Throttle("a").Snapshot(), tenants.Throttle("b").Snapshot(), s.throttle.Snapshot()
	if a.Completed != 2 || b.Completed != 1 || rest.Completed != 1 {
		t.Errorf("got %d, %d and %d, want 2, 1 and 1", a.Completed, b.Completed, rest.Completed)
	}
}
