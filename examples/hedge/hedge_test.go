package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/examples/command/commandtest"
	"github.com/paceline-go/paceline/examples/etl/data"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatTheThrottleKnowsOfHedges(t *testing.T) {
	s := settings{quantile: 0.8, timeout: time.Minute}
	cities, err := data.Cities()
	if err != nil {
		t.Fatal(err)
	}
	cities = append(cities[:300:300], data.City{Lat: 90.5})
	for _, test := range []struct {
		way
		known bool
		lost  int
	}{
		{way: way{"plain", s.plain}, known: true, lost: 1},
		{way: way{"inside", s.inside}, lost: 1},
		{way: way{"around", s.around}, known: true},
		{way: way{"gates", s.gates}, known: true, lost: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			sum, err := s.try(context.Background(), test.way, cities)
			if err != nil {
				t.Fatal(err)
			}
			if len(sum.took) != len(cities) || sum.lost != test.lost {
				t.Errorf("got %d results, %d without an answer, want %d and %d", len(sum.took), sum.lost, len(cities), test.lost)
			}
			if (sum.hedges > 0) != (test.name != "plain") {
				t.Errorf("%d hedges", sum.hedges)
			}
			if known := sum.unknown == 0; known != test.known {
				t.Errorf("the throttle does not know of %d of %d calls, want it to know of all: %v", sum.unknown, sum.calls, test.known)
			}
		})
	}
}

func TestAnInterruptFinishesWhatIsUnderWay(t *testing.T) {
	ctx, ctrlC := commandtest.Interruptible(t)
	ctrlC()
	var out bytes.Buffer
	s := settings{cities: 100, quantile: 0.9, timeout: time.Minute}
	if err := s.compare(ctx, &out); err != nil || !strings.Contains(out.String(), "stopped") || strings.Contains(out.String(), "around") {
		t.Errorf("got %v and %q, want it to stop after the first way", err, &out)
	}
}

func TestAServiceThatAnswersNothingIsNoComparison(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	var out bytes.Buffer
	status := run([]string{"-cities", "20", "-url", server.URL}, &out, &out)
	if want := "hedge: plain: got an answer for none of 21 places, the last with: "; status != 1 || !strings.Contains(out.String(), want) {
		t.Errorf("got status %d and %q, want 1 and %s", status, &out, want)
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"flags alone":        {"now"},
		"-cities: got 0":     {"-cities", "0"},
		"-quantile: got 1":   {"-quantile", "1"},
		"-timeout: got -1ns": {"-timeout", "-1ns"},
	} {
		var stderr bytes.Buffer
		if status := run(args, io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, &stderr, want)
		}
	}
}
