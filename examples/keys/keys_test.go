package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryJobIsAnsweredByOneOfTheKeys(t *testing.T) {
	var out bytes.Buffer
	s := settings{keys: []string{"a", "b", "c"}, bulk: 150, every: 50 * time.Millisecond, away: time.Second, page: "localhost:0"}
	sum, err := s.work(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	sum.print(&out)
	if !sum.complete() || sum.ended || len(sum.by) != 3 || len(sum.calls) == 0 || !strings.HasPrefix(out.String(), "the page: http://") {
		t.Errorf("got %v", &out)
	}
}

func TestAKeyThatIsRefusedForGoodIsNotTheEnd(t *testing.T) {
	service, err := startService([]string{"a", "b"}, time.Hour) // b is away from the third second on
	if err != nil {
		t.Fatal(err)
	}
	defer service.close()
	service.began = service.began.Add(-awayFrom)
	var out bytes.Buffer
	s := settings{url: service.url, keys: []string{"a", "b"}, bulk: 100, every: time.Hour}
	sum, err := s.work(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	if !sum.complete() || sum.by["a"] != 100 {
		sum.print(&out)
		t.Errorf("got %v", &out)
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"flags alone":  {"now"},
		"-bulk: got 0": {"-bulk", "0"},
		"-every":       {"-every", "0s"},
		"-away":        {"-away", "-1s"},
	} {
		var stderr bytes.Buffer
		if status := run(args, io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, &stderr, want)
		}
	}
}
