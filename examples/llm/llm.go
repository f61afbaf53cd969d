package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/llm/server"
	"github.com/paceline-go/paceline/examples/llm/tokens"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

const beat = 250 * time.Millisecond // how often progress is shown

// backend is the server that prompts are sent to.
type backend struct {
	url    string         // as the SDK wants it
	server *server.Server // nil: a real one
	base   *http.Transport
}

// backend starts the embedded server, if that is the one.
func (o options) backend() (*backend, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = o.concurrency
	if !o.embedded() {
		return &backend{url: o.baseURL, base: base}, nil
	}
	s, err := server.Start(o.serverConfig(), nil)
	if err != nil {
		return nil, err
	}
	return &backend{url: o.path(s.URL()), server: s, base: base}, nil
}

// path adds what a provider's SDK expects of a base URL.
func (o options) path(url string) string {
	if o.provider == openAI {
		return url + "/v1"
	}
	return url
}

func (b *backend) close() error {
	b.base.CloseIdleConnections()
	if b.server == nil {
		return nil
	}
	return b.server.Close()
}

// answerAll has every prompt answered that is not answered yet. With a signal it sends no further prompt and waits for the answers
// that are due; when ctx is done it lets go of them. Either way the next run goes on from what is in the file.
func answerAll(ctx context.Context, o options, b *backend, clk clock.Clock, out io.Writer) (*summary, error) {
	count, err := tokens.NewCounter()
	if err != nil {
		return nil, err
	}
	var all []job
	var file *batch
	from := o.batch
	if from == "-" {
		from = "standard input"
	}
	if o.batch != "" {
		file, all, err = readBatch(o, count)
	} else {
		all, from, err = o.promptJobs(count)
	}
	if err != nil {
		return nil, err
	}
	kept, err := openAnswers(o)
	if err != nil {
		return nil, err
	}
	defer kept.journal.Close() // if it is not by then
	before, err := kept.count(all)
	if err != nil {
		return nil, err
	}
	r := &runner{
		options: o, backend: b, clock: clk, out: out, answers: kept, batch: file,
		jobs: all, before: before, started: clk.Now(), events: make(chan pipeline.Event), said: map[string]bool{},
	}
	if o.single > 0 {
		jobs, err := o.singleJobs(count)
		if err != nil {
			return nil, err
		}
		r.single = &singles{every: o.single, clock: clk, ask: newSingleAsker(o, b.url, b.base), costs: o.costs, jobs: jobs}
	}
	r.announce(from)
	err = errors.Join(r.run(ctx), kept.write(all))
	if file != nil {
		err = errors.Join(err, file.write(r.failures))
	}
	if err := errors.Join(err, kept.journal.Close()); err != nil {
		return nil, err
	}
	return r.summary(), nil
}

// runner is one run. Only the goroutine that calls run touches it.
type runner struct {
	options
	backend  *backend
	clock    clock.Clock
	out      io.Writer
	answers  *answers
	batch    *batch          // nil: prompts
	single   *singles        // nil: none
	took     []time.Duration // by answers of the bulk
	progress *progress
	throttle *pipeline.Throttle
	events   chan pipeline.Event
	said     map[string]bool // what was said of failures
	jobs     []job
	before   int // of them, answered by an earlier run
	started  time.Time
	ended    time.Time
	answered int
	let      int // taken, but let go of when the run was aborted
	failures []result
	hopeless error // why no further prompt is sent
	spent    bool  // the money is
}

type result = pacejournal.Result[job, answer]

func (r *runner) announce(from string) {
	where := r.backend.url
	if r.backend.server != nil {
		where += " (embedded)"
	}
	minute := ""
	if r.minute != time.Minute {
		minute = fmt.Sprintf(", which there lasts %v", r.minute)
	}
	line(r.out, "from", "%s", from)
	if r.batch == nil {
		line(r.out, "through", "%s at %s", r.model, where)
	} else {
		line(r.out, "", "%s; %s that cannot be sent", plural(len(r.jobs), "request"), plural(len(r.batch.bad), "line"))
		line(r.out, "through", "%s", where)
	}
	line(r.out, "quotas", "%s%s", r.quotas(), minute)
	if r.dollars > 0 {
		line(r.out, "money", "%s in all, at $%v a million input tokens and $%v a million output tokens", inDollars(int64(r.dollars*dollar)), r.prices.input, r.prices.output)
	}
	line(r.out, "into", "%s; the journal beside it holds %s of %s answers", r.answers.path, thousands(r.before), thousands(len(r.jobs)))
	if r.batch != nil {
		line(r.out, "", "errors: %s", r.batch.errors)
	}
	if r.before == len(r.jobs) {
		line(r.out, "", "nothing is left to do; -fresh begins anew")
	} else {
		fmt.Fprintln(r.out)
	}
	r.progress = newProgress(r.out, len(r.jobs), r.before, r.started)
}

