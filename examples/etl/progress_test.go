package main

import (
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func TestElsewhereThanOnATerminalALineNowAndThen(t *testing.T) {
	var out strings.Builder
	start := time.Unix(100, 0)
	p := newProgress(&out, 8000, 1000, start)
	for i := 1; i <= 20; i++ {
		p.show(start.Add(time.Duration(i)*beat), pipeline.Snapshot{Concurrency: 12, DispatchInterval: 1234567, ETA: 9 * time.Second}, 1000+100*i)
	}
	p.end(3000)
	want := "  2.0s   1,800 of 8,000   400/s  limit 12  interval 1.2ms   running       ETA 9s\n" +
		"  4.0s   2,600 of 8,000   400/s  limit 12  interval 1.2ms   running       ETA 9s\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}
}
