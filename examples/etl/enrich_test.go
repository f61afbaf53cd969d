package main

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

func TestARefusalIsPassedOnButForItsSecond(t *testing.T) {
	for value, want := range map[string]time.Duration{"": 0, "1": 0, "3": 3 * time.Second} {
		e := &enricher{}
		res := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {value}}}
		err := e.refusal(res)
		var status *pacehttp.StatusError
		if pipeline.Classify(err) != pipeline.Overload || !errors.As(err, &status) || e.tally.refused.Load() != 1 {
			t.Errorf("%q: got %v and a tally of %d, want a refusal", value, err, e.tally.refused.Load())
		}
		var asked time.Duration
		for _, h := range pacehttp.Hints(res, time.Time{}, 0) {
			asked = h.RetryAfter
		}
		if asked != want {
			t.Errorf("%q: asks for %v, want %v", value, asked, want)
		}
	}
}
