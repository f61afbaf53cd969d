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
// response has no Date. took is how long ago the request was sent, 0 if that is
// unknown: servers count from when a request arrived.
//
// A Retry-After counts if the response is one that [Check] takes for a refusal or
// a failure: elsewhere, as in a 202, it is about this resource alone. The Budget
// of a quota is
//
//   - for RateLimit: the name of the policy;
//   - for X-RateLimit-Remaining-NAME, X-RateLimit-NAME-Remaining and Anthropic-RateLimit-NAME-Remaining: NAME in
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
// makes no sense, is negative, or is more than 31 days ahead, is ignored. The same goes for
// a quota that does not say until when it holds, for one of concurrent requests, and for one
// of nothing whose request was accepted. Of a response that a cache has kept (Age above 0),
// quotas are ignored, and its age is taken off what is left of Retry-After.
func Hints(res *http.Response, now time.Time, took time.Duration) []pipeline.Hint {
	if res == nil || len(res.Header) == 0 {
		return nil
	}
	m := rule(res, now, "")
	if m.Kind == Busy {
		m.Kind = OverQuota // as if it was not by chance: that only the throttle knows, from its error
	}
	var few [fewHints]pipeline.Hint
	return append([]pipeline.Hint(nil), hints(few[:0], res, m, now, took)...)
}

// fewHints is what nearly all responses have at most, so that there is space for it on the stack.
const fewHints = 4