func (r *runner) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	ended := make(chan struct{})
	defer close(ended)
	cfg := r.throttleConfig()
	cfg.TotalJobs = len(r.jobs) - r.before
	cfg.Clock = r.clock
	cfg.OnEvent = func(e pipeline.Event) {
		select {
		case r.events <- e:
		case <-ended:
		}
	}
	p, err := pipeline.New(pipeline.Work[job, answer](newAsker(r.options, r.backend.url, r.backend.base)), cfg)
	if err != nil {
		return err
	}
	r.throttle = p.Throttle()
	results := make(chan result)
	go func() {
		defer close(results)
		for res := range r.answers.journal.Each(ctx, p.Costs(r.costs).Ordered(), slices.Values(r.jobs)) {
			results <- res
		}
	}()
	stopSingles := r.startSingles(ctx)
	err = r.take(ctx, cancel, results)
	stopSingles()
	r.ended = r.clock.Now()
	return errors.Join(err, r.hopeless)
}

// startSingles has single prompts asked until the function that it returns is called, which waits for one that is under way.
func (r *runner) startSingles(ctx context.Context) (stop func()) {
	if r.single == nil {
		return func() {}
	}
	r.single.throttle = r.throttle
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		r.single.run(ctx, ended)
	}()
	return func() {
		close(ended)
		<-done
	}
}

// take is the loop of the run: what comes out was stored by then, and is counted, and the rest goes onto the screen. If the journal
// fails, it aborts the run and waits for its end.
func (r *runner) take(ctx context.Context, cancel func(), results <-chan result) (failed error) {
	tick := r.clock.Ticker(beat)
	defer tick.Stop()
	stopping := pipeline.Interruption(ctx).Done()
	for open := true; open; {
		select {
		case res, more := <-results:
			if open = more; !more {
				continue
			}
			if err := r.book(res, ctx.Err() != nil); err != nil && failed == nil {
				failed = err
				cancel()
			}
		case now := <-tick.C:
			r.progress.show(now, r.throttle.Snapshot(), r.done())
		case e := <-r.events:
			r.hear(e)
		case <-stopping:
			stopping = nil
			r.progress.say("stopping: no further prompt is sent, and answers that are due are waited for, a minute at most; Ctrl-C again ends at once")
		}
	}
	r.progress.end(r.done())
	return failed
}

func (r *runner) done() int { return r.before + r.answered }

// book counts a result. What is not stored is left for the next run.
func (r *runner) book(res result, aborted bool) error {
	var setup *setupError
	var cost *pipeline.CostError
	var journal *pacejournal.Error
	switch {
	case res.Known:
	case res.Err == nil:
		r.answered++
		if r.single != nil {
			r.took = append(r.took, res.Waited+res.Took)
		}
	case errors.As(res.Err, &journal):
		return journal
	case errors.As(res.Err, &cost) && cost.Spent:
		r.spent = true
		r.throttle.Close()
	case res.Attempts == 0: // it was not sent
	case aborted:
		r.let++
	case errors.As(res.Err, &setup):
		r.hopeless = setup
		r.throttle.Close()
	default:
		r.failures = append(r.failures, res)
	}
	return nil
}

// mostSaid bounds what is said of failures that are tried again.
const mostSaid = 3

// hear says why prompts are sent again: if the server is not there at all, the summary is a long way off.
func (r *runner) hear(e pipeline.Event) {
	if e.Kind == pipeline.EventNothingSucceeded {
		r.progress.say(fmt.Sprintf("nothing has succeeded yet, the last request with: %v", e.Err))
	}
	if e.Kind != pipeline.EventRetry || len(r.said) == mostSaid {
		return
	}
	about := e.Err.Error()
	if said := new(serverError); errors.As(e.Err, &said) {
		about = http.StatusText(said.status) // the text may differ each time
	}
	if !r.said[about] {
		r.said[about] = true
		r.progress.say(fmt.Sprintf("sent again: %v", e.Err))
	}
}
