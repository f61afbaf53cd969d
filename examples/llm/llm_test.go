package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/command/commandtest"
	"github.com/paceline-go/paceline/examples/llm/server"
	"github.com/paceline-go/paceline/pipeline"
	"go.uber.org/goleak"
)

// child, set to a command line, makes the test binary the program itself, so that a test can kill it.
const child = "PACELINE_LLM_CHILD"

func TestMain(m *testing.M) {
	if args := os.Getenv(child); args != "" {
		os.Exit(run(strings.Split(args, "\n"), os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// wanted is how many answers the tests here ask for.
const wanted = 40

// fixture is a small run, and a server that is in nobody's way.
type fixture struct {
	options
	server *server.Server
	url    string
	calls  atomic.Int64
	hook   atomic.Pointer[hook]
}

// hook may answer a call, the first of which has number 1, in the place of the server.
type hook func(call int64, w http.ResponseWriter, r *http.Request) (answered bool)

func (f *fixture) before(h hook) { f.hook.Store(&h) }

func newFixture(t *testing.T) *fixture {
	t.Helper()
	t.Parallel()
	return newSerialFixture(t)
}

// newSerialFixture is for a test that sends this process a signal.
func newSerialFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{options: defaults(t)}
	f.limit, f.concurrency = wanted, 4
	var err error
	f.server, err = server.Start(server.Config{Requests: 1e6, Tokens: 6e7, FirstToken: time.Nanosecond, PerSecond: 1e9}, nil)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		front.Close()
		f.server.Close()
	})
	f.url = front.URL
	return f
}

func (f *fixture) serve(w http.ResponseWriter, r *http.Request) {
	call := f.calls.Add(1)
	if h := f.hook.Load(); h != nil && (*h)(call, w, r) {
		return
	}
	f.server.ServeHTTP(w, r)
}

func (f *fixture) try(ctx context.Context, out *bytes.Buffer) (*summary, error) {
	b := &backend{url: f.path(f.url), base: new(http.Transport)}
	defer b.close()
	return answerAll(ctx, f.options, b, clock.Real(), out)
}

func (f *fixture) run(t *testing.T, ctx context.Context) *summary {
	t.Helper()
	var out bytes.Buffer
	sum, err := f.try(ctx, &out)
	if err != nil {
		t.Fatal(err)
	}
	sum.print(&out)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return sum
}

// finish runs to the end, after which each answer must be there once, in order.
func (f *fixture) finish(t *testing.T) *summary {
	t.Helper()
	sum := f.run(t, t.Context())
	if !sum.complete() {
		t.Errorf("got %d of %d answers, want all", sum.before+sum.answered, sum.total)
	}
	f.mustHold(t, wanted)
	return sum
}

// mustHold checks that the file has the first n answers, each once and whole, in order.
func (f *fixture) mustHold(t *testing.T, n int) {
	t.Helper()
	prompts, _, err := readPrompts("")
	if err != nil {
		t.Fatal(err)
	}
	records := f.records(t)
	if len(records) != n {
		t.Errorf("got %d answers in the file, want %d", len(records), n)
	}
	for i, r := range records {
		want := prompts[i%len(prompts)]
		if r.ID != want.ID || r.Sample != 1+i/len(prompts) || r.Prompt != want.Text || r.Attempts < 1 || r.PromptTokens < 10 ||
			!strings.HasPrefix(r.Answer, "What you ask for: ") || r.Finish == "" || r.AnswerTokens < 5 {
			t.Errorf("line %d: got %+v, want an answer to %s", i+1, r, want.ID)
		}
	}
}

func (f *fixture) records(t *testing.T) []record {
	t.Helper()
	data, err := os.ReadFile(f.out)
	if err != nil {
		t.Fatal(err)
	}
	var all []record
	for line := range bytes.Lines(data) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Errorf("line %d: %v", len(all)+1, err)
		}
		all = append(all, r)
	}
	return all
}

