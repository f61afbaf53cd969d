package sdks_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An answer is what the API says to an attempt.
type answer struct {
	status int
	header string // "Retry-After: 7", one a line
}

// An api is a server that is asked without a network, so that its time may be virtual. It gives
// its answers one after the other, and then does what it is asked for.
type api struct {
	mu      sync.Mutex
	body    string // of what is done
	refused string // of what is not
	answers []answer
	at      []time.Time // when attempts came
}

func (a *api) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	said, body := answer{status: http.StatusOK}, a.body
	if n := len(a.at); n < len(a.answers) {
		said, body = a.answers[n], a.refused
	}
	a.at = append(a.at, time.Now())
	h := http.Header{"Content-Type": {"application/json"}}
	for line := range strings.Lines(said.header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		h.Set(name, value)
	}
	return &http.Response{
		StatusCode: said.status, Status: http.StatusText(said.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: req,
	}, nil
}

// attempts returns how many came, and how long after the first the last one did.
func (a *api) attempts() (n int, over time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.at), a.at[len(a.at)-1].Sub(a.at[0])
}

// refusals returns so many answers of a status.
func refusals(n, status int, header string) []answer {
	all := make([]answer, n)
	for i := range all {
		all[i] = answer{status, header}
	}
	return all
}
