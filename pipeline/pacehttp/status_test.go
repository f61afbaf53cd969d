package pacehttp_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// response returns one, with a header as on the wire.
func response(code int, text, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: header(text), Body: io.NopCloser(strings.NewReader(body))}
}

// nextAttempt returns how long after an error the next attempt starts.
func nextAttempt(t *testing.T, err error) (wait time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		attempts := 0
		_, _ = pipeline.Execute(t.Context(), newThrottle(t, quick()), func(context.Context) (int, error) {
			if attempts++; attempts == 1 {
				return 0, err
			}
			wait = time.Since(begin)
			return 0, nil
		})
	})
	return wait
}

func TestWhatAStatusMeans(t *testing.T) {
	const (
		done    = pipeline.Succeeded
		fault   = pipeline.Ignored
		failed  = pipeline.Failed
		refused = pipeline.Overload
	)
	spent := "X-RateLimit-Limit: 5000\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 30"
	for _, test := range []struct {
		code         int
		header, body string
		want         pipeline.Verdict
	}{
		{100, "", "", done}, {101, "", "", done}, {200, "", "", done}, {204, "", "", done}, {304, "", "", done}, {307, "", "", done},
		{400, "", "", fault}, {401, "", "", fault}, {403, "", "", fault}, {404, "", "", fault}, {409, "", "", fault}, {422, "", "", fault},
		{501, "", "", fault}, {505, "", "", fault},
		{408, "", "", failed}, {425, "", "", failed}, {500, "", "", failed}, {502, "", "", failed}, {504, "", "", failed}, {507, "", "", failed},
		{599, "", "", failed}, {600, "", "", failed},
		{429, "", "", refused}, {429, "Retry-After: 5", "", refused}, {503, "", "", refused}, {503, "Retry-After: 5", "", refused}, {529, "", "", refused},
		{403, "Retry-After: 5", "", refused}, {403, spent, "", refused},
		{403, "X-RateLimit-Remaining: 1\nX-RateLimit-Reset: 30", "", fault},
		{403, "X-RateLimit-Remaining-Tokens: 0\nX-RateLimit-Reset-Tokens: 30", "", fault},
		{200, spent, "", done},
		{429, "X-Should-Retry: false", "", fault}, {500, "X-Should-Retry: false", "", fault},
		{429, "X-Should-Retry: true", "", refused}, {409, "X-Should-Retry: true", "", failed},
		{429, "", `{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}`, fault},
		{200, "", `{"error":{"code":"insufficient_quota"}}`, done},
	} {
		res := response(test.code, test.header, test.body)
		err := pacehttp.Check(res)
		if got := pipeline.Classify(err); got != test.want {
			t.Errorf("%d, %q: got %v, want %v", test.code, test.header, got, test.want)
		}
		var status *pacehttp.StatusError
		if (test.code >= 400) != errors.As(err, &status) {
			t.Errorf("%d: got %v", test.code, err)
		}
		if test.code < 400 {
			continue
		}
		if status.StatusCode != test.code || string(status.Body) != test.body {
			t.Errorf("%d: got %+v", test.code, status)
		}
		sdk := errors.New("the SDK's: " + test.body)
		marked := pacehttp.Mark(sdk, res)
		if got := pipeline.Classify(marked); got != test.want || !errors.Is(marked, sdk) || marked.Error() != sdk.Error() {
			t.Errorf("%d, %q: marked as %v, %v; want %v", test.code, test.header, got, marked, test.want)
		}
	}
}

func TestARefusalSaysWhenToComeAgain(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"Retry-After: 30": 30 * time.Second,
		"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 20":                     20 * time.Second,
		"X-RateLimit-Remaining: 0\nX-RateLimit-Reset: 20\nRetry-After-Ms: 70": 70 * time.Millisecond,
	} {
		if got := nextAttempt(t, pacehttp.Check(response(403, text, ""))); got != want {
			t.Errorf("%q: tried again after %v, want %v", text, got, want)
		}
	}
}