func TestEveryPromptIsAnsweredOnce(t *testing.T) {
	for _, provider := range []string{openAI, anthropics} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %v", provider, stream), func(t *testing.T) {
				f := newFixture(t)
				f.provider, f.model, f.stream = provider, providers[provider].model, stream
				sum := f.finish(t)
				if used := f.server.Ledger().Tokens; sum.end.Tokens != used {
					t.Errorf("got %d tokens booked, want the %d of the server", sum.end.Tokens, used)
				}
				calls := f.calls.Load()
				if again := f.finish(t); again.answered != 0 || f.calls.Load() != calls {
					t.Errorf("again: got %d answers, want no work", again.answered)
				}
				f.fresh = true
				if sum := f.finish(t); sum.answered != wanted || sum.before != 0 {
					t.Errorf("fresh: got %d answers and %d from before, want all anew", sum.answered, sum.before)
				}
			})
		}
	}
}

func TestAnInterruptedRunFinishesWhatItSent(t *testing.T) {
	f := newSerialFixture(t)
	ctx, ctrlC := commandtest.Interruptible(t)
	f.before(func(call int64, _ http.ResponseWriter, _ *http.Request) bool {
		switch {
		case call == wanted/4:
			ctrlC()
		case call > wanted/4:
			<-pipeline.Interruption(ctx).Done()
		}
		return false
	})
	sum := f.run(t, ctx)
	if sum.complete() || sum.answered < wanted/4 || sum.let != 0 || len(sum.failures) != 0 {
		t.Errorf("got %d answers, %d let go of, %d failed; want a part, and all that were sent", sum.answered, sum.let, len(sum.failures))
	}
	f.mustHold(t, sum.answered)
	if again := f.finish(t); again.before != sum.answered || f.calls.Load() != wanted {
		t.Errorf("got %d calls, and %d answers found of %d; want none asked for twice", f.calls.Load(), again.before, sum.answered)
	}
}

func TestAnAbortedRunLetsGoAndTheNextTakesUp(t *testing.T) {
	f := newFixture(t)
	abort, cancel := context.WithCancel(t.Context())
	f.before(func(call int64, _ http.ResponseWriter, r *http.Request) bool {
		if call == wanted/2 {
			cancel()
		}
		if call < wanted/2 {
			return false
		}
		_, _ = io.Copy(io.Discard, r.Body) // only then a server notices
		<-r.Context().Done()               // that the caller lets go of this call
		return true
	})
	sum := f.run(t, abort)
	if sum.complete() || sum.let == 0 || len(sum.failures) != 0 {
		t.Errorf("got %d let go of and %d failed, want some and none", sum.let, len(sum.failures))
	}
	f.hook.Store(nil)
	if again := f.finish(t); again.before != sum.answered {
		t.Errorf("got %d found, want the %d of the run before", again.before, sum.answered)
	}
}

func TestASignalEndsTheIntakeAndTheNextRunGoesOn(t *testing.T) {
	f := newFixture(t)
	p := f.start(t, wanted/4)
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.readUntil(t, "stopping: no further prompt is sent")
	p.answer()
	p.readUntil(t, "the next run goes on from here")
	if err := p.Wait(); p.ProcessState.ExitCode() != 130 {
		t.Errorf("got %v, want exit status 130", err)
	}
	f.hook.Store(nil)
	if sum := f.finish(t); sum.before < wanted/4 || sum.before == wanted {
		t.Errorf("got %d found, want some", sum.before)
	}
}

// A program that is killed gets no chance to tidy up.
func TestAKilledRunLosesAndDoublesNothing(t *testing.T) {
	f := newFixture(t)
	const most = 10 // kills: on a busy machine one may come before anything is stored
	for range most {
		f.calls.Store(0)
		p := f.start(t, wanted-10, "-fresh")
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err == nil {
			t.Fatal("the killed program ended well")
		}
		p.answer()
		f.hook.Store(nil)
		sum := f.finish(t)
		if sum.answered == 0 {
			t.Fatalf("got %d found and none answered, want some answered", sum.before)
		}
		if sum.before > 0 {
			return
		}
	}
	t.Errorf("got nothing stored by any of %d runs that were killed", most)
}

