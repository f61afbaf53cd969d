package pacehttp

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// mostHints bounds how many quotas of one response are listened to. Nobody sends
// half as many.
const mostHints = 16

// Hints returns what a response says of the server's limits, for [pipeline.Slot].Hint;
// nothing if res is nil. now is the present time, which is only looked at if the
// response has no Date; took is how long ago the request was sent, 0 if that is
// unknown: servers count from when a request arrived.
//
// A Retry-After counts if the response is one that [Check] takes for a refusal or
// a failure: elsewhere, as in a 202, it is about this resource alone. The Budget
// of a quota is
//
//   - for RateLimit: the name of the policy;
//   - for X-RateLimit-Remaining-NAME and Anthropic-RateLimit-NAME-Remaining: NAME in
//     lower case: requests, tokens, input-tokens, output-tokens …;
//   - for X-RateLimit-UserRemaining, -PathRemaining and -UserPathRemaining: user, path and
//     userpath;
//   - for RateLimit-Remaining, X-RateLimit-Remaining and X-Rate-Limit-Remaining: what
//     X-RateLimit-Resource says (GitHub: core, graphql, search …), else requests.
//
// What X-RateLimit-Resource says, in lower case, is the Resource of the quota, too, and of the
// pause after a refusal if nothing is left of it: requests that are said to be of another
// one (see [pipeline.WithResource]) do not wait.
//
// Rounding says by how much a Reset may be too long: a point in time is read against the
// server's Date, which has no fraction, and may be rounded up itself. If something is left of
// a quota that is whole again within a second, written in whole seconds, it is a second: it
// may be a bucket that fills within milliseconds. What
// makes no sense, is negative, or is more than 31 days ahead, is ignored. So is
// a quota that does not say until when it holds, one of concurrent requests, and one of
// nothing whose request was accepted. Of a response that a cache has kept (Age above 0),
// quotas are ignored, and its age is taken off what is left of Retry-After.
func Hints(res *http.Response, now time.Time, took time.Duration) []pipeline.Hint {
	if res == nil || len(res.Header) == 0 {
		return nil
	}
	m := rule(res, now, "")
	if m.Kind == Busy {
		m.Kind = OverQuota // as if it was not by chance: that only the throttle knows, from its error
	}
	return hints(res, m, now, took)
}

// hints returns those of a response that means m.
func hints(res *http.Response, m Meaning, now time.Time, took time.Duration) (all []pipeline.Hint) {
	if !m.IgnoreQuotas {
		all = quotas(res.Header, res.StatusCode < 400, now, took)
	}
	if m.pausesAll() {
		pause := pipeline.Hint{RetryAfter: m.Pause}
		if m.Kind == OverQuota {
			pause.Resource = spentResource(all)
		}
		all = append([]pipeline.Hint{pause}, all...)
	}
	return all
}

// spentResource returns the one that is used up: the pause is for that one.
func spentResource(quotas []pipeline.Hint) string {
	for _, q := range quotas {
		if q.Resource != "" && q.Remaining == 0 {
			return q.Resource
		}
	}
	return ""
}

// quotas reads what is left of each quota, the one that holds up the most last: of two
// of the same name, the last one counts.
func quotas(h http.Header, accepted bool, now time.Time, took time.Duration) []pipeline.Hint {
	if !tellsQuotas(h) || age(h) > 0 { // what a cache has kept is of another request, perhaps of another client
		return nil
	}
	r := reader{header: h, now: serverTime(h, now), took: max(took, 0), accepted: accepted}
	if !r.structured() {
		for _, prefix := range [...]string{"Ratelimit-", "X-Ratelimit-", "X-Rate-Limit-"} {
			if r.triple(prefix) {
				break
			}
		}
	}
	r.named()
	r.hapi()
	slices.SortStableFunc(r.hints, func(a, b pipeline.Hint) int {
		return int(min(max(pace(a)-pace(b), -1), 1))
	})
	return r.hints[:min(len(r.hints), mostHints)]
}

// tellsQuotas is quick to say that there is nothing to read, as for most servers.
func tellsQuotas(h http.Header) bool {
	for key := range h {
		if strings.Contains(key, "Ratelimit") || strings.HasPrefix(key, "X-Rate-Limit-") {
			return true
		}
	}
	return false
}