func TestWhatAnErrorMeans(t *testing.T) {
	const (
		fault   = "fault"
		broken  = "broken"
		unknown = "unknown"
		as      = "as it is"
	)
	get := func(err error) error { return &url.Error{Op: "Get", URL: "http://server.test", Err: err} }
	op := func(name string, err error) error {
		return &net.OpError{Op: name, Net: "tcp", Err: os.NewSyscallError(name, err)}
	}
	_, refused := http.Get("http://127.0.0.1:1")
	_, scheme := new(http.Transport).RoundTrip(request(t, "GET", "gopher://server.test", ""))
	nowhere := request(t, "GET", "http://server.test", "")
	nowhere.URL.Host = ""
	_, host := new(http.Transport).RoundTrip(nowhere)
	misfit := request(t, "GET", "http://server.test", "")
	misfit.Header["X"] = []string{"a\nb"}
	_, field := http.DefaultTransport.RoundTrip(misfit)
	for _, test := range []struct {
		err  error
		want string
	}{
		{op("read", syscall.ECONNRESET), broken},
		{op("write", syscall.EPIPE), broken},
		{get(op("dial", syscall.ECONNREFUSED)), broken},
		{refused, broken},
		{get(io.EOF), broken},
		{io.ErrUnexpectedEOF, broken},
		{net.ErrClosed, broken},
		{os.ErrDeadlineExceeded, broken},
		{context.DeadlineExceeded, broken},
		{get(context.DeadlineExceeded), broken},
		{&net.DNSError{Err: "no such host", Name: "server.test", IsNotFound: true}, broken},
		{get(errors.New("http: server closed idle connection")), broken},
		{get(errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR")), broken},
		{get(errors.New("net/http: HTTP/1.x transport connection broken: malformed MIME header line")), broken},
		{get(errors.New("stream error: stream ID 1; INTERNAL_ERROR; received from peer")), broken},
		{x509.UnknownAuthorityError{}, fault},
		{get(x509.HostnameError{Certificate: &x509.Certificate{}, Host: "server.test"}), fault},
		{get(x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}), fault},
		{get(scheme), fault},
		{host, fault},
		{field, fault},
		{get(errors.New("stopped after 10 redirects")), fault},
		{get(errors.New("I do not follow that")), unknown},
		{errors.New("of nothing that we know"), unknown},
		{nil, as},
		{get(context.Canceled), as},
		{pipeline.Fatal(io.EOF), as},
		{pipeline.Overloaded(io.EOF, time.Second), as},
	} {
		if test.err == nil && test.want != as {
			t.Fatalf("there is no error to test with, want one that is %s", test.want)
		}
		got := pacehttp.Mark(test.err, nil)
		if !errors.Is(got, test.err) {
			t.Errorf("%v: got another error, %v", test.err, got)
		}
		is := unknown
		switch retried := isRetried(t, got); {
		case got == test.err && pipeline.Classify(got) != pipeline.Failed:
			is = as
		case pipeline.Classify(got) == pipeline.Ignored:
			is = fault
		case retried:
			is = broken
		}
		if is != test.want {
			t.Errorf("%v: %s, want %s", test.err, is, test.want)
		}
	}
}

// isRetried reports whether err is tried again where nothing unmarked is.
func isRetried(t *testing.T, err error) bool {
	t.Helper()
	attempts := 0
	cfg := quick()
	cfg.Retry.Retryable = func(error) bool { return false }
	cfg.Retry.GiveUpAfter = time.Nanosecond
	_, _ = pipeline.Execute(t.Context(), newThrottle(t, cfg), func(context.Context) (int, error) {
		attempts++
		return 0, err
	})
	return attempts > 1
}

func TestTheTextOfAStatusIsForPeople(t *testing.T) {
	for _, test := range []struct{ status, body, want string }{
		{"503 Service Unavailable", "", "503 Service Unavailable"},
		{"", "", "503 Service Unavailable"},
		{"503 Gone Fishing", "  back\n at  six ", "503 Gone Fishing: back at six"},
		{"", "<html><body>503</body></html>", "503 Service Unavailable"},
		{"", "\xff\xfebad", "503 Service Unavailable: bad"},
		{"", strings.Repeat("ä", 150), "503 Service Unavailable: " + strings.Repeat("ä", 100) + "…"},
		{"", "x" + strings.Repeat("ä", 150), "503 Service Unavailable: x" + strings.Repeat("ä", 99) + "…"},
	} {
		err := &pacehttp.StatusError{StatusCode: 503, Status: test.status, Body: []byte(test.body)}
		if got := err.Error(); got != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}

func TestAStatusNamesWhatWasAskedForWithoutSecrets(t *testing.T) {
	const secret = "hunter2"
	s := newStand(t, quick(), answer(404, "", "no such row"))
	want := fmt.Sprintf("404 Not Found: no such row (POST %s/rows%%2F7/x)", s.url)
	ask := strings.Replace(s.url, "://", "://user:"+secret+"@", 1) + "/rows%2F7/x?key=" + secret + "#" + secret
	_, err := pacehttp.Do(s.throttle, s.plain(), request(t, "POST", ask, "order"), readAll)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	var status *pacehttp.StatusError
	if !errors.As(err, &status) || status.Method != "POST" || status.URL != s.url+"/rows%2F7/x" {
		t.Errorf("got %+v", status)
	}
	res, err := s.plain().Get(s.url + "?key=" + secret)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := pacehttp.Check(res); err == nil || err.Error() != "404 Not Found: no such row (GET "+s.url+")" {
		t.Errorf("got %v", err)
	}
	long := &pacehttp.StatusError{StatusCode: 404, URL: "http://server.test/" + strings.Repeat("x", 10_000)}
	if n := len(long.Error()); n > 300 {
		t.Errorf("the text has %d bytes, want 300 at most", n)
	}
}

func TestMarkLetsTheErrorThrough(t *testing.T) {
	sdk := fmt.Errorf("openai: %w", &pacehttp.StatusError{StatusCode: 429})
	err := pacehttp.Mark(sdk, response(429, "Retry-After: 3", ""))
	var status *pacehttp.StatusError
	if !errors.As(err, &status) || status.StatusCode != 429 {
		t.Errorf("got %v", err)
	}
}