// program is the program in a process of its own.
type program struct {
	*exec.Cmd
	out    *bufio.Scanner
	answer func() // gives it the answers that it waits for
}

// start starts the program, and returns when it has sent so many calls, the last of which the server does not answer yet.
func (f *fixture) start(t *testing.T, calls int64, flags ...string) *program {
	t.Helper()
	f.baseURL = f.path(f.url) // by another name than that of the embedded one
	reached, answer := make(chan struct{}), make(chan struct{})
	f.before(func(call int64, _ http.ResponseWriter, _ *http.Request) bool {
		if call == calls {
			close(reached)
		}
		if call >= calls {
			<-answer
		}
		return false
	})
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", child+"="+strings.Join(append(flags,
		"-url", f.baseURL, "-key", "key", "-out", f.out, "-n", fmt.Sprint(wanted), "-concurrency", "1", "-rpm", "100000", "-tpm", "10000000"), "\n"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	return &program{Cmd: cmd, out: bufio.NewScanner(out), answer: func() { close(answer) }}
}

func (p *program) readUntil(t *testing.T, text string) {
	t.Helper()
	for p.out.Scan() {
		if strings.Contains(p.out.Text(), text) {
			return
		}
	}
	t.Errorf("the program ended without saying %q", text)
}

// An answer that ends early was perhaps paid for: it is asked for again, and what it may have cost is booked.
func TestAnAnswerThatIsCutIsAskedForAgain(t *testing.T) {
	for _, provider := range []string{openAI, anthropics} {
		for name, cut := range map[string]func(w http.ResponseWriter){
			"in the middle of a part": func(w http.ResponseWriter) {
				fmt.Fprint(w, `data: {"choices": [{"delta": {"content": "Wh`)
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			},
			"between two parts": func(w http.ResponseWriter) {
				fmt.Fprint(w, "event: ping\ndata: {\"type\": \"ping\", \"choices\": [{\"delta\": {\"content\": \"What\"}}]}\n\n")
			},
			"before it begins": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		} {
			t.Run(provider+", "+name, func(t *testing.T) {
				f := newFixture(t)
				f.provider, f.model, f.stream, f.limit = provider, providers[provider].model, true, 1
				f.before(func(call int64, w http.ResponseWriter, _ *http.Request) bool {
					if call > 1 {
						return false
					}
					w.Header().Set("Content-Type", "text/event-stream")
					cut(w)
					return true
				})
				sum := f.run(t, t.Context())
				f.mustHold(t, 1)
				r := f.records(t)[0]
				if !sum.complete() || r.Attempts != 2 {
					t.Fatalf("got %d attempts, want the second one's answer", r.Attempts)
				}
				if got, want := sum.end.Tokens, r.PromptTokens+f.maxTokens+r.PromptTokens+r.AnswerTokens; got != want {
					t.Errorf("got %d tokens booked, want %d: all of the first, what was used of the second", got, want)
				}
			})
		}
	}
}

// A server that is not there is waited for, and costs nothing.
func TestAServerThatIsNotThereIsWaitedFor(t *testing.T) {
	f := newFixture(t)
	f.limit = 3
	f.retries = 1000
	var dials atomic.Int64
	b := &backend{url: f.path(f.url), base: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) <= 3 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connection refused")}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}}
	defer b.close()
	f.minute = time.Second // so that it is not waited for as long as for a real one
	var out bytes.Buffer
	sum, err := answerAll(t.Context(), f.options, b, clock.Real(), &out)
	if err != nil {
		t.Fatal(err)
	}
	if used := f.server.Ledger().Tokens; !sum.complete() || sum.end.Tokens != used {
		t.Errorf("got %d of 3 answers and %d tokens booked, want all and the %d of the server", sum.answered, sum.end.Tokens, used)
	}
	if !strings.Contains(out.String(), "sent again: ") || !strings.Contains(out.String(), "connection refused") {
		t.Errorf("got %q, want it said why", out.String())
	}
}