// pace returns how far apart requests would have to be for the quota to last; 0 if there
// is plenty.
func pace(h pipeline.Hint) time.Duration {
	if h.Limit > 0 && h.Remaining > h.Limit/2 {
		return 0
	}
	return h.Reset / time.Duration(h.Remaining+1)
}

// A reader collects the quotas of a header.
type reader struct {
	header   http.Header
	now      time.Time // by the server's clock
	took     time.Duration
	accepted bool // the request was
	hints    []pipeline.Hint
}

// add takes a quota as it was written. One that lacks what is left or until when, or
// where they are nonsense, says nothing.
func (r *reader) add(name string, requests bool, limit, remaining, reset string) bool {
	left, ok := amount(remaining)
	until, rounding, known := r.until(strings.TrimSpace(reset))
	if !ok || !known {
		return false
	}
	if left > 0 && until <= time.Second && isWhole(reset) {
		rounding = max(rounding, time.Second) // it may be as good as over
	}
	quota, said := amount(limit) // 0: not told
	if said && quota == 0 && r.accepted {
		return false // it lets through what it says it does not
	}
	if left > 0 && left == quota && until <= rounding {
		return false // it is whole
	}
	if left > quota {
		quota = 0 // that was no quota, but perhaps a rate
	}
	r.hints = append(r.hints, pipeline.Hint{
		Budget: name, Requests: requests, Limit: quota, Remaining: left, Reset: until, Rounding: rounding,
	})
	return true
}

// until returns the time that is left until a reset, and by how much that may be too long.
// What counts from now was said when the request arrived. A point in time is compared with
// the server's Date, which has lost its fraction, and it may have been rounded up itself.
func (r *reader) until(reset string) (left, rounding time.Duration, ok bool) {
	if at, ok := moment(reset); ok {
		left, rounding = at.Sub(r.now), time.Second
		if at.Nanosecond() == 0 {
			rounding += time.Second
			if left == 0 { // in this very second, if both are rounded down
				left = time.Second
			}
		}
		return left, rounding, left > 0 && left <= longest
	}
	d, ok := span(reset)
	return d - r.took, 0, ok && d > r.took
}

// structured reads RateLimit, with what RateLimit-Policy says of it
// (draft-ietf-httpapi-ratelimit-headers-08 to -11): "name";r=left;t=seconds, and
// "name";q=quota;qu="unit". In -07 it was limit=10, remaining=1, reset=7.
func (r *reader) structured() (found bool) {
	limits, ok := members(strings.Join(r.header["Ratelimit"], ","))
	if !ok {
		return false
	}
	if limits[0].value != "" {
		old := map[string]string{}
		for _, m := range limits {
			old[m.name] = m.value
		}
		return r.add("requests", true, old["limit"], old["remaining"], old["reset"])
	}
	policies, _ := members(strings.Join(r.header["Ratelimit-Policy"], ","))
	for _, m := range limits[:min(len(limits), mostHints)] {
		var policy map[string]string
		for _, p := range policies {
			if p.name == m.name {
				policy = p.params
				break
			}
		}
		unit := policy["qu"]
		if unit == "concurrent-requests" {
			continue
		}
		requests := unit == "" || unit == "requests" || unit == "request"
		found = r.add(m.name, requests, policy["q"], m.params["r"], m.params["t"]) || found
	}
	return found
}

// triple reads the fields for a quota of requests: draft-ietf-httpapi-ratelimit-headers
// up to -06, where the reset counts from now, and what many have with an X-, where it
// may be a point in time. Discord says it both ways, of which the one from now is exact.
func (r *reader) triple(prefix string) bool {
	remaining := r.header.Get(prefix + "Remaining")
	if remaining == "" {
		return false
	}
	resource := strings.ToLower(r.header.Get("X-Ratelimit-Resource"))
	limit, reset := r.header.Get(prefix+"Limit"), cmp.Or(r.header.Get(prefix+"Reset-After"), r.header.Get(prefix+"Reset"))
	if reset == "" {
		reset = untilFull(limit, remaining, r.header.Get(prefix+"Rate"))
	}
	ok := r.add(cmp.Or(resource, "requests"), true, limit, remaining, reset)
	if ok {
		r.hints[len(r.hints)-1].Resource = resource
	}
	return ok
}