// hints appends those of a response that means m to all, which is empty.
func hints(all []pipeline.Hint, res *http.Response, m Meaning, now time.Time, took time.Duration) []pipeline.Hint {
	if m.pausesAll() {
		all = append(all, pipeline.Hint{RetryAfter: m.Pause})
	}
	if m.IgnoreQuotas {
		return all
	}
	before := len(all)
	all = quotas(all, res.Header, res.StatusCode < 400, now, took)
	if before > 0 && m.Kind == OverQuota {
		all[0].Resource = spentResource(all[before:])
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

// quotas appends what is left of each quota to all, the one that holds up the most last: of
// two of the same name, the last one counts.
func quotas(all []pipeline.Hint, h http.Header, accepted bool, now time.Time, took time.Duration) []pipeline.Hint {
	var few [16]string
	keys := quotaKeys(few[:0], h)
	if len(keys) == 0 || age(h) > 0 { // what a cache has kept is of another request, perhaps of another client
		return all
	}
	r := reader{header: h, now: now, took: max(took, 0), accepted: accepted}
	before := len(all)
	all = r.structured(all)
	for _, prefix := range [...]string{"Ratelimit-", "X-Ratelimit-", "X-Rate-Limit-"} {
		if len(all) > before || !hasPrefix(keys, prefix) {
			continue
		}
		all = r.triple(all, prefix)
	}
	all = r.named(r.hapi(all, keys), keys) // named changes keys
	told := all[before:]
	slices.SortStableFunc(told, func(a, b pipeline.Hint) int { return cmp.Compare(pace(a), pace(b)) })
	return all[:before+min(len(told), mostHints)]
}

// quotaKeys appends the names of fields that may say something of quotas: none, for most servers.
func quotaKeys(keys []string, h http.Header) []string {
	for key := range h {
		if isQuota(key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func hasPrefix(keys []string, prefix string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(key, prefix) })
}

func isQuota(key string) bool {
	if len(key) < len("Ratelimit") {
		return false
	}
	switch key[0] {
	case 'R':
		return strings.HasPrefix(key, "Ratelimit")
	case 'X':
		return strings.HasPrefix(key, "X-Ratelimit-") || strings.HasPrefix(key, "X-Rate-Limit-")
	case 'A':
		return strings.HasPrefix(key, anthropic)
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

// A reader reads the quotas of a header. Its methods append them to those before.
type reader struct {
	header   http.Header
	now      time.Time // by our clock
	took     time.Duration
	accepted bool // the request was
}

// get returns a field whose name is put together.
func (r *reader) get(prefix, name, suffix string) string {
	var space [64]byte // names are shorter
	key := append(append(append(space[:0], prefix...), name...), suffix...)
	if values := r.header[string(key)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// add takes a quota as it was written. One that lacks what is left or until when, or
// where they are nonsense, says nothing.
func (r *reader) add(all []pipeline.Hint, name string, requests bool, limit, remaining, reset string) []pipeline.Hint {
	left, ok := amount(remaining)
	until, rounding, known := r.until(strings.TrimSpace(reset))
	if !ok || !known {
		return all
	}
	if left > 0 && until <= time.Second && isWhole(reset) {
		rounding = max(rounding, time.Second) // it may be as good as over
	}
	quota, said := amount(limit) // 0: not told
	if said && quota == 0 && r.accepted {
		return all // it lets through what it says it does not
	}
	if left > 0 && left == quota && until <= rounding {
		return all // it is whole
	}
	if left > quota {
		quota = 0 // that was no quota, but perhaps a rate
	}
	return append(all, pipeline.Hint{
		Budget: name, Requests: requests, Limit: quota, Remaining: left, Reset: until, Rounding: rounding,
	})
}

// until returns the time that is left until a reset, and by how much that may be too long.
// What counts from now was said when the request arrived. A point in time is compared with
// the server's Date, which has lost its fraction, and it may have been rounded up itself.
func (r *reader) until(reset string) (left, rounding time.Duration, ok bool) {
	v, isNumber := decimal(reset)
	d, isDuration := time.Duration(0), false
	at, isMoment := time.Time{}, false
	if isNumber {
		d, isDuration = within(v, time.Second)
		at, isMoment = epoch(v)
	} else if d, isDuration = duration(reset); !isDuration {
		at, isMoment = moment(reset)
	}
	if !isMoment {
		return d - r.took, 0, isDuration && d > r.took
	}
	left, rounding = at.Sub(serverTime(r.header, r.now)), time.Second
	if at.Nanosecond() == 0 {
		rounding += time.Second
		if left == 0 { // in this very second, if both are rounded down
			left = time.Second
		}
	}
	return left, rounding, left > 0 && left <= longest
}

// structured reads RateLimit, with what RateLimit-Policy says of it
// (draft-ietf-httpapi-ratelimit-headers-08 to -11): "name";r=left;t=seconds, and
// "name";q=quota;qu="unit". In -07 it was limit=10, remaining=1, reset=7.
func (r *reader) structured(all []pipeline.Hint) []pipeline.Hint {
	if len(r.header["Ratelimit"]) == 0 {
		return all
	}
	var few, fewer [fewHints]member
	limits, ok := members(few[:0], strings.Join(r.header["Ratelimit"], ","))
	if !ok {
		return all
	}
	if limits[0].value != "" {
		var limit, left, reset string
		for _, m := range limits {
			switch m.name {
			case "limit":
				limit = m.value
			case "remaining":
				left = m.value
			case "reset":
				reset = m.value
			}
		}
		return r.add(all, "requests", true, limit, left, reset)
	}
	policies, _ := members(fewer[:0], strings.Join(r.header["Ratelimit-Policy"], ","))
	for _, m := range limits[:min(len(limits), mostHints)] {
		var policy member
		if i := slices.IndexFunc(policies, func(p member) bool { return p.name == m.name }); i >= 0 {
			policy = policies[i]
		}
		if policy.unit == "concurrent-requests" {
			continue
		}
		requests := policy.unit == "" || policy.unit == "requests" || policy.unit == "request"
		all = r.add(all, m.name, requests, policy.quota, m.left, m.reset)
	}
	return all
}

// triple reads the fields for a quota of requests: draft-ietf-httpapi-ratelimit-headers
// up to -06, where the reset counts from now, and what many have with an X-, where it
// may be a point in time. Discord says it both ways, of which the one from now is exact.
func (r *reader) triple(all []pipeline.Hint, prefix string) []pipeline.Hint {
	remaining := r.get(prefix, "Remaining", "")
	if remaining == "" {
		return all
	}
	resource := lower(get(r.header, "X-Ratelimit-Resource"))
	limit, reset := r.get(prefix, "Limit", ""), cmp.Or(r.get(prefix, "Reset-After", ""), r.get(prefix, "Reset", ""))
	if reset == "" {
		reset = untilFull(limit, remaining, r.get(prefix, "Rate", ""))
	}
	before := len(all)
	all = r.add(all, cmp.Or(resource, "requests"), true, limit, remaining, reset)
	if len(all) > before {
		all[before].Resource = resource
	}
	return all
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

// The names of those who have several quotas.
const (
	many      = "X-Ratelimit-Remaining-"
	common    = "X-Ratelimit-"
	anthropic = "Anthropic-Ratelimit-"
	left      = "-Remaining" // follows the name of a quota
)

// ofName returns the name of a quota that stands in the middle of a field's, between a prefix and
// -Remaining; "": it is none.
func ofName(key, prefix string) string {
	if rest, ok := strings.CutPrefix(key, prefix); ok {
		if name, ok := strings.CutSuffix(rest, left); ok {
			return name
		}
	}
	return ""
}

// named reads the quotas of those who have several: OpenAI, Azure and others,
// X-RateLimit-Remaining-Tokens; Linear and RapidAPI, X-RateLimit-Requests-Remaining; Anthropic,
// Anthropic-RateLimit-Tokens-Remaining.
func (r *reader) named(all []pipeline.Hint, keys []string) []pipeline.Hint {
	keys = slices.DeleteFunc(keys, func(key string) bool {
		return !strings.HasPrefix(key, many) && ofName(key, common) == "" && ofName(key, anthropic) == ""
	})
	slices.Sort(keys)
	for _, key := range keys[:min(len(keys), mostHints)] {
		var limit, reset string
		name, isMany := strings.CutPrefix(key, many)
		if isMany {
			limit, reset = r.get("X-Ratelimit-Limit-", name, ""), r.get("X-Ratelimit-Reset-", name, "")
		} else {
			prefix := common
			if strings.HasPrefix(key, anthropic) {
				prefix = anthropic
			}
			name = ofName(key, prefix)
			limit, reset = r.get(prefix, name, "-Limit"), r.get(prefix, name, "-Reset")
		}
		name = lower(name)
		all = r.add(all, name, ofRequests(name), limit, get(r.header, key), reset)
	}
	return all
}

// lower returns a name in lower case, and spares the commonest ones the copy.
func lower(name string) string {
	switch name {
	case "Requests":
		return "requests"
	case "Tokens":
		return "tokens"
	}
	return strings.ToLower(name)
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
func (r *reader) hapi(all []pipeline.Hint, keys []string) []pipeline.Hint {
	for _, key := range [...]string{"X-Ratelimit-User", "X-Ratelimit-Path", "X-Ratelimit-Userpath"} {
		if !hasPrefix(keys, key) {
			continue
		}
		left := r.get(key, "remaining", "")
		if left == "" {
			continue
		}
		if _, negative := amount(strings.TrimPrefix(left, "-")); negative && left[0] == '-' {
			left = "0"
		}
		all = r.add(all, lower(key[len("X-Ratelimit-"):]), true, r.get(key, "limit", ""), left, r.get(key, "reset", ""))
	}
	return all
}

// askedFor returns how long the server wants to be left alone: Retry-After-Ms as
// OpenAI and Azure send it, or X-Amz-Retry-After, in milliseconds, or Retry-After, in seconds or as a date.
// Who has several limits may send Retry-After-NAME for each (@nestjs/throttler): the longest
// counts.
// 0: it does not say, or makes no sense.
func askedFor(h http.Header, now time.Time) time.Duration {
	for _, key := range [...]string{"Retry-After-Ms", "X-Ms-Retry-After-Ms", "X-Amz-Retry-After"} {
		if v, ok := decimal(get(h, key)); ok {
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
	value := get(h, name)
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
