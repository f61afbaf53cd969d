package pacehttp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// common is what most answers have beside what they say of limits, if they do.
const common = `Date: Sun, 21 Jun 2026 11:00:00 GMT
	Content-Type: application/json
	Content-Length: 1234
	Connection: keep-alive
	Cache-Control: no-store
	Vary: Accept-Encoding
	Etag: W/"4d2"
	X-Request-Id: 0198c0de
	Strict-Transport-Security: max-age=31536000
`

// answers are what clients see all day: accepted ones and a refused one.
var answers = []struct {
	name   string
	status int
	fields string
	want   int // hints
}{
	{"plain", 200, "", 0},
	{"draft 6", 200, "RateLimit-Limit: 50\nRateLimit-Remaining: 49\nRateLimit-Reset: 5\nRateLimit-Policy: 50;w=5", 1},
	{"draft 8", 200, `RateLimit: "50-in-5sec"; r=49; t=5` + "\n" + `RateLimit-Policy: "50-in-5sec"; q=50; w=5; pk=:ZTI5ZTZhMDRmOTE3:`, 1},
	{"GitHub", 200, "X-RateLimit-Limit: 5000\nX-RateLimit-Remaining: 4987\nX-RateLimit-Used: 13\nX-RateLimit-Reset: 1782040800\nX-RateLimit-Resource: core", 1},
	{"OpenAI", 200, "x-ratelimit-limit-requests: 5000\nx-ratelimit-limit-tokens: 160000\nx-ratelimit-remaining-requests: 4999\nx-ratelimit-remaining-tokens: 159976\nx-ratelimit-reset-requests: 12ms\nx-ratelimit-reset-tokens: 6m0s", 2},
	{"refused", 429, "Retry-After: 5\nRateLimit-Limit: 50\nRateLimit-Remaining: 0\nRateLimit-Reset: 5", 2},
}

// TestHintsAllocateWhatTheyReturn: every answer passes here, and most say nothing.
func TestHintsAllocateWhatTheyReturn(t *testing.T) {
	for _, c := range answers {
		res := &http.Response{StatusCode: c.status, Header: header(common + c.fields)}
		if got := pacehttp.Hints(res, noon, time.Millisecond); len(got) != c.want {
			t.Errorf("%s: got %+v, want %d hints", c.name, got, c.want)
		}
		most := float64(min(c.want, 1))
		if got := testing.AllocsPerRun(100, func() { pacehttp.Hints(res, noon, time.Millisecond) }); got > most {
			t.Errorf("%s: got %v allocations, want at most %v", c.name, got, most)
		}
	}
}

func BenchmarkHints(b *testing.B) {
	for _, c := range answers {
		b.Run(c.name, func(b *testing.B) {
			res := &http.Response{StatusCode: c.status, Header: header(common + c.fields)}
			b.ReportAllocs()
			for b.Loop() {
				pacehttp.Hints(res, noon, time.Millisecond)
			}
		})
	}
}