// untilFull returns how many seconds a bucket takes to fill that is said to be given so many in a
// second, as restify says; empty: it is not known.
func untilFull(limit, remaining, rate string) string {
	most, ok := amount(limit)
	left, known := amount(remaining)
	perSecond, said := decimal(rate)
	if !ok || !known || !said || perSecond <= 0 || left > most {
		return ""
	}
	return strconv.FormatFloat(float64(most-left)/perSecond, 'f', 3, 64)
}

// named reads the quotas of those who have several: OpenAI, Azure and others,
// X-RateLimit-Remaining-Tokens; Anthropic, Anthropic-RateLimit-Tokens-Remaining.
func (r *reader) named() {
	const many, anthropic, remaining = "X-Ratelimit-Remaining-", "Anthropic-Ratelimit-", "-Remaining"
	var keys []string
	for key := range r.header {
		if strings.HasPrefix(key, many) || strings.HasPrefix(key, anthropic) && strings.HasSuffix(key, remaining) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys[:min(len(keys), mostHints)] {
		name, isMany := strings.CutPrefix(key, many)
		limit, reset := "X-Ratelimit-Limit-"+name, "X-Ratelimit-Reset-"+name
		if !isMany {
			name = strings.TrimSuffix(key[len(anthropic):], remaining)
			limit, reset = anthropic+name+"-Limit", anthropic+name+"-Reset"
		}
		name = strings.ToLower(name)
		r.add(name, ofRequests(name), r.header.Get(limit), r.header.Get(key), r.header.Get(reset))
	}
}

// ofRequests reports whether a quota with a name is one of requests. Those of
// @nestjs/throttler are, which has names for windows.
func ofRequests(name string) bool {
	switch name {
	case "default", "short", "medium", "long":
		return true
	}
	return strings.Contains(name, "requests")
}

// hapi reads the quotas of hapi-rate-limit: of a user, of a path, and of a user on a path.
// What is left is -1 when a request was refused.
func (r *reader) hapi() {
	for _, name := range [...]string{"user", "path", "userpath"} {
		prefix := "X-Ratelimit-" + strings.ToUpper(name[:1]) + name[1:]
		left := r.header.Get(prefix + "remaining")
		if left == "" {
			continue
		}
		if _, negative := amount(strings.TrimPrefix(left, "-")); negative && left[0] == '-' {
			left = "0"
		}
		r.add(name, true, r.header.Get(prefix+"limit"), left, r.header.Get(prefix+"reset"))
	}
}

// askedFor returns how long the server wants to be left alone: Retry-After-Ms as
// OpenAI and Azure send it, or X-Amz-Retry-After, in milliseconds, or Retry-After, in seconds or as a date.
// Who has several limits may send Retry-After-NAME for each (@nestjs/throttler): the longest
// counts.
// 0: it does not say, or makes no sense.
func askedFor(h http.Header, now time.Time) time.Duration {
	for _, key := range [...]string{"Retry-After-Ms", "X-Ms-Retry-After-Ms", "X-Amz-Retry-After"} {
		if v, ok := decimal(h.Get(key)); ok {
			if d, ok := within(v, time.Millisecond); ok {
				return max(d-age(h), 0)
			}
		}
	}
	const key = "Retry-After"
	var asked time.Duration
	for name := range h {
		if name == key || strings.HasPrefix(name, key+"-") && name != "Retry-After-Ms" {
			asked = max(asked, retryAfter(h, name, now))
		}
	}
	return asked
}

// retryAfter reads a field that has seconds or a date, less what has passed of them in a
// cache.
func retryAfter(h http.Header, name string, now time.Time) time.Duration {
	value := h.Get(name)
	if v, ok := decimal(value); ok {
		if d, ok := within(v, time.Second); ok {
			return max(d-age(h), 0)
		}
		return 0
	}
	if at, ok := date(value); ok {
		if d := at.Sub(serverTime(h, now)); d > 0 && d <= longest {
			return d
		}
	}
	return 0
}
