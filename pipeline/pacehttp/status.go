package pacehttp

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A StatusError is a response of 400 or above, or one that a [Judge] says is not [Done].
type StatusError struct {
	StatusCode int
	Status     string      // as the server wrote it: "503 Service Unavailable"
	Header     http.Header // of the response, not a copy
	Body       []byte      // its beginning, at most 4 KiB; empty if it was not read
	Method     string      // of the request; empty if that is not known, and so is the URL
	URL        string      // of the request, without user, query and fragment, which may be secret
	Meaning    Meaning     // what it was taken for
}

// ErrorType returns the status code, which is what OpenTelemetry wants to have as
// error.type.
func (e *StatusError) ErrorType() string { return strconv.Itoa(e.StatusCode) }

// Error returns the status, the beginning of the body if that is for people to read, and
// what was asked for: "503 Service Unavailable: back at six (GET https://api.example/rows)".
func (e *StatusError) Error() string {
	if e.URL == "" {
		return e.said()
	}
	return e.said() + " (" + cmp.Or(e.Method, http.MethodGet) + " " + shortened(e.URL) + ")"
}

// said returns what the server said.
func (e *StatusError) said() string {
	status := cmp.Or(e.Status, fmt.Sprintf("%d %s", e.StatusCode, http.StatusText(e.StatusCode)))
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(e.Body), "")), " ")
	if text == "" || text[0] == '<' {
		return status
	}
	return status + ": " + shortened(text)
}

func shortened(text string) string {
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "") + "…"
	}
	return text
}

const (
	mostText = 200     // bytes of a body, and of a URL, in the text of an error
	mostBody = 4 << 10 // and in its Body
)

// Check returns nil for a response below 400, else a [*StatusError], marked as its Meaning
// says. [OverQuota] and [Busy] are refusals ([pipeline.Overloaded]): the former of this
// client, the latter of anybody, perhaps by chance. [Failure] and [NotYet] are tried again at
// the cost of an attempt. [OwnFault] is not tried again ([pipeline.Fatal]). The package comment
// has the table of what means which. Check reads up to 4 KiB of the body of such a response,
// which may say what the status means. It does not close it.
func Check(res *http.Response) error {
	if res.StatusCode < 400 {
		return nil
	}
	var body []byte
	if res.Body != nil {
		body, _ = io.ReadAll(io.LimitReader(res.Body, mostBody)) // what came of it says enough
	}
	return newStatusError(res, body, rule(res, clock.Real().Now(), string(body)))
}

// newStatusError returns the error for a response that means m, marked so.
func newStatusError(res *http.Response, body []byte, m Meaning) error {
	e := &StatusError{StatusCode: res.StatusCode, Status: res.Status, Header: res.Header, Body: body, Meaning: m}
	if req := res.Request; req != nil && req.URL != nil {
		e.Method = cmp.Or(req.Method, http.MethodGet)
		e.URL = (&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path, RawPath: req.URL.RawPath}).String()
	}
	return m.mark(e, e.StatusCode, string(e.Body))
}

// Mark marks err, the error of an SDK or of a client, as the response that it is
// about and err itself say: Overloaded, Transient or Fatal. res may be nil, and only
// its status and header are looked at. An error that is marked already stays as it
// is, and so does one that says nothing of the service, or of which nothing is known:
// the latter is tried again if [pipeline.Retry].Retryable allows. Mark(nil, res) is
// nil.
func Mark(err error, res *http.Response) error {
	switch {
	case pipeline.Classify(err) != pipeline.Failed:
		return err
	case res != nil && res.StatusCode >= 400:
		text := err.Error()
		return rule(res, clock.Real().Now(), text).mark(err, res.StatusCode, text)
	case isFault(err):
		return pipeline.Fatal(err)
	case isBroken(err):
		return pipeline.Transient(err)
	}
	return err
}

// isFault reports whether a request can never succeed: it is malformed, or the server is
// not who it should be.
func isFault(err error) bool {
	var (
		untrusted   *tls.CertificateVerificationError
		authority   x509.UnknownAuthorityError
		certificate x509.CertificateInvalidError
		host        x509.HostnameError
		record      tls.RecordHeaderError // the server does not speak TLS
		address     *net.AddrError
		escape      url.EscapeError
	)
	if errors.As(err, &untrusted) || errors.As(err, &authority) || errors.As(err, &certificate) || errors.As(err, &host) ||
		errors.As(err, &record) || errors.As(err, &address) || errors.As(err, &escape) {
		return true
	}
	text := err.Error()
	for _, fault := range [...]string{ // of net/http, which has no values for them
		"unsupported protocol scheme", "no Host in request URL", "nil Request.URL", "invalid method",
		"invalid header field", "invalid trailer field", "server gave HTTP response to HTTPS client", "stopped after 10 redirects",
	} {
		if strings.Contains(text, fault) {
			return true
		}
	}
	return false
}

// isBroken reports whether the connection failed, or nothing came over it in time.
func isBroken(err error) bool {
	var client *url.Error // is a net.Error, whatever it wraps
	if errors.As(err, &client) {
		if client.Timeout() {
			return true
		}
		err = client.Err
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	text := err.Error()
	for _, broken := range [...]string{ // of net/http, which has no values for them
		"server closed idle connection", "server sent GOAWAY", "client connection lost", "stream error", "connection broken",
	} {
		if strings.Contains(text, broken) {
			return true
		}
	}
	return false
}

// isUnsent reports whether the error of a client says that the request was not sent: there
// was no connection to send it on.
func isUnsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect")
}

// beginning returns the part of a body that an error keeps.
func beginning(body []byte) []byte { return bytes.Clone(body[:min(len(body), mostBody)]) }
