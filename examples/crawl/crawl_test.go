package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are in memory, so that a bubble of synctest knows when
// nothing moves.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func defaults(t *testing.T, args ...string) settings {
	t.Helper()
	s, err := parse(append([]string{"-journal", filepath.Join(t.TempDir(), "crawl.db")}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// crawlOnce crawls the embedded site in a bubble. stop, if it is not 0, cancels the run after that long.
func crawlOnce(t *testing.T, s settings, stop time.Duration) *summary {
	t.Helper()
	site, listener := newSite(), newPipes()
	defer site.serve(listener)()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if stop > 0 {
		defer time.AfterFunc(stop, cancel).Stop()
	}
	sum, err := s.crawl(ctx, io.Discard, site, listener.dial)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestEachPageIsGotOnce: also if runs are stopped on the way. All runs together, or one that is not stopped, take
// at most a tenth longer than the hosts' limits ask for, in the time of a bubble.
func TestEachPageIsGotOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := defaults(t)
		before, took := 0, time.Duration(0)
		for _, stop := range []time.Duration{time.Second, 3 * time.Second, 0} {
			sum := crawlOnce(t, s, stop)
			if sum.known != before || len(sum.failed) > 0 || len(sum.site.wrong) > 0 {
				t.Fatalf("got %d known of %d, failed: %v, wrong: %v", sum.known, before, sum.failed, sum.site.wrong)
			}
			before += sum.got()
			took += sum.took
			if stop == 0 && !sum.complete() {
				t.Errorf("got %d pages in the end, %d left", before, sum.left)
			}
		}
		if least := newHosts()[0].least(pagesEach); took > least*11/10 {
			t.Errorf("got %v for three runs, want at most a tenth more than %v", took, least)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		sum := crawlOnce(t, defaults(t), 0)
		if !sum.complete() || sum.took > sum.least()*11/10 || sum.took < sum.least()*9/10 {
			t.Errorf("got %d pages in %v, want all in %v and a tenth", sum.got(), sum.took, sum.least())
		}
		t.Logf("%v, of %v at least; %d refused", sum.took, sum.least(), sum.site.refused)
	})
}

// child, set to the path of a journal, makes the test binary a crawl that can be killed.
const child = "CRAWL_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(child); path != "" {
		os.Exit(run([]string{"-journal", path}, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestAKilledCrawlGoesOn: a process that is killed on the way has lost nothing that it stored, and the
// next run gets the rest.
func TestAKilledCrawlGoesOn(t *testing.T) {
	s := defaults(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), child+"="+s.journal)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan() && !strings.Contains(lines.Text(), "500 pages"); {
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	synctest.Test(t, func(t *testing.T) {
		if sum := crawlOnce(t, s, 0); sum.known < 500 || !sum.complete() {
			t.Errorf("got %d known and %d more, %d left, want all, and 500 of them known", sum.known, sum.got(), sum.left)
		}
	})
}

func TestLinksAreFound(t *testing.T) {
	base, err := url.Parse("http://a.test/dir/page")
	if err != nil {
		t.Fatal(err)
	}
	got := parseHTML(strings.NewReader(`<title> A page </title><a href="x#y">1</a><A HREF='/z'/><a href="//B.test">2</a>
		<a href="mailto:a@b">3</a><a name=x>4</a><a href="x">5</a><link href=css><a href="http://[bad">`), base)
	want := "http://a.test/dir/x http://a.test/z http://b.test/"
	if strings.Join(got.Links, " ") != want || got.Title != "A page" {
		t.Errorf("got %+v, want links %s", got, want)
	}
}

// TestARedirectIsALink, so that where it leads is got once, at the pace of its host.
func TestARedirectIsALink(t *testing.T) {
	from, err := url.Parse("http://a.test/old")
	if err != nil {
		t.Fatal(err)
	}
	p, err := read(&http.Response{
		StatusCode: http.StatusMovedPermanently, Header: http.Header{"Location": {"//b.test/new"}, "Content-Type": {"text/html"}},
		Body: io.NopCloser(strings.NewReader("<a href=x>moved</a>")), Request: &http.Request{URL: from},
	})
	if err != nil || len(p.Links) != 1 || p.Links[0] != "http://b.test/new" || p.Bytes == 0 {
		t.Errorf("got %+v and %v, want one link", p, err)
	}
}

// TestRobotsAreAskedForBothForms of a path, with percent-encoding and without.
func TestRobotsAreAskedForBothForms(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "User-agent: *\nDisallow: /ツ\nDisallow: /%C3%A4\nDisallow: /*?q=")
	}))
	defer server.Close()
	r := newRobots(t.Context(), server.Client(), "test")
	for path, want := range map[string]bool{"/%E3%83%84": false, "/ä": false, "/x?q=1": false, "/x": true} {
		u, err := url.Parse(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.allow(u); got != want {
			t.Errorf("%s: got allowed %v, want %v", path, got, want)
		}
	}
}

// TestACrawlStaysWhereItMay: with -url on the host, and on what its robots.txt allows; and at most about as many pages as asked for.
func TestACrawlStaysWhereItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := defaults(t, "-url", front(2), "-pages", "20", "-delay", "10s")
		site, listener := newSite(), newPipes()
		defer site.serve(listener)()
		sum, err := s.crawl(t.Context(), io.Discard, nil, listener.dial)
		if err != nil || sum.got() < 20 || sum.got() > 35 || len(sum.hosts) != 1 || sum.took > 5*time.Second {
			t.Errorf("got %v, %+v, want some 20 pages of one host, at its own Crawl-delay", err, sum)
		}
		s = defaults(t, "-url", "http://alpha.test/private/1")
		if _, err := s.crawl(t.Context(), io.Discard, nil, listener.dial); err == nil || !strings.Contains(err.Error(), "robots.txt does not allow") {
			t.Errorf("got %v, want that robots.txt does not allow it", err)
		}
	})
}