// What every prompt would fail for ends the run.
func TestARunThatIsHopelessEnds(t *testing.T) {
	for name, c := range map[string]struct {
		provider string
		change   func(*options)
		hook     hook
		want     string
	}{
		"model":             {openAI, func(o *options) { o.model = "gpt-0" }, nil, "404 Not Found: The model `gpt-0` does not exist or you do not have access to it. (model_not_found)"},
		"Anthropic's model": {anthropics, func(o *options) { o.model = "claude-0" }, nil, "404 Not Found: model: claude-0 (not_found_error)"},
		"key":               {openAI, func(o *options) { o.key = "" }, nil, "401 Unauthorized: You didn't provide an API key."},
		"money": {openAI, func(*options) {}, func(_ int64, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"error": {"message": "You exceeded your current quota.", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}}`)
			return true
		}, "429 Too Many Requests: You exceeded your current quota. (insufficient_quota)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.provider, f.model = c.provider, providers[c.provider].model
			f.limit = 0
			c.change(&f.options)
			if c.hook != nil {
				f.before(c.hook)
			}
			_, err := f.try(t.Context(), new(bytes.Buffer))
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if calls := f.calls.Load(); calls == 0 || calls > 100 { // those that were sent before the first answer was looked at
				t.Errorf("got %d calls, want few of 672", calls)
			}
		})
	}
}

func TestAPromptThatFailsIsToldAndLeftForTheNextRun(t *testing.T) {
	f := newFixture(t)
	f.retries = 2
	f.before(func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		r.Body = http.NoBody
		if strings.Contains(body.String(), "stand-up comedian") {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error": {"message": "I do not like jokes.", "type": "invalid_request_error", "param": null, "code": null}}`)
			return true
		}
		r.Body = readCloser{&body}
		return false
	})
	sum := f.run(t, t.Context())
	if len(sum.failures) != 1 || sum.failures[0].In.ID != "stand-up-comedian" || sum.answered != wanted-1 || sum.complete() {
		t.Fatalf("got %d failures and %d answers, want one and the others", len(sum.failures), sum.answered)
	}
	var out bytes.Buffer
	sum.print(&out)
	if want := "stand-up-comedian, answer 1: 400 Bad Request: I do not like jokes.\n"; !strings.Contains(out.String(), want) {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	f.hook.Store(nil)
	if again := f.finish(t); again.answered != 1 { // and is in its place
		t.Errorf("got %d answers, want the one that was left", again.answered)
	}
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

func TestTheFileIsWrittenAnewFromTheJournal(t *testing.T) {
	f := newFixture(t)
	f.finish(t)
	data, err := os.ReadFile(f.out)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.out, data[:len(data)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	if sum := f.finish(t); sum.answered != 0 {
		t.Errorf("got %d answers, want what the journal has", sum.answered)
	}
}

func TestAnswersToOtherPromptsOrOfOtherModelsAreNotMixed(t *testing.T) {
	f := newFixture(t)
	f.finish(t)
	other := filepath.Join(t.TempDir(), "prompts.jsonl")
	if err := os.WriteFile(other, []byte(`{"id": "poet", "prompt": "A poem."}`+"\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*options){
		`got another prompt for "poet" than before`:                          func(o *options) { o.prompts = other },
		`of another run: got "embedded gpt-4o", want "embedded gpt-4o-mini"`: func(o *options) { o.model = "gpt-4o" },
		`of another run: got "gpt-4o-mini", want "embedded gpt-4o-mini"`:     func(o *options) { o.baseURL = "http://localhost" },
		"got a file without its journal":                                     func(o *options) { o.out = other },
	} {
		g := &fixture{options: f.options, url: f.url}
		change(&g.options)
		_, err := g.try(t.Context(), new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "-fresh") {
			t.Errorf("got %v, want %s, and what to do", err, want)
		}
	}
}

func TestPromptsAreChecked(t *testing.T) {
	dir := t.TempDir()
	for want, text := range map[string]string{
		`line 2: got "{}", want {"id": "…", "prompt": "…"}`:                                                 `{"id": "a", "prompt": "b"}` + "\n{}",
		`line 2: got id "a", want one that no other line has`:                                               `{"id": "a", "prompt": "b"}` + "\n" + `{"id": "a", "prompt": "c"}`,
		`line 1: got "hello", want {"id": "…", "prompt": "…"}: invalid character 'h' looking for beginning`: "hello",
		`line 1: got "\xff\xfe\x00", want {"id": "…", "prompt": "…"}`:                                       "\xff\xfe\x00",
		"got none, want at least one":                                                                       "\n",
		`line 1: got "{\"id\": 1}", want {"id": "…", "prompt": "…"}: json: cannot unmarshal number`:         `{"id": 1}`,
	} {
		path := filepath.Join(dir, "prompts.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readPrompts(path); err == nil || !strings.HasPrefix(err.Error(), "-prompts: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	marked := filepath.Join(dir, "marked.jsonl")
	if err := os.WriteFile(marked, []byte("\ufeff"+`{"id": "a", "prompt": "b"}`+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, _, err := readPrompts(marked); err != nil || len(all) != 1 || all[0] != (prompt{"a", "b"}) {
		t.Errorf("with a byte order mark: got %v and %v, want the prompt", all, err)
	}
	if _, _, err := readPrompts(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want that there is no such file", err)
	}
}

func TestPricesAreTwoAmountsOfMoney(t *testing.T) {
	for text, want := range map[string]int64{"0.15,0.60": 150*10 + 600*100, "1, 5": 1000*10 + 5000*100, "0.15": -1, "0,1": -1, "x,y": -1, "1,-1": -1} {
		var p prices
		got := int64(-1)
		if err := p.Set(text); err == nil {
			got = p.of(10, 100)
		}
		if got != want {
			t.Errorf("%q: got %d nanodollars for 10 and 100 tokens, want %d", text, got, want)
		}
	}
}

func TestCommandLineIsChecked(t *testing.T) {
	t.Setenv("OPENAI_API_KEY", "")
	for want, args := range map[string][]string{
		`arguments: got ["x"], want flags alone`:                                                  {"x"},
		`-provider: got "x", want openai or anthropic`:                                            {"-provider", "x"},
		"-samples: got 0, want at least 1":                                                        {"-samples", "0"},
		"-n: got -1, want at least 0":                                                             {"-n", "-1"},
		"-max-tokens: got 0, want at least 1":                                                     {"-max-tokens", "0"},
		"-rpm: got 0, want at least 1":                                                            {"-rpm", "0"},
		"-tpm: got 0, want at least 1":                                                            {"-tpm", "0"},
		"-itpm: got 5 beside -otpm 0, want both at least 1, or both 0":                            {"-itpm", "5"},
		"-dollars: got -1, want 0 to 1e6":                                                         {"-dollars", "-1"},
		"-prices: got none, and those of gpt-4o are not known; want them, since -dollars is set":  {"-model", "gpt-4o", "-dollars", "1"},
		"-concurrency: got 0, want at least 1":                                                    {"-concurrency", "0"},
		"-retries: got 0, want at least 1":                                                        {"-retries", "0"},
		"-key: got nothing, and OPENAI_API_KEY is not set; a server that asks for none takes any": {"-url", "http://localhost"},
	} {
		var said bytes.Buffer
		if status := run(args, &said, &said); status != 2 || said.String() != "llm: "+want+"\n" {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, said.String(), want)
		}
	}
	t.Setenv("OPENAI_API_KEY", "secret")
	o, err := parse([]string{"-url", "http://localhost", "-minute", "1s"}, t.Output())
	if err != nil || o.key != "secret" || o.minute != time.Minute {
		t.Errorf("got key %q, minute %v, %v; want that of the environment, and a real minute", o.key, o.minute, err)
	}
}
