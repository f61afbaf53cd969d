package sdks_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// each runs a test for every SDK, in virtual time.
func each(t *testing.T, test func(t *testing.T, s sdk)) {
	for _, s := range sdks {
		t.Run(s.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, s) }) })
	}
}

func newThrottle(t *testing.T) *pipeline.Throttle {
	t.Helper()
	throttle, err := pipeline.NewThrottle(pipeline.Config{Retry: &pipeline.Retry{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(throttle.Close)
	return throttle
}

// below is the client of an SDK whose requests pass a throttle. Questions to a model may be asked twice.
func below(throttle *pipeline.Throttle, a *api) *http.Client {
	return &http.Client{Transport: &pacehttp.Transport{
		Throttle: throttle, Base: a, Retry: func(*http.Request) bool { return true },
	}}
}

// around calls an SDK through a throttle.
func around(ctx context.Context, throttle *pipeline.Throttle, s sdk, a *api) error {
	client := &http.Client{Transport: &pacehttp.Transport{Base: a}}
	_, err := pipeline.Execute(ctx, throttle, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.mark(s.call(ctx, client, false))
	})
	return err
}

// What an SDK does by itself is why its own retries are to be off.
func TestWhatAnSDKDoesByItself(t *testing.T) {
	type did struct {
		attempts int
		over     time.Duration // at least; also at most, if it was told how long
	}
	for header, want := range map[string]map[string]did{
		"Retry-After: 7":   {"openai-go": {2, 7 * time.Second}, "anthropic-sdk-go": {2, 7 * time.Second}, "genai": {1, 0}, "retryablehttp": {2, 7 * time.Second}, "aws-sdk-go-v2": {2, 0}},
		"Retry-After: 600": {"openai-go": {1, 0}, "anthropic-sdk-go": {2, 10 * time.Minute}, "genai": {1, 0}, "retryablehttp": {2, 10 * time.Minute}, "aws-sdk-go-v2": {2, 0}},
		"Retry-After: 0":   {"openai-go": {3, 0}, "anthropic-sdk-go": {3, 0}, "genai": {1, 0}, "retryablehttp": {5, 0}, "aws-sdk-go-v2": {3, 0}},
	} {
		each(t, func(t *testing.T, s sdk) {
			a := &api{body: s.done, refused: s.refused, answers: refusals(1, http.StatusTooManyRequests, header)}
			if header == "Retry-After: 0" {
				a.answers = refusals(9, http.StatusTooManyRequests, header)
			}
			err := s.call(t.Context(), &http.Client{Transport: a}, true)
			n, over := a.attempts()
			w := want[s.name]
			if n != w.attempts || over < w.over || (err == nil) != (n > len(a.answers)) {
				t.Errorf("%s: got %d attempts over %v, error %v, want %d over %v", header, n, over, err, w.attempts, w.over)
			}
			if s.name != "aws-sdk-go-v2" && over != w.over || over > w.over+3*time.Second {
				t.Errorf("%s: got attempts over %v, want %v", header, over, w.over)
			}
		})
	}
}

func TestBelowAnSDK(t *testing.T) {
	each(t, func(t *testing.T, s sdk) {
		if s.name == "aws-sdk-go-v2" {
			return // has a test of its own
		}
		for name, answers := range map[string][]answer{
			"refused more often than the SDK tries": refusals(6, http.StatusTooManyRequests, "Retry-After-Ms: 20"),
			"refused for longer than it waits":      refusals(1, http.StatusTooManyRequests, "Retry-After: 1800"),
			"refused without a word":                refusals(6, http.StatusTooManyRequests, ""),
			"failed":                                refusals(2, http.StatusInternalServerError, ""),
			"told that it may":                      refusals(1, http.StatusBadRequest, "X-Should-Retry: true"),
		} {
			a := &api{body: s.done, refused: s.refused, answers: answers}
			err := s.call(t.Context(), below(newThrottle(t), a), false)
			if n, over := a.attempts(); err != nil || n != len(answers)+1 {
				t.Errorf("%s: got %d attempts over %v, error %v, want %d and an answer", name, n, over, err, len(answers)+1)
			}
		}
		a := &api{body: s.done, refused: s.refused, answers: refusals(1, http.StatusTooManyRequests, "X-Should-Retry: false")}
		err := s.call(t.Context(), below(newThrottle(t), a), false)
		if n, _ := a.attempts(); err == nil || n != 1 {
			t.Errorf("told not to try again: got %d attempts, error %v, want one and a refusal", n, err)
		}
	})
}

func TestAroundAnSDK(t *testing.T) {
	each(t, func(t *testing.T, s sdk) {
		for name, answers := range map[string][]answer{
			"refused more often than the SDK tries": refusals(6, http.StatusTooManyRequests, "Retry-After-Ms: 20"),
			"refused for longer than it waits":      refusals(1, http.StatusTooManyRequests, "Retry-After: 1800"),
		} {
			a := &api{body: s.done, refused: s.refused, answers: answers}
			err := around(t.Context(), newThrottle(t), s, a)
			if n, over := a.attempts(); err != nil || n != len(answers)+1 {
				t.Errorf("%s: got %d attempts over %v, error %v, want %d and an answer", name, n, over, err, len(answers)+1)
			}
		}
		if s.name == "genai" {
			return // its error has no header
		}
		a := &api{body: s.done, refused: s.refused, answers: refusals(1, http.StatusTooManyRequests, "X-Should-Retry: false")}
		err := around(t.Context(), newThrottle(t), s, a)
		if n, _ := a.attempts(); err == nil || n != 1 {
			t.Errorf("told not to try again: got %d attempts, error %v, want one and a refusal", n, err)
		}
	})
}

// TestGeminisPauseIsInTheBody: below its SDK, and in the words of its error.
func TestGeminisPauseIsInTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sdks[2]
		long := strings.Replace(s.refused, "0.5s", "22s", 1)
		for name, ask := range map[string]func(a *api) error{
			"below":  func(a *api) error { return s.call(t.Context(), below(newThrottle(t), a), false) },
			"around": func(a *api) error { return around(t.Context(), newThrottle(t), s, a) },
		} {
			a := &api{body: s.done, refused: long, answers: refusals(1, http.StatusTooManyRequests, "")}
			err := ask(a)
			if n, over := a.attempts(); err != nil || n != 2 || over < 22*time.Second {
				t.Errorf("%s: got %d attempts over %v, error %v, want the second after 22 s", name, n, over, err)
			}
		}
	})
}

