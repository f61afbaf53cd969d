package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/paceline-go/paceline/bench/internal/program"
	"github.com/paceline-go/paceline/bench/port"
)

//go:embed node
var nodeFiles embed.FS

// nodeLimiters are packages of npm.
var nodeLimiters = []limiter{
	{name: "express-legacy", about: "express-rate-limit 8.7.5, legacy fields", start: node},
	{name: "express-draft-6", about: "express-rate-limit 8.7.5, draft 6", start: node},
	{name: "express-draft-7", about: "express-rate-limit 8.7.5, draft 7", start: node},
	{name: "express-draft-8", about: "express-rate-limit 8.7.5, draft 8", start: node},
	{name: "express-two-draft-6", about: "two of them, one with 20 in a fifth of the window, draft 6", start: node, best: twoWindows},
	{name: "express-two-draft-8", about: "the same, draft 8", start: node, best: twoWindows},
	{name: "express-slow-down", about: "express-slow-down 3.1.1: delays by 500 ms after 50", start: node, rate: perWindow * 3.2, best: slowedDown},
	{name: "fastify", about: "@fastify/rate-limit 11.2.0", start: node},
	{name: "fastify-backoff", about: "@fastify/rate-limit 11.2.0, exponentialBackoff", start: node},
	{name: "fastify-continue", about: "@fastify/rate-limit 11.2.0, continueExceeding: a refusal begins the window anew", start: node},
	{name: "fastify-ban", about: "@fastify/rate-limit 11.2.0, ban: 403 after two refusals", start: node},
	{name: "hono", about: "hono-rate-limiter 0.5.4", start: node},
	{name: "koa", about: "koa-ratelimit 6.0.0", start: node},
	{name: "koa2", about: "koa2-ratelimit 1.1.3", start: node},
	{name: "nest", about: "@nestjs/throttler 6.7.1: a sliding log, and a ban of a window", start: node},
	{name: "nest-named", about: "@nestjs/throttler 6.7.1, named: 20 in a fifth of the window, too", start: node, best: twoWindows},
	{name: "hapi", about: "hapi-rate-limit 8.0.0", start: node},
	{name: "hapi-limitor", about: "hapi-rate-limitor 4.0.0: a sliding log in Redis, refused ones count", start: nodeWithRedis},
	{name: "flexible", about: "rate-limiter-flexible 11.4.0, the fields of its README", start: node},
	{name: "flexible-date", about: "rate-limiter-flexible 11.4.0, a JavaScript date", start: node},
	{name: "flexible-bursty", about: "rate-limiter-flexible 11.4.0, BurstyRateLimiter: 25 in a window, and 50 in two", start: node, best: bursty},
	{name: "moleculer", about: "moleculer-web 0.10.8", start: node},
	{name: "restify", about: "restify 11.1.0, a bucket with a burst of a window", start: node},
}

// slowedDown is for 16 callers, of whom each is served twice a second once 50 are through.
func slowedDown(jobs int, window time.Duration) time.Duration {
	const callers, wait = 16, 500 * time.Millisecond
	slow := int(window/wait) * callers // in a window
	whole := jobs / (perWindow + slow)
	rest := max(jobs-whole*(perWindow+slow)-perWindow, 0)
	return time.Duration(whole)*window + time.Duration((rest+callers-1)/callers)*wait
}

// bursty accepts 25 in each window, and 50 more in each two.
func bursty(jobs int, window time.Duration) time.Duration {
	for n := 0; ; n++ {
		if accepted := 25*(n+1) + 50*(n/2+1); accepted >= jobs {
			return time.Duration(n) * window
		}
	}
}

// install writes the servers' program and installs their packages into a folder of its own. In one that was given,
// what is there stays.
func (h *house) install(ctx context.Context) (dir string, err error) {
	npm := program.Find("npm", h.dirs)
	if npm == "" || program.Find("node", h.dirs) == "" {
		return "", &missing{"node and npm", "apt-get install nodejs npm"}
	}
	dir = filepath.Join(h.dir, "node")
	if h.nodeDir != "" {
		dir = h.nodeDir
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{"package.json", "server.cjs"} {
		text, err := nodeFiles.ReadFile("node/" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			return "", err
		}
	}
	cmd := exec.CommandContext(ctx, npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &missing{"npm's packages", strings.TrimSpace(string(out)) + " " + err.Error()}
	}
	return dir, nil
}

func node(ctx context.Context, h *house, o order) (*site, error) {
	return h.node(ctx, o, "")
}

// node starts the server of the name that is asked for.
func (h *house) node(ctx context.Context, o order, redis string) (*site, error) {
	dir, err := h.packages()
	if err != nil {
		return nil, err
	}
	at, err := port.Free()
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(at, ":")
	cmd := exec.Command(program.Find("node", h.dirs), "server.cjs", o.name, port, strconv.FormatInt(o.window.Milliseconds(), 10), redis)
	cmd.Dir = dir
	p, err := program.Start(ctx, cmd, program.Listens(at))
	if err != nil {
		return nil, err
	}
	return &site{url: "http://" + at + "/", stop: func() { _, _ = p.Stop() }}, nil
}

// nodeWithRedis starts a Redis of its own beside it.
func nodeWithRedis(ctx context.Context, h *house, o order) (*site, error) {
	path := program.Find("redis-server", h.dirs)
	if path == "" {
		return nil, &missing{"redis-server", "apt-get install redis-server"}
	}
	at, err := port.Free()
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(at, ":")
	redis, err := program.Start(ctx, exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", ""), program.Listens(at))
	if err != nil {
		return nil, err
	}
	s, err := h.node(ctx, o, port)
	if err != nil {
		_, stopped := redis.Stop()
		return nil, errors.Join(err, stopped)
	}
	before := s.stop
	s.stop = func() { before(); _, _ = redis.Stop() }
	return s, nil
}

// A missing program is named in the output; the others go on.
type missing struct{ what, how string }

func (m *missing) Error() string { return fmt.Sprintf("needs %s (%s)", m.what, m.how) }
