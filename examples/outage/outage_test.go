package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paceline-go/paceline/examples/command/commandtest"
	"github.com/paceline-go/paceline/pipeline"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick are settings with which the story takes some seconds. The retries of two
// calls are over long before the outage, and that before the circuit is half-open.
// Refusals take longer than answers: an answer that a refusal overtakes would end the
// row of failures, and the circuit open later.
func quick() settings {
	s := defaults()
	s.rate, s.burst = 500, 100
	s.baseDelay, s.pause, s.beat = 5*time.Millisecond, time.Millisecond, 20*time.Millisecond
	s.openFor = 600 * time.Millisecond
	s.schedule = schedule{perSecond: 1000, burst: 100, refusal: 5 * time.Millisecond, downAfter: 8, downFor: 400 * time.Millisecond}
	return s
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
	if p.then != nil && strings.Contains(string(b), p.cue) {
		p.then()
		p.then = nil
	}
	return p.text.Write(b)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// outcomes leaves of a tally what does not depend on time.
func outcomes(t tally) tally {
	return tally{prompts: t.prompts, answered: t.answered, faulty: t.faulty, exhausted: t.exhausted, rejected: t.rejected, left: t.left}
}

func TestSingleCallsAreLostInAnOutageAndThePipelineWaitsItOut(t *testing.T) {
	t.Parallel()
	out := &page{}
	told, err := quick().story(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	told.print(out)
	if got, want := outcomes(told.calls), (tally{prompts: 21, answered: 15, faulty: 1, exhausted: 2, rejected: 3}); got != want {
		t.Errorf("calls: got %+v, want %+v", got, want)
	}
	if got, want := outcomes(told.piped), (tally{prompts: 21, answered: 20, faulty: 1}); got != want {
		t.Errorf("pipeline: got %+v, want %+v", got, want)
	}
	if told.calls.attempts != 22 || told.calls.seen.down != 6 || told.calls.open < quick().openFor || told.piped.open < quick().openFor {
		t.Errorf("got %+v, want 22 attempts, 6 of them in the outage, and a circuit that opened in each half", told)
	}
	if !told.complete() || !strings.Contains(out.String(), "Every prompt is accounted for") {
		t.Errorf("not all is accounted for")
	}
	for _, want := range []string{"circuit opened", "circuit half-open", "circuit closed"} {
		if n := strings.Count(out.String(), want); n < 2 {
			t.Errorf("got %q %d times, want it in both halves", want, n)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestAnInterruptFinishesTheCallUnderWay(t *testing.T) {
	ctx, ctrlC := commandtest.Interruptible(t)
	told, err := quick().story(ctx, &page{cue: "  5 answered", then: ctrlC})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := outcomes(told.calls), (tally{prompts: 21, answered: 4, faulty: 1, left: 16}); got != want {
		t.Errorf("calls: got %+v, want %+v", got, want)
	}
	if told.piped.left != 21 || told.complete() || told.calls.unheard() != 0 {
		t.Errorf("got %+v, want no pipeline, and not all accounted for", told)
	}
}

func TestAnInterruptedPipelineFinishesWhatItTook(t *testing.T) {
	ctx, ctrlC := commandtest.Interruptible(t)
	s := quick()
	got, err := s.half(ctx, &page{cue: "circuit opened", then: ctrlC}, s.pipe)
	if err != nil {
		t.Fatal(err)
	}
	if got.left == 0 || got.lost() != 0 || got.answered+got.faulty+got.left != got.prompts ||
		got.seen.calls != got.attempts || got.seen.answered != got.answered || got.unheard() != 0 {
		t.Errorf("got %+v, saw %+v, want some left and none lost", got, *got.seen)
	}
}

func start(t *testing.T, s schedule) *service {
	t.Helper()
	v, err := startService(s, train(defaults().prompts))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.close)
	return v
}

func TestTheServiceSpeaksTheProtocol(t *testing.T) {
	t.Parallel()
	const question = `{"model":"m","messages":[{"role":"user","content":"Is not Fire a Body heated?"}]}`
	open := schedule{perSecond: 100, burst: 100, downAfter: 100}
	for name, c := range map[string]struct {
		schedule  schedule
		key, body string
		status    int
		want      string
	}{
		"answer":    {open, embeddedKey, question, 200, `"finish_reason":"stop"`},
		"too short": {open, embeddedKey, `{"messages":[{"role":"user","content":"Why?"}]}`, 400, "at least 5"},
		"no prompt": {open, embeddedKey, `{}`, 400, "at least 5"},
		"malformed": {open, embeddedKey, `{`, 400, "EOF"},
		"wrong key": {open, "another", question, 401, "wrong key"},
		"too fast":  {schedule{perSecond: 0.4, downAfter: 100}, embeddedKey, question, 429, "too many"},
		"down":      {schedule{downFor: time.Hour}, embeddedKey, question, 503, "down"},
	} {
		t.Run(name, func(t *testing.T) {
			v := start(t, c.schedule)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.url+path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+c.key)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer http.DefaultClient.CloseIdleConnections()
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || !strings.Contains(string(text), c.want) {
				t.Errorf("got %d: %s, want %d and %q", res.StatusCode, text, c.status, c.want)
			}
			if after := res.Header.Get("Retry-After"); (after == "3") != (c.status == 429) {
				t.Errorf("got Retry-After %q, want 3 with a 429 alone", after)
			}
		})
	}
}

func TestErrorsTellTheThrottleWhatToMakeOfThem(t *testing.T) {
	t.Parallel()
	const question = "Is not Fire a Body heated?"
	for name, c := range map[string]struct {
		schedule schedule
		prompt   string
		most     int // attempts
		outcome  string
		attempts int64
	}{
		"a fault is not repeated":    {schedule{perSecond: 1, burst: 1, downAfter: 9}, tooShort, 3, "faulty", 1},
		"an outage uses up attempts": {schedule{downFor: time.Hour}, question, 3, "gave up", 3},
		"a refusal uses up none":     {schedule{perSecond: 1, burst: 1, downAfter: 9}, question, 1, "answered", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := start(t, c.schedule)
			if c.outcome == "answered" {
				v.limit.Allow() // somebody else was here
			}
			cfg := quick().throttle(exhausted, nil)
			cfg.Retry.MaxAttempts = c.most
			throttle, err := pipeline.NewThrottle(cfg)
			if err != nil {
				t.Fatal(err)
			}
			asker := newClient(v.url, embeddedKey, "m")
			defer asker.close()
			_, err = pipeline.Wrap(throttle, asker.ask)(t.Context(), c.prompt)
			if got := new(tally).count(err); got != c.outcome || asker.attempts.Load() != c.attempts {
				t.Errorf("got %q after %d attempts (%v), want %q after %d", got, asker.attempts.Load(), err, c.outcome, c.attempts)
			}
		})
	}
}

func TestAnotherServiceCanBeAsked(t *testing.T) {
	t.Parallel()
	v := start(t, schedule{perSecond: 1000, burst: 100, downAfter: 100})
	var stdout, stderr bytes.Buffer
	status := run([]string{"-url", v.url + "/", "-key", embeddedKey, "-model", "m", "-rate", "500", "-burst", "50"}, &stdout, &stderr)
	if saw := v.stats(); status != 0 || saw.answered != 40 || saw.invalid != 2 {
		t.Errorf("got status %d, %+v, want 0, and 40 prompts answered: %s%s", status, saw, &stdout, &stderr)
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"flags alone":             {"now"},
		"-model":                  {"-url", "http://localhost"},
		"rate.per_second: got -1": {"-rate", "-1"},
		"rate.burst: got 0.5":     {"-burst", "0.5"},
	} {
		var stderr bytes.Buffer
		if status := run(args, io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, &stderr, want)
		}
	}
}

func TestThePromptsAreTwentyQuestionsAndOneTooShort(t *testing.T) {
	seen := make(map[string]bool)
	for i, prompt := range defaults().prompts {
		if seen[prompt] || !strings.HasSuffix(prompt, "?") || (checkLength(prompt) == nil) == (i == 2) {
			t.Errorf("prompt %d: got %q", i, prompt)
		}
		seen[prompt] = true
	}
	if len(seen) != 21 {
		t.Errorf("got %d prompts, want 21", len(seen))
	}
}
