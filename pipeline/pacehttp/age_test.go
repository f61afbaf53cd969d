package pacehttp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// What a cache has kept says what was left for another request, perhaps of another client
// (draft-ietf-httpapi-ratelimit-headers-11; RFC 9111, section 5.1).
func TestQuotasInACachedAnswerAreIgnored(t *testing.T) {
	for _, quota := range []string{
		"RateLimit: \"a\";r=0;t=60",
		"RateLimit-Remaining: 0\nRateLimit-Reset: 60",
		"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1655121233",
		"X-RateLimit-Remaining-Tokens: 0\nX-RateLimit-Reset-Tokens: 60",
		"Anthropic-RateLimit-Tokens-Remaining: 0\nAnthropic-RateLimit-Tokens-Reset: 2022-06-13T12:00:00Z",
	} {
		for age, hints := range map[string]int{"": 1, "Age: 0": 1, "Age: 1": 0, "Age: 86400": 0, "Age: soon": 1, "Age: -5": 1} {
			res := &http.Response{StatusCode: 200, Header: header("Date: Mon, 13 Jun 2022 11:48:53 GMT\n" + quota + "\n" + age)}
			if got := pacehttp.Hints(res, noon, 0); len(got) != hints {
				t.Errorf("%q, %q: got %+v, want %d", quota, age, got, hints)
			}
		}
	}
	res := response(403, "X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 60\nAge: 5", "")
	if got := pipeline.Classify(pacehttp.Check(res)); got != pipeline.Ignored {
		t.Errorf("a cached 403 is %v, want it to be %v", got, pipeline.Ignored)
	}
}

func TestAgeIsTakenOffWhatACachedAnswerAsksFor(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"Retry-After: 120\nAge: 30":     90 * time.Second,
		"Retry-After: 120\nAge: 120":    0,
		"Retry-After: 120\nAge: 9999":   0,
		"Retry-After: 120\nAge: 0":      2 * time.Minute,
		"Retry-After: 120\nAge: soon":   2 * time.Minute,
		"Retry-After-Ms: 2500\nAge: 2":  500 * time.Millisecond,
		"Retry-After: 5\nAge: 1e9":      5 * time.Second,
		"Retry-After: 5\nAge: 99999999": 0,
		"Retry-After: Sun, 21 Jun 2026 09:02:00 GMT\nDate: Sun, 21 Jun 2026 09:00:00 GMT\nAge: 30":      90 * time.Second,
		"Retry-After: Sun, 21 Jun 2026 09:00:30 GMT\nDate: Sun, 21 Jun 2026 09:00:00 GMT\nAge: 30":      0,
		"Retry-After: Sun, 21 Jun 2026 12:00:30 GMT\nAge: 30":                                           30 * time.Second, // no Date: by our clock
		"Retry-After: 3\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 60\nX-RateLimit-Limit: 9\nAge: 1": 2 * time.Second,
	} {
		if got := refusedWith(t, text); got != (pipeline.Hint{RetryAfter: want}) {
			t.Errorf("%q: got %+v, want %v", text, got, want)
		}
	}
}
