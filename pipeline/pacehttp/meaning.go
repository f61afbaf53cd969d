package pacehttp

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// A Kind says what a response means, and so what becomes of its request.
type Kind uint8

const (
	// Done means that the server did what it was asked for.
	Done Kind = iota

	// OwnFault means that the request itself is at fault. It is not tried again
	// ([pipeline.Fatal]), and tells nothing of the service.
	OwnFault

	// Failure means that the server failed. The request is tried again, which uses up one of its
	// attempts ([pipeline.Transient]).
	Failure

	// NotYet means that this request is to come again after the Pause, which is its own: others do
	// not wait. It uses up an attempt, and tells nothing of the service.
	NotYet

	// Busy means refused because the server has too much to do with the requests of all
	// ([pipeline.Overloaded]). Some of these come by chance, whatever the pressure, so the
	// Pause is for this request alone, until three come in a row.
	Busy

	// OverQuota means refused because this client has asked for too much
	// ([pipeline.Overloaded]).
	OverQuota
)

func (k Kind) String() string {
	switch k {
	case Done:
		return "done"
	case OwnFault:
		return "own fault"
	case Failure:
		return "failure"
	case NotYet:
		return "not yet"
	case Busy:
		return "busy"
	case OverQuota:
		return "over quota"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// A Meaning is what a response means.
type Meaning struct {
	Kind   Kind
	Pause  time.Duration // how long the server wants to be left alone; 0: it does not say
	Undone bool          // it did nothing with the request, which may be sent again whatever its method is

	IgnoreQuotas bool // what it says of quotas does not count; set by a [Judge]
}

// pausesAll reports whether the pause is for all requests, whatever comes of others.
func (m Meaning) pausesAll() bool { return m.Pause > 0 && (m.Kind == Failure || m.Kind == OverQuota) }

// mark returns err so that the throttle knows what it means, of a response with a status, whose body
// begins with text.
func (m Meaning) mark(err error, status int, text string) error {
	switch m.Kind {
	case Done:
		return nil
	case OwnFault:
		return pipeline.Fatal(err)
	case NotYet:
		return stage.Partly(pipeline.Transient(&later{err, m.Pause}))
	case Busy:
		if status == statusOverloaded || isOverloaded(text) {
			return stage.Trouble(err, m.Pause)
		}
		return stage.Busy(err, m.Pause)
	case OverQuota:
		return pipeline.Overloaded(err, m.Pause)
	}
	return pipeline.Transient(err)
}

// later is an error after which its job has to wait.
type later struct {
	error
	pause time.Duration
}

func (l *later) Unwrap() error             { return l.error }
func (l *later) RetryAfter() time.Duration { return l.pause }

// Statuses that net/http has no name for.
const (
	statusCalm       = 420 // Twitter of old, and others after it
	statusRejected   = 430 // Shopify
	statusOverloaded = 529 // Anthropic, Shopify and others
)

// rule reads a response. text is the beginning of the body, or what else is known of it.
func rule(res *http.Response, now time.Time, text string) Meaning {
	if res.StatusCode < 400 {
		return Meaning{} // its Retry-After is about this resource alone
	}
	m := byStatus(res.StatusCode, askedFor(res.Header, now))
	if tells(res.StatusCode) {
		m = m.refine(res, now, text)
	}
	if m.Pause == 0 && m.Kind >= Busy {
		m.Pause = retryDelay(text)
	}
	switch {
	case isHopeless(res.StatusCode, text), res.Header.Get("X-Should-Retry") == "false":
		return Meaning{Kind: OwnFault}
	case res.Header.Get("X-Should-Retry") == "true":
		m.Kind, m.Undone = max(m.Kind, Failure), true
	}
	return m
}

// byStatus reads a status of 400 or above.
func byStatus(code int, asked time.Duration) Meaning {
	switch code {
	case http.StatusTooManyRequests:
		return Meaning{Kind: OverQuota, Pause: asked, Undone: true}
	case statusOverloaded:
		return Meaning{Kind: Busy, Pause: asked, Undone: true}
	case http.StatusServiceUnavailable: // of a proxy, it may also mean that the connection behind it broke
		return Meaning{Kind: Busy, Pause: asked, Undone: asked > 0}
	case http.StatusTooEarly: // RFC 8470: unwilling to begin with it
		return Meaning{Kind: Failure, Pause: asked, Undone: true}
	case http.StatusRequestTimeout:
		return Meaning{Kind: Failure, Pause: asked}
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return Meaning{Kind: OwnFault}
	case http.StatusForbidden, http.StatusTeapot, statusCalm, statusRejected: // GitHub's 429, Binance's
		if asked > 0 {
			return Meaning{Kind: OverQuota, Pause: asked, Undone: true}
		}
	}
	switch {
	case code >= 500:
		return Meaning{Kind: Failure, Pause: asked}
	case asked > 0: // RFC 9110, section 15.5.14: it is temporary
		return Meaning{Kind: NotYet, Pause: asked, Undone: true}
	}
	return Meaning{Kind: OwnFault}
}

// tells reports whether what a status means depends on what else is said.
func tells(code int) bool {
	switch code {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusRequestEntityTooLarge,
		http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return true
	}
	return false
}

// refine reads what is said beside the status.
func (m Meaning) refine(res *http.Response, now time.Time, text string) Meaning {
	code := res.StatusCode
	spent := time.Duration(0)
	if code == http.StatusForbidden || m.Kind >= Busy {
		spent = spentUntil(res.Header, now)
	}
	switch {
	case code == http.StatusForbidden && spent > 0:
		return Meaning{Kind: OverQuota, Pause: cmp.Or(m.Pause, spent), Undone: true}
	case code != http.StatusBadRequest && isSecondary(text):
		return Meaning{Kind: OverQuota, Pause: cmp.Or(m.Pause, secondaryPause), Undone: true}
	case code != http.StatusRequestEntityTooLarge && (isThrottled(text) || isThrottled(res.Header.Get("X-Amzn-Errortype"))):
		return Meaning{Kind: OverQuota, Pause: m.Pause, Undone: true}
	case code == http.StatusServiceUnavailable && spent > 0:
		m.Kind = OverQuota
	case code == http.StatusTooManyRequests && spent == 0 && isOverloaded(text):
		m.Kind = Busy
	}
	return m
}

// secondaryPause is what GitHub asks for where it does not say when to come again
// (docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api).
const secondaryPause = time.Minute

// isSecondary reports whether a text is that of GitHub's secondary limits.
func isSecondary(text string) bool {
	return strings.Contains(text, "secondary rate limit") || strings.Contains(text, "abuse detection mechanism")
}

// throttled are the codes with which Google (403) and AWS (400, 503) say that there are too
// many requests.
var throttled = [...]string{
	"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED",
	"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException",
	"TooManyRequestsException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
	"BandwidthLimitExceeded", "SlowDown", "EC2ThrottledException",
}

func isThrottled(text string) bool {
	for _, code := range throttled {
		if hasCode(text, code) {
			return true
		}
	}
	return false
}

// hasCode reports whether a code stands in a text as one does: in quotes or a tag, before a
// colon, or at the end.
func hasCode(text, code string) bool {
	for {
		before, after, found := strings.Cut(text, code)
		switch {
		case !found:
			return false
		case (before == "" || !isLetter(before[len(before)-1])) && (after == "" || strings.IndexByte("\"'<:,\n", after[0]) >= 0):
			return true
		}
		text = after
	}
}

// retryDelay returns the pause that a google.rpc.RetryInfo in a body asks for, as Gemini sends it, or
// in the text that its SDK makes of that: retryDelay:22s. 0: there is none.
func retryDelay(text string) time.Duration {
	_, after, found := strings.Cut(text, "retryDelay")
	if !found {
		return 0
	}
	after = strings.TrimLeft(after, "\": ")
	if end := strings.IndexAny(after, "\"]},; "); end >= 0 {
		after = after[:end]
	}
	d, _ := duration(after)
	return d
}

// isOverloaded reports whether a server that sends 429 for everything says that it is not
// our quota.
func isOverloaded(text string) bool { return strings.Contains(strings.ToLower(text), "overloaded") }

// isHopeless reports whether what was refused will be for ever: there is no money left, or
// the request alone is more than the limit (OpenAI, Groq).
func isHopeless(code int, text string) bool {
	if code != http.StatusTooManyRequests && code != http.StatusRequestEntityTooLarge {
		return false
	}
	limit, requested := numberAfter(text, "Limit"), numberAfter(text, "Requested")
	return strings.Contains(text, "insufficient_quota") || limit > 0 && requested > limit
}

// numberAfter returns the number that follows a word in a text: "Limit 30000" or
// "Limit: 30,000"; 0: there is none.
func numberAfter(text, word string) int64 {
	for {
		_, after, found := strings.Cut(text, word)
		if !found {
			return 0
		}
		digits := strings.TrimLeft(after, ": ")
		end := strings.IndexFunc(digits, func(r rune) bool { return r != ',' && (r < '0' || r > '9') })
		if end >= 0 {
			digits = digits[:end]
		}
		if n, err := strconv.ParseInt(strings.ReplaceAll(digits, ",", ""), 10, 64); err == nil {
			return n
		}
		text = after
	}
}

// spentUntil returns until when a quota of requests holds of which nothing is left; 0:
// there is none.
func spentUntil(h http.Header, now time.Time) (wait time.Duration) {
	var few [fewHints]pipeline.Hint
	for _, q := range quotas(few[:0], h, false, now, 0) {
		if q.Requests && q.Remaining == 0 {
			wait = max(wait, q.Reset)
		}
	}
	return wait
}
