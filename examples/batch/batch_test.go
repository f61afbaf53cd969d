package main

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachTextGetsItsOwnVector(t *testing.T) {
	server, err := startServer()
	if err != nil {
		t.Fatal(err)
	}
	defer server.close()
	s := settings{url: server.url, texts: 2000, batch: most, tokens: quota}
	sum, err := s.embed(context.Background(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.vectors) != 1998 || len(sum.wrong) != 2 || !sum.complete() {
		t.Errorf("got %d vectors, %q at fault, %q failed, want 1998 and 2", len(sum.vectors), sum.wrong, sum.failed)
	}
	for text, v := range sum.vectors {
		if !slices.Equal(v, embed(text)) {
			t.Errorf("%q has the vector of another text", text)
		}
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if server.refused > 0 {
		t.Errorf("%d calls were over the quota", server.refused)
	}
	if want := 2000 - 2 + int(sum.again); sum.again == 0 || server.served != want {
		t.Errorf("the service has tried %d texts, want %d: none again that had succeeded", server.served, want)
	}
}

func TestWhatItIsLike(t *testing.T) {
	s := summary{vectors: make(map[string]vector)}
	for _, name := range []string{"Springfield", "Springdale", "Tokyo", "Garfield", "Kyoto"} {
		s.vectors[name] = embed(name)
	}
	if got := s.nearest("Springfield", 2); !slices.Equal(got, []string{"Springdale", "Garfield"}) {
		t.Errorf("got %q", got)
	}
	if got := s.nearest("Atlantis", 2); got != nil {
		t.Errorf("got %q, want none for what is not there", got)
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"flags alone":       {"now"},
		"-batch: got 101":   {"-batch", "101"},
		"-texts: got 0":     {"-texts", "0"},
		"-tokens: got 10, ": {"-tokens", "10"},
	} {
		var stderr bytes.Buffer
		if status := run(args, io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, &stderr, want)
		}
	}
}
