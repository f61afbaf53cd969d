package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

// A crawler gets pages.
type crawler struct {
	settings
	client *http.Client
	robots *robots
	only   string // the host to stay on; empty: all
}

// seeds are where the crawl begins.
func (s settings) seeds() []string {
	if s.url != "" {
		return []string{s.url}
	}
	return []string{front(0)}
}

// start crawls the embedded site, or a real one.
func (s settings) start(ctx context.Context, out io.Writer) (*summary, error) {
	dial := (&net.Dialer{Timeout: 10 * time.Second}).DialContext
	if s.url != "" {
		return s.crawl(ctx, out, nil, dial)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	site := newSite()
	defer site.serve(listener)()
	return s.crawl(ctx, out, site, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, listener.Addr().String()) // all of its hosts are there
	})
}

// crawl gets all pages; site is nil for a real one. Thousands of pages wait in front of their hosts, and
// after Ctrl-C they are to be left for the next run. So the first signal cancels the run, and fetch finishes what is
// in flight all the same.
func (s settings) crawl(ctx context.Context, out io.Writer, site *site, dial dialer) (*summary, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	interruption := pipeline.Interruption(ctx)
	defer context.AfterFunc(interruption, func() { cancel(context.Cause(interruption)) })()
	transport := &http.Transport{DialContext: dial, MaxIdleConnsPerHost: s.concurrency}
	defer transport.CloseIdleConnections()
	c := &crawler{settings: s, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // where it leads is a link
	}}
	c.robots = newRobots(ctx, &http.Client{Transport: transport}, s.agent)
	if site != nil {
		c.delay = 0
	} else {
		c.only = hostOf(s.url)
	}
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{
		Each: pipeline.Config{
			MaxConcurrency: s.concurrency,
			Retry:          &pipeline.Retry{MaxAttempts: 5, Park: true},
			Breaker:        &pipeline.Breaker{},
		},
		ConfigOf: func(host string, each pipeline.Config) pipeline.Config {
			each.MinDispatchInterval = c.robots.delay(host, c.delay)
			return each
		},
	})
	if err != nil {
		return nil, err
	}
	journal, err := pacejournal.Open[string, page](s.journal, key, pacejournal.Options{Run: s.seeds()[0], Fresh: s.fresh})
	if err != nil {
		return nil, err
	}
	pages, err := pipeline.NewFrontier(pipeline.FrontierConfig[string]{Key: key, Spill: &pipeline.Spill{}})
	if err != nil {
		return nil, errors.Join(err, journal.Close())
	}
	seeds := c.wanted(s.seeds())
	if len(seeds) == 0 {
		return nil, errors.Join(fmt.Errorf("-url: got %s, which robots.txt does not allow, or which has none that can be read", s.url), journal.Close())
	}
	lines := log.New(out, "", 0)
	lines.Printf("crawling %s, with the pages in %s", s.seeds()[0], s.journal)
	sum := &summary{site: site, began: time.Now(), hosts: make(map[string]int)}
	p := pipeline.ByKey(hosts, hostOf, c.fetch)
	for r := range journal.Grow(ctx, p, pages, slices.Values(seeds)) {
		sum.add(r)
		if !r.Known && r.Stored && sum.got()%500 == 0 {
			lines.Printf("%5.1fs  %d pages, %d wait", time.Since(sum.began).Seconds(), sum.got(), pages.Snapshot().Waiting)
		}
		if !r.Stored || pages.Snapshot().Submitted >= int64(s.pages) {
			continue // the run ends, or there are enough
		}
		if err := pages.Submit(ctx, c.wanted(r.Out.Links)...); err != nil {
			return nil, errors.Join(err, journal.Close())
		}
	}
	sum.took = time.Since(sum.began)
	return sum, errors.Join(pages.Err(), journal.Close())
}

type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// attemptTimeout is how long a page may take.
const attemptTimeout = 30 * time.Second

// fetch is one attempt at a page. It is not cut off when the run is.
func (c *crawler) fetch(ctx context.Context, address string) (page, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return page{}, pipeline.Fatal(err)
	}
	req.Header.Set("User-Agent", c.agent)
	return pacehttp.Attempt(c.client, req, read)
}

// wanted returns the links that the crawl follows: those of its host, if it stays on one, that robots.txt
// allows.
func (c *crawler) wanted(links []string) (all []string) {
	for _, link := range links {
		u, err := url.Parse(link)
		if err == nil && (c.only == "" || pacehttp.HostOf(u) == c.only) && c.robots.allow(u) {
			all = append(all, link)
		}
	}
	return all
}

// key names a page: its address.
func key(address string) string { return address }

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return pacehttp.HostOf(u)
}
