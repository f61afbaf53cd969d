package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"
)

func TestBestTimes(t *testing.T) {
	const window = 5 * time.Second
	for _, c := range []struct {
		name string
		of   bestTime
		jobs int
		want time.Duration
	}{
		{"one window", fixedWindow, 50, 0},
		{"eight windows", fixedWindow, 400, 35 * time.Second},
		{"evenly", evenly, 401, 40 * time.Second},
		{"two windows, the last one", twoWindows, 400, 37 * time.Second},
		{"two windows, a small rest", twoWindows, 360, 35 * time.Second},
		{"by seconds, one window", bySeconds, 50, 0},
		{"by seconds, the next one", bySeconds, 60, 6 * time.Second},
		{"slowed down", slowedDown, 50 + 160 + 50 + 16, window + 500*time.Millisecond},
		{"bursty", bursty, 100, window},
		{"four at once", fourAtOnce, 9, 300 * time.Millisecond},
	} {
		if got := c.of(c.jobs, window); got != c.want {
			t.Errorf("%s: %d jobs take %v, want %v", c.name, c.jobs, got, c.want)
		}
	}
}

func TestWhatIsWrongWithTheArgumentsIsSaid(t *testing.T) {
	for args, want := range map[string]string{
		"-only nobody":      `-only: got "nobody", want some of express-legacy`,
		"-client curl":      `-client: got "curl", want some of paceline`,
		"-jobs 0":           "-jobs: got 0, want at least 1",
		"-beside 0":         "-beside: got 0, want at least 1",
		"-window 1500ms":    "-window: got 1.5s, want whole seconds, at least 1s",
		"-window 100ms":     "-window: got 100ms, want whole seconds, at least 1s",
		"-only fiber,koa,x": `-only: got "x"`,
	} {
		err := run(t.Context(), io.Discard, strings.Fields(args), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", args, err, want)
		}
	}
}

func TestWhatIsMissingIsNamedAndTheOthersGoOn(t *testing.T) {
	var b bytes.Buffer
	err := run(t.Context(), &b, strings.Fields("-jobs 20 -client paceline -only koa,ulule,nginx-nodelay"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n| ulule |", "\nNot here: koa needs node and npm (apt-get install nodejs npm).\n",
		"\nNot here: nginx-nodelay needs nginx (apt-get install nginx-light).\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestAnInterruptedRunIsNoTable(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, io.Discard, []string{"-only", "ulule"}, nil); err == nil {
		t.Error("got no error")
	}
}

func TestScores(t *testing.T) {
	l := limiter{name: "x"}
	o := func(c string, done, failed, sent, wasted int64, took time.Duration) outcome {
		return outcome{ride: ride{l, client{name: c}, 400, 5 * time.Second}, done: done, failed: failed, sent: sent, wasted: wasted, took: took}
	}
	good := o(ours, 400, 0, 404, 4, 35*time.Second)
	for _, c := range []struct {
		name string
		row  []outcome
		want bool
	}{
		{"good", []outcome{good}, true},
		{"slow", []outcome{o(ours, 400, 0, 400, 0, 39*time.Second)}, false},
		{"wasteful", []outcome{o(ours, 400, 0, 430, 30, 35*time.Second)}, false},
		{"a job failed", []outcome{o(ours, 399, 1, 400, 0, 35*time.Second)}, false},
		{"a peer is better", []outcome{good, o("failsafehttp", 400, 0, 400, 0, 35*time.Second)}, false},
		{"who is told is better", []outcome{good, o("told", 400, 0, 400, 0, 35*time.Second)}, true},
		{"failing quickly is no goodput", []outcome{o(ours, 200, 200, 400, 0, time.Second)}, false},
	} {
		if got := reached(c.row); got != c.want {
			t.Errorf("%s: reached %v, want %v: %s", c.name, got, c.want, c.row[0].cell())
		}
	}
}
