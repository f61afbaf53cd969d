package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/temoto/robotstxt"

	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// robots knows what each host wants of crawlers. It asks each of them once, when its first link is seen.
type robots struct {
	ctx    context.Context
	client *http.Client
	agent  string
	hosts  sync.Map // of functions that return the *robotstxt.Group of a host, by pacehttp.HostOf
}

func newRobots(ctx context.Context, client *http.Client, agent string) *robots {
	return &robots{ctx: ctx, client: client, agent: agent}
}

// group returns what the host of an address wants of this crawler.
func (r *robots) group(u *url.URL) *robotstxt.Group {
	ask := sync.OnceValue(func() *robotstxt.Group { return r.ask(u.Scheme + "://" + u.Host + "/robots.txt") })
	known, _ := r.hosts.LoadOrStore(pacehttp.HostOf(u), ask)
	return known.(func() *robotstxt.Group)()
}

// ask gets a robots.txt. Without one all is allowed, and nothing if the host has an error, as RFC 9309
// has it.
func (r *robots) ask(address string) *robotstxt.Group {
	nothing, _ := robotstxt.FromString("User-agent: *\nDisallow: /")
	data, err := r.get(address)
	if err != nil {
		data = nothing
	}
	return data.FindGroup(r.agent)
}

func (r *robots) get(address string) (*robotstxt.RobotsData, error) {
	ctx, cancel := context.WithTimeout(r.ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", r.agent)
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 500<<10)) // as much as RFC 9309 asks for
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return robotstxt.FromStatusAndBytes(res.StatusCode, text)
}

// delay returns how far apart a host wants requests, or otherwise what is given.
func (r *robots) delay(host string, otherwise time.Duration) time.Duration {
	if known, ok := r.hosts.Load(host); ok {
		if delay := known.(func() *robotstxt.Group)().CrawlDelay; delay > 0 {
			return min(delay, longestDelay)
		}
	}
	return otherwise
}

// longestDelay is the longest Crawl-delay that is kept to.
const longestDelay = time.Minute

// allow reports whether a host allows to get a page. The library compares paths as they are written, so the one
// without percent-encoding is asked for, too: robots.txt may have either.
func (r *robots) allow(u *url.URL) bool {
	g := r.group(u)
	return g.Test(u.RequestURI()) && g.Test(u.Path)
}
