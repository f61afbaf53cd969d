package pacepage

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"time"
)

//go:generate go run ./internal/uplot 1.6.32 assets/uplot

//go:embed assets
var embedded embed.FS

// An asset is a file of the page.
type asset struct {
	content []byte
	kind    string
	tag     string
}

// assets are the files of the page, by the names that they are asked for.
var assets = map[string]asset{
	"":                  load("index.html"),
	"page.css":          load("page.css"),
	"page.js":           load("page.js"),
	"icon.svg":          load("icon.svg"),
	"uPlot.iife.min.js": load("uplot/uPlot.iife.min.js"),
	"uPlot.min.css":     load("uplot/uPlot.min.css"),
}

func load(name string) asset {
	content, err := fs.ReadFile(embedded, "assets/"+name)
	if err != nil {
		panic(err) // it is not in the program
	}
	sum := sha256.Sum256(content)
	return asset{content, mime.TypeByExtension(path.Ext(name)), `"` + hex.EncodeToString(sum[:8]) + `"`}
}

// policy allows a browser to load from where the page comes from, and from nowhere
// else.
const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

// ServeHTTP serves the page, its files, data.json and the stream. It knows them by
// the last part of the path alone, so that it may be mounted anywhere.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "pacepage: "+r.Method+": want GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	_, name := path.Split(r.URL.Path)
	switch name {
	case "data.json":
		p.serveData(w, r)
	case "stream":
		p.serveStream(w, r)
	default:
		serveAsset(w, r, name)
	}
}

func serveAsset(w http.ResponseWriter, r *http.Request, name string) {
	a, ok := assets[name]
	if !ok {
		http.Error(w, "pacepage: nothing there; the page's path ends in a slash", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache") // asks each time, and is told that nothing has changed
	h.Set("ETag", a.tag)
	if r.Header.Get("If-None-Match") == a.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(a.content)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(a.content) // who is gone by now needs nothing
	}
}

// viewOf reads which throttle, or all, and how far back.
func viewOf(r *http.Request) (view, error) {
	q := r.URL.Query()
	v := view{one: q.Has("throttle"), throttle: q.Get("throttle"), span: 1}
	if !q.Has("back") {
		return v, nil
	}
	if q.Get("back") == "fit" {
		v.span = fitting
		return v, nil
	}
	for i, s := range spans {
		if q.Get("back") == strconv.Itoa(int(s.back.Seconds())) {
			v.span = i
			return v, nil
		}
	}
	return v, fmt.Errorf("back: got %q, want 60, 600, 3600 or fit", q.Get("back"))
}

func (p *page) serveData(w http.ResponseWriter, r *http.Request) {
	v, err := viewOf(r)
	if err != nil {
		http.Error(w, "pacepage: "+err.Error(), http.StatusBadRequest)
		return
	}
	d, err := p.document(r.Context(), v)
	if err != nil {
		http.Error(w, "pacepage: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	text := encode(d)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(text)
	}
}

const (
	writeTimeout = time.Minute     // for one message to a viewer
	retry        = "retry: 1000\n" // milliseconds until a viewer who was cut off comes again
)

// serveStream tells a viewer the whole, and then what changes, as Server-Sent
// Events (WHATWG HTML, section 9.2).
func (p *page) serveStream(w http.ResponseWriter, r *http.Request) {
	looksAt, err := viewOf(r)
	if err != nil {
		http.Error(w, "pacepage: "+err.Error(), http.StatusBadRequest)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // or nginx would keep it to itself
	if r.Method == http.MethodHead {
		return
	}
	v := newViewer(looksAt)
	defer close(v.left)
	whole, err := p.admit(r.Context(), v)
	if err != nil {
		http.Error(w, "pacepage: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	out := http.NewResponseController(w)
	if p.send(w, out, retry, encode(whole)) != nil {
		return
	}
	for {
		select {
		case text, ok := <-v.told:
			if !ok || p.send(w, out, "", text) != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

// send writes one message. A viewer who does not take it in time is cut off.
func (p *page) send(w http.ResponseWriter, out *http.ResponseController, prefix string, text []byte) error {
	err := out.SetWriteDeadline(p.clock.Now().Add(writeTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := fmt.Fprintf(w, "%sdata: %s\n\n", prefix, text); err != nil {
		return err
	}
	return out.Flush()
}