// TestRetryablehttpHidesARefusal that it gives up: its error tells nobody that it is one, unless it
// is set as SDKS.md says.
func TestRetryablehttpHidesARefusal(t *testing.T) {
	for asItIs, want := range map[bool]pipeline.AttemptCounts{true: {Failed: 1}, false: {Overloaded: 1}} {
		synctest.Test(t, func(t *testing.T) {
			s := sdks[3]
			throttle, err := pipeline.NewThrottle(pipeline.Config{}) // which tries nothing again
			if err != nil {
				t.Fatal(err)
			}
			defer throttle.Close()
			a := &api{body: s.done, refused: s.refused, answers: refusals(9, http.StatusTooManyRequests, "Retry-After: 7")}
			_, err = pipeline.Execute(t.Context(), throttle, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, s.mark(s.call(ctx, &http.Client{Transport: a}, asItIs))
			})
			if got := throttle.Snapshot().Attempts; err == nil || got != want {
				t.Errorf("as it is %v: got %+v, error %v, want %+v and an error", asItIs, got, err, want)
			}
		})
	}
}

// TestAWSRepeatsItself: its bodies can be read once, so a Transport sends each request once, and
// the SDK is the one that tries again. Each of its attempts passes the throttle.
func TestAWSRepeatsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sdks[len(sdks)-1]
		throttle := newThrottle(t)
		a := &api{body: s.done, refused: s.refused, answers: refusals(9, http.StatusTooManyRequests, "Retry-After: 7")}
		err := s.call(t.Context(), below(throttle, a), true)
		n, over := a.attempts()
		if err == nil || n != 3 || over < 14*time.Second {
			t.Errorf("got %d attempts over %v, error %v, want three, 7 s apart, and a refusal", n, over, err)
		}
		if got := throttle.Snapshot().Attempts.Overloaded; got != 3 {
			t.Errorf("got %d refusals that the throttle knows of, want 3", got)
		}
	})
}
