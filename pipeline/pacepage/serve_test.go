package pacepage

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/paceline-go/paceline/pipeline"
)

// fixed is a page that a test does not have to wait for.
func fixed(t *testing.T) http.Handler {
	return New(t.Context(), map[string]*pipeline.Throttle{"geocoder": throttle(t)})
}

func TestThePageMayBeMountedAnywhere(t *testing.T) {
	page := fixed(t)
	plain := http.NewServeMux()
	plain.Handle("/pace/", page)
	deep := http.NewServeMux()
	deep.Handle("GET /a/{b}/c/", page)
	stripped := http.NewServeMux()
	stripped.Handle("/debug/pace/", http.StripPrefix("/debug/pace", page))
	for prefix, h := range map[string]http.Handler{"/": page, "/pace/": plain, "/a/x%2Fy/c/": deep, "/debug/pace/": stripped} {
		for name, want := range map[string]string{
			"": "text/html; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "page.css": "text/css; charset=utf-8",
			"icon.svg": "image/svg+xml", "uPlot.iife.min.js": "text/javascript; charset=utf-8",
			"uPlot.min.css": "text/css; charset=utf-8", "data.json": "application/json",
		} {
			w := answer(h, prefix+name)
			if w.Code != http.StatusOK || w.Header().Get("Content-Type") != want || w.Body.Len() == 0 {
				t.Errorf("%s%s: got %d, %s, %d bytes", prefix, name, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
			}
		}
	}
	if w := answer(plain, "/pace"); w.Header().Get("Location") != "/pace/" {
		t.Errorf("got %d %v, want to be sent to /pace/", w.Code, w.Header())
	}
}

func TestABrowserLoadsFromNowhereElse(t *testing.T) {
	page := fixed(t)
	for _, path := range []string{"/", "/page.js", "/data.json", "/nothing"} {
		h := answer(page, path).Header()
		if got := h.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'self';") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: got %q", path, got)
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: got %v", path, h)
		}
	}
	html := answer(page, "/").Body.String()
	for _, banned := range []string{"http://", "https://", "//", " style=", "onclick", "<style", "<script>"} {
		if strings.Contains(html, banned) {
			t.Errorf("the page has %q in it", banned)
		}
	}
}

func TestWhatABrowserHasIsNotSentAgain(t *testing.T) {
	page := fixed(t)
	w := answer(page, "/page.js")
	tag := w.Header().Get("ETag")
	if tag == "" || w.Header().Get("Cache-Control") != "no-cache" {
		t.Fatalf("got %v, want a tag, to be asked for each time", w.Header())
	}
	for given, want := range map[string]int{tag: http.StatusNotModified, `"other"`: http.StatusOK, "": http.StatusOK} {
		r := httptest.NewRequest(http.MethodGet, "/page.js", nil)
		r.Header.Set("If-None-Match", given)
		w := httptest.NewRecorder()
		page.ServeHTTP(w, r)
		if w.Code != want || (w.Body.Len() == 0) != (want == http.StatusNotModified) {
			t.Errorf("If-None-Match: %s: got %d with %d bytes, want %d", given, w.Code, w.Body.Len(), want)
		}
	}
	for _, path := range []string{"/data.json", "/stream"} {
		if got := do(page, http.MethodHead, path).Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: got %q, want it not kept", path, got)
		}
	}
}

func TestOnlyReading(t *testing.T) {
	page := fixed(t)
	for _, path := range []string{"/", "/data.json", "/stream", "/nothing"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "BREW"} {
			w := do(page, method, path)
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: got %d, Allow: %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
	for _, path := range []string{"/", "/page.css", "/data.json", "/stream"} {
		head := do(page, http.MethodHead, path)
		if head.Code != http.StatusOK || head.Body.Len() != 0 {
			t.Errorf("HEAD %s: got %d and %d bytes, want the header alone", path, head.Code, head.Body.Len())
		}
	}
}

func TestOddRequestsAreRefused(t *testing.T) {
	page := fixed(t)
	for path, want := range map[string]int{
		"/nothing": http.StatusNotFound, "/index.html": http.StatusNotFound, "/..": http.StatusNotFound, "/pace/%00": http.StatusNotFound,
		"/uplot/LICENSE": http.StatusNotFound, "/page.go": http.StatusNotFound,
		"/data.json?back=61": http.StatusBadRequest, "/stream?back=-1": http.StatusBadRequest, "/data.json?back=": http.StatusBadRequest,
		"/data.json?throttle=nobody": http.StatusOK, "/data.json?throttle=%FF%00": http.StatusOK, "/data.json?%zz;": http.StatusOK,
	} {
		if w := answer(page, path); w.Code != want {
			t.Errorf("%s: got %d, want %d: %s", path, w.Code, want, w.Body)
		}
	}
	r := &http.Request{Method: http.MethodGet, URL: httptest.NewRequest(http.MethodGet, "/", nil).URL}
	r.URL.Path = ""
	page.ServeHTTP(httptest.NewRecorder(), r) // as after StripPrefix
	if d := data(t, page, "?throttle=nobody"); len(d.Throttles) != 0 || d.Events == nil {
		t.Errorf("got %+v, want empty lists", d)
	}
}

func TestAThrottleMayHaveAnyName(t *testing.T) {
	names := map[string]*pipeline.Throttle{}
	for _, name := range []string{"", "a/b", "ä & ?=#", "\xff"} {
		names[name] = throttle(t)
	}
	page := New(t.Context(), names)
	for name := range names {
		d := data(t, page, "?throttle="+url.QueryEscape(name))
		if want := strings.ToValidUTF8(name, "\ufffd"); len(d.Throttles) != 1 || d.Throttles[0].Name != want {
			t.Errorf("%q: got %+v, want it alone", name, d.Throttles)
		}
	}
}

// TestTheChartsAreAsReleased holds the files of uPlot against the checksums that
// go generate noted when it brought them.
func TestTheChartsAreAsReleased(t *testing.T) {
	sums, err := os.ReadFile("assets/uplot/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(sums)), "\n")
	if len(lines) != 3 {
		t.Fatalf("got %q, want a line for each of three files", lines)
	}
	for _, line := range lines {
		want, name, _ := strings.Cut(line, "  ")
		content, err := os.ReadFile("assets/uplot/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: got the checksum %x, want %s", name, sum, want)
		}
	}
}
