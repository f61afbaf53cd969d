package pacehttp

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// refuse answers a request that was not let through.
func refuse(w http.ResponseWriter, err error) {
	var (
		wait   *pipeline.WaitError
		open   *pipeline.CircuitOpenError
		cost   *pipeline.CostError
		weight *pipeline.WeightError
	)
	status, after := http.StatusServiceUnavailable, time.Duration(0)
	switch {
	case errors.As(err, &wait):
		status, after = http.StatusTooManyRequests, max(wait.Expected, time.Millisecond)
		if wait.HeldBy == pipeline.HeldByBudget || wait.HeldBy == pipeline.HeldByRate {
			w.Header().Set("RateLimit", fmt.Sprintf(`"requests";r=0;t=%d`, wholeSeconds(after)))
		} else {
			w.Header().Set("RateLimit-Policy", fmt.Sprintf(`"inflight";q=%d;qu="concurrent-requests"`, wait.Limit))
			w.Header().Set("RateLimit", fmt.Sprintf(`"inflight";r=0;t=%d`, wholeSeconds(after)))
		}
	case errors.As(err, &open):
		after = max(open.RetryAfter, time.Millisecond)
	case errors.As(err, &cost), errors.As(err, &weight): // it will never be let through
		status = http.StatusBadRequest
	case errors.Is(err, pipeline.ErrClosed):
		w.Header().Set("Connection", "close") // another server is to be asked
	}
	if after > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(wholeSeconds(after), 10))
		w.Header().Set("Retry-After-Ms", strconv.FormatInt((after+time.Millisecond-1).Milliseconds(), 10))
	}
	http.Error(w, http.StatusText(status), status)
}

// wholeSeconds returns how many seconds are at least as long.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
