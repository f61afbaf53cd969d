package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/paceline-go/paceline/examples/command/commandtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryDayIsAnsweredAndTheEndpointSaysSo(t *testing.T) {
	t.Parallel()
	var out, stderr bytes.Buffer
	if status := run([]string{"-days", "20"}, &out, &stderr); status != 0 {
		t.Fatalf("got status %d: %s%s", status, &out, &stderr)
	}
	for _, want := range []string{
		"Reykjavík  longest day 20 Jan  5h53, shortest day 1 Jan  4h24",
		"160 of 160 answered",
		`paceline_jobs_total{paceline_job_result="succeeded"} 160`,
		`paceline_attempts_total{paceline_attempt_outcome="succeeded"} 160`,
		`paceline_attempt_duration_seconds_count{paceline_attempt_outcome="succeeded"} 160`,
		"paceline_job_wait_time_seconds_count 160",
		`paceline_budget_limit{paceline_budget_name="tokens"} 20000`,
		`paceline_circuit_status{paceline_circuit_state="closed"} 1`,
		"paceline_concurrency_max 16",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

// A span, as it is printed.
type span struct {
	Name        string
	SpanContext struct{ TraceID, SpanID string }
	Parent      struct{ SpanID string }
}

func TestTracesLeadFromTheDayToTheRequest(t *testing.T) {
	t.Parallel()
	var out, stderr bytes.Buffer
	if status := run([]string{"-days", "2", "-traces", "1"}, &out, &stderr); status != 0 {
		t.Fatalf("got status %d: %s", status, &stderr)
	}
	if !strings.Contains(stderr.String(), "16 of 16 answered") {
		t.Errorf("stderr lacks the summary: %s", &stderr)
	}
	spans, named := make(map[string]span), make(map[string]int)
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		var s span
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		spans[s.SpanContext.SpanID] = s
		named[s.Name]++
	}
	if named["day"] != 16 || named["attempt sun"] < 16 || named["HTTP GET"] != named["attempt sun"] {
		t.Errorf("got spans %v, want 16 days, at least as many attempts, and a request for each", named)
	}
	parents := map[string]string{"HTTP GET": "attempt sun", "attempt sun": "day"}
	for _, s := range spans {
		parent := spans[s.Parent.SpanID]
		if parent.Name != parents[s.Name] || parent.Name != "" && parent.SpanContext.TraceID != s.SpanContext.TraceID {
			t.Errorf("%s: parent is %q, want %q", s.Name, parent.Name, parents[s.Name])
		}
	}
}

// page is an output that calls back when it says something.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
	cue  string
	then func()
}

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.Contains(string(b), p.cue) {
		p.then()
	}
	return p.text.Write(b)
}

func TestAnInterruptFinishesWhatIsUnderWay(t *testing.T) {
	out := &page{cue: "metrics at", then: func() { commandtest.CtrlC(t) }}
	if status := run(nil, out, io.Discard); status != 130 {
		t.Errorf("got status %d, want 130", status)
	}
	text := out.text.String()
	if !strings.Contains(text, "stopping") || !strings.Contains(text, "not asked for") || strings.Contains(text, "failed, the last") {
		t.Errorf("got\n%s", text)
	}
}

func TestKeptUntilTheInterrupt(t *testing.T) {
	out := &page{cue: "kept at", then: func() { commandtest.CtrlC(t) }}
	if status := run([]string{"-days", "1", "-keep"}, out, io.Discard); status != 130 {
		t.Errorf("got status %d: %s", status, &out.text)
	}
	if !strings.Contains(out.text.String(), "kept at http://127.0.0.1:") {
		t.Errorf("got\n%s", &out.text)
	}
}

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"now":               "flags alone",
		"-days 0":           "want 1 to 365",
		"-traces 2":         "want 0 to 1",
		"-concurrency -1":   "max_concurrency",
		"-there-is-no-such": "not defined",
	} {
		var stderr bytes.Buffer
		if status := run(strings.Fields(args), io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: got status %d, %q", args, status, &stderr)
		}
	}
}
