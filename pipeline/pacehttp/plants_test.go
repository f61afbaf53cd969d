package pacehttp_test

import (
	"fmt"
	"math"
	"net/http"
	"time"
)

// Plants are limiters of others, as they were seen to behave, in virtual time: 50 requests in 5 s.
const (
	plantLimit  = 50
	plantWindow = 5 * time.Second
)

// A plant decides on a request that has arrived, and says what the limiter says.
type plant interface {
	take(now time.Time, say http.Header) (status int)
}

// A worker is a plant whose requests take a while, and a place each.
type worker interface {
	plant
	work() time.Duration
	leave()
}

// verdict returns the status of a request that is let through or not.
func verdict(accepted bool) int {
	if accepted {
		return http.StatusOK
	}
	return http.StatusTooManyRequests
}

// A teller writes what a limiter says.
type teller func(say http.Header, now time.Time, limit, left int, ends time.Time, accepted bool)

// window is a fixed one that begins with the first request after the last.
type window struct {
	limit, used int
	length      time.Duration
	ends        time.Time
	tell        teller
}

func (w *window) take(now time.Time, say http.Header) int {
	if !now.Before(w.ends) {
		w.used, w.ends = 0, now.Add(w.length)
	}
	w.used++
	accepted := w.used <= w.limit
	w.tell(say, now, w.limit, max(w.limit-w.used, 0), w.ends, accepted)
	return verdict(accepted)
}

func ceilSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

// sayDraft6 is what express-rate-limit and hono-rate-limiter write.
func sayDraft6(say http.Header, now time.Time, limit, left int, ends time.Time, accepted bool) {
	say.Set("RateLimit-Limit", fmt.Sprint(limit))
	say.Set("RateLimit-Remaining", fmt.Sprint(left))
	say.Set("RateLimit-Reset", fmt.Sprint(ceilSeconds(ends.Sub(now))))
	if !accepted {
		say.Set("Retry-After", fmt.Sprint(ceilSeconds(ends.Sub(now))))
	}
}

// sayEpoch is what express-rate-limit writes as legacy fields, and koa2-ratelimit.
func sayEpoch(say http.Header, now time.Time, limit, left int, ends time.Time, accepted bool) {
	say.Set("X-RateLimit-Limit", fmt.Sprint(limit))
	say.Set("X-RateLimit-Remaining", fmt.Sprint(left))
	say.Set("X-RateLimit-Reset", fmt.Sprint((ends.UnixMilli()+999)/1000))
	if !accepted {
		say.Set("Retry-After", fmt.Sprint(ceilSeconds(ends.Sub(now))))
	}
}

// sayEpochDown is what ulule/limiter writes.
func sayEpochDown(say http.Header, _ time.Time, limit, left int, ends time.Time, _ bool) {
	say.Set("X-RateLimit-Limit", fmt.Sprint(limit))
	say.Set("X-RateLimit-Remaining", fmt.Sprint(left))
	say.Set("X-RateLimit-Reset", fmt.Sprint(ends.Unix()))
}

// sayMilliseconds is what hapi-rate-limit and moleculer-web write, each in fields of its own.
func sayMilliseconds(say http.Header, _ time.Time, limit, left int, ends time.Time, _ bool) {
	say.Set("X-Rate-Limit-Limit", fmt.Sprint(limit))
	say.Set("X-Rate-Limit-Remaining", fmt.Sprint(left))
	say.Set("X-Rate-Limit-Reset", fmt.Sprint(ends.UnixMilli()))
}
