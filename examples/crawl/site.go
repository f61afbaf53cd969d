package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// A host of the embedded site has a limit, of which its robots.txt tells or nobody does.
type host struct {
	name    string
	every   time.Duration // between two requests; 0: any
	told    bool          // of every, by robots.txt
	atOnce  int           // requests; 0: any number
	latency time.Duration

	limiter *rate.Limiter // of requests
	busy    atomic.Int64
}

// hosts of the embedded site, and their pages.
const pagesEach = 400

func newHosts() []*host {
	return []*host{
		{name: "alpha.test", every: 25 * time.Millisecond, told: true, latency: 20 * time.Millisecond},
		{name: "beta.test", every: 20 * time.Millisecond, told: true, latency: 50 * time.Millisecond},
		{name: "gamma.test", every: 10 * time.Millisecond, told: true, latency: 20 * time.Millisecond},
		{name: "delta.test", atOnce: 3, latency: 40 * time.Millisecond},
		{name: "epsilon.test", every: time.Second / 60, latency: 30 * time.Millisecond},
	}
}

// front is the first page of a host.
func front(n int) string { return fmt.Sprintf("http://%s/", newHosts()[n].name) }

// least is how long a host needs for so many pages.
func (h *host) least(pages int) time.Duration {
	if h.atOnce > 0 {
		return time.Duration(pages) * h.latency / time.Duration(h.atOnce)
	}
	return time.Duration(pages) * h.every
}

// burst is how many requests may come at once where every limits them.
const burst = 3

// A site is five hosts at one address, which link to each other. It counts what it is asked for.
type site struct {
	hosts []*host

	mu      sync.Mutex
	served  map[string]int // by address
	refused int
	wrong   []string // what a crawler must not ask for
}

func newSite() *site {
	s := &site{hosts: newHosts(), served: make(map[string]int)}
	for _, h := range s.hosts {
		if h.every > 0 {
			h.limiter = rate.NewLimiter(rate.Every(h.every), burst)
		}
	}
	return s
}

// serve answers until close is called.
func (s *site) serve(listener net.Listener) (stop func()) {
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	return func() {
		server.Close()
		serving.Wait()
	}
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for i, h := range s.hosts {
		if h.name == r.Host {
			s.answer(w, r, i)
			return
		}
	}
	http.Error(w, "no such host", http.StatusMisdirectedRequest)
}

func (s *site) answer(w http.ResponseWriter, r *http.Request, which int) {
	h := s.hosts[which]
	if r.URL.Path == "/robots.txt" {
		h.robots(w)
		return
	}
	defer h.busy.Add(-1)
	if busy := h.busy.Add(1); h.limiter != nil && !h.limiter.Allow() || h.atOnce > 0 && busy > int64(h.atOnce) {
		s.count(func() { s.refused++ })
		http.Error(w, "too many requests", http.StatusTooManyRequests)
		return
	}
	time.Sleep(h.latency)
	n, ok := pageOf(r.URL.Path)
	if !ok {
		s.count(func() { s.wrong = append(s.wrong, h.name+r.URL.Path) })
		http.NotFound(w, r)
		return
	}
	s.count(func() { s.served["http://"+h.name+r.URL.Path]++ })
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	s.write(w, which, n)
}

func (s *site) count(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// robots tells of what is private, and of the limit, if the host tells of it.
func (h *host) robots(w http.ResponseWriter) {
	if !h.told && h.atOnce == 0 {
		http.Error(w, "none", http.StatusNotFound)
		return
	}
	fmt.Fprintln(w, "User-agent: *\nDisallow: /private/")
	if h.told {
		fmt.Fprintln(w, "Crawl-delay:", h.every.Seconds())
	}
}

// path of the page with that number.
func path(n int) string {
	if n == 0 {
		return "/"
	}
	return "/page/" + strconv.Itoa(n)
}

func pageOf(p string) (n int, ok bool) {
	if p == "/" {
		return 0, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(p, "/page/"))
	return n, err == nil && n > 0 && n < pagesEach && path(n) == p
}

// write writes a page: it links to ten further ones of its host, to the one before, to the same of the next host,
// and to what is private, if robots.txt tells of that.
func (s *site) write(w http.ResponseWriter, which, n int) {
	fmt.Fprintf(w, "<html><head><title>Page %d of %s</title></head><body>\n", n, s.hosts[which].name)
	for child := 10*n + 1; child <= 10*n+10 && child < pagesEach; child++ {
		fmt.Fprintf(w, "<a href=%q>on</a>\n", path(child))
	}
	fmt.Fprintf(w, "<a href=%q>back</a> <a href=%q>home</a>\n", path(n/10), "/#top")
	for i := range s.hosts {
		if n == 0 || i == (which+1)%len(s.hosts) {
			fmt.Fprintf(w, "<a href=\"http://%s%s\">elsewhere</a>\n", s.hosts[i].name, path(n))
		}
	}
	if h := s.hosts[which]; h.told || h.atOnce > 0 {
		fmt.Fprintf(w, "<a href=\"/private/%d\">private</a>\n", n)
	}
	fmt.Fprintln(w, "<a href=\"mailto:none\">write</a></body></html>")
}
