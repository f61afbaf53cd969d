package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWhatIsWrongWithTheArgumentsIsSaid(t *testing.T) {
	for args, want := range map[string]string{
		"-limit none":            `-limit: got "none", want some of rate, concurrency`,
		"-fault resets,rain":     `-fault: got "rain", want some of none, latency, resets, half-bodies`,
		"-client curl":           `-client: got "curl", want some of pacehttp-Transport`,
		"-jobs 0":                "-jobs: got 0, want at least 1",
		"-limit rate -fault all": "nginx not found; install it: apt-get install nginx-light",
	} {
		err := run(t.Context(), io.Discard, strings.Fields(args), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", args, err, want)
		}
	}
}

func TestClientsAreCountedRight(t *testing.T) {
	const jobs = 100
	for _, c := range clients {
		o := newOrigin(size, 0)
		got, err := c.run(t.Context(), o.URL, jobs)
		o.Close()
		if err != nil {
			t.Error(err)
		}
		want := outcome{requests: jobs, done: jobs, took: got.took}
		if got.took >= answersWithin { // on a busy machine: an answer may have come too late
			want.requests, want.broken = jobs+got.broken, got.broken
		}
		if got != want {
			t.Errorf("%s, nothing wrong: got %+v, want %+v", c.name, got, want)
		}
	}
}

func TestAnInterruptedRunIsNoResult(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := clients[0].run(ctx, "http://127.0.0.1:1", 10); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
