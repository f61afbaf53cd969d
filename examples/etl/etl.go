package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
	"github.com/paceline-go/paceline/pipeline/paceterm"
)

const (
	batch = 25                     // rows in a transaction, at most
	beat  = 250 * time.Millisecond // a row waits no longer for its transaction
)

// etl runs extract, enrich and load side by side. With a signal it reads no further
// row and finishes those it has; when ctx is done it lets go of them. Either way the
// next run goes on from what is in the journal, which has each answer before the
// database has it.
func etl(ctx context.Context, o options, out io.Writer) (*summary, error) {
	clk := clock.Real()
	in := openSource(o.in)
	found, err := in.survey(o.strict)
	if err != nil {
		return nil, err
	}
	if err := command.CheckFile("-db", o.db); err != nil {
		return nil, err
	}
	journal, err := openJournal(o, found)
	if err != nil {
		return nil, err
	}
	defer journal.Close()
	target, err := openStore(o.db, o.fresh, clk.Now())
	if err != nil {
		return nil, err
	}
	defer target.close()

	url, backend := o.url, (*service.Server)(nil)
	if url == "" {
		if backend, err = service.Start(embedded(o.seed)); err != nil {
			return nil, err
		}
		defer backend.Close()
		url = backend.URL()
	}
	asker := newEnricher(url, o.concurrency)
	defer asker.close()

	j := &job{in: in, found: found, journal: journal, target: target, asker: asker, clock: clk, out: out, started: clk.Now(), events: make(chan pipeline.Event)}
	if err := j.announce(url, backend != nil); err != nil {
		return nil, err
	}
	if err := j.run(ctx, o.throttle()); err != nil {
		return nil, err
	}
	return j.summary(o, backend)
}

// throttle is how the pipeline is told about the service: how far it may go,
// never how fast the service is.
func (o options) throttle() pipeline.Config {
	cfg := pipeline.Config{
		MaxConcurrency: o.concurrency,
		Jitter:         0.1,
		AttemptTimeout: 10 * time.Second,
		Retry: &pipeline.Retry{
			MaxAttempts: o.retries,
			Backoff:     pipeline.ExponentialJitter,
			BaseDelay:   50 * time.Millisecond,
			MaxDelay:    2 * time.Second,
			Park:        true,
		},
		// A refusal for being too fast is the policy's business; the circuit
		// is for a service that does not work.
		Breaker: &pipeline.Breaker{Failures: 10, OpenFor: time.Second, Counts: broken},
		Seed:    o.seed,
		Logger:  slog.New(slog.DiscardHandler), // what matters is said here, above the line of progress
	}
	switch {
	case o.budget > 0:
		cfg.Budgets = []pipeline.Budget{{Name: "tokens", Tokens: o.budget, Window: time.Minute}}
	case o.url == "":
		cfg.Budgets = []pipeline.Budget{{Name: "tokens", Tokens: grant, Window: quotaWindow}}
	}
	return cfg
}

// job is one run. Only the goroutine that calls run touches it.
type job struct {
	in      source
	found   survey
	journal *journal
	target  *store
	asker   *enricher
	clock   clock.Clock
	out     io.Writer

	line     *paceterm.Line
	events   chan pipeline.Event
	open     bool // the circuit, or half-open
	silent   bool // it has been said that nothing has succeeded
	started  time.Time
	ended    time.Time
	before   int // rows in the database at the start
	read     int // rows, those included that were there before
	history  history
	rows     []loadedRow // that wait for their transaction
	failures []failure   // likewise
	loaded   int
	failed   int
	left     int // taken, but let go of when there was no more time
}

func (j *job) announce(url string, embedded bool) (err error) {
	if j.before, err = j.target.loaded(); err != nil {
		return err
	}
	if embedded {
		url += " (embedded)"
	}
	line(j.out, "from", "%s, %s", j.in.name, plural(j.found.rows, "row"))
	if n := j.found.broken; n > 0 {
		line(j.out, "", "%s cannot be used, and will count as failed", plural(n, "row"))
	}
	line(j.out, "through", "%s", url)
	line(j.out, "into", "%s, which holds %s", j.target.path, thousands(j.before))
	switch j.found.rows {
	case 0:
		line(j.out, "", "the input has a header and no rows")
	case j.before:
		line(j.out, "", "nothing is left to do; -fresh begins anew")
	default:
		fmt.Fprintln(j.out)
	}
	return nil
}

type result = pacejournal.Result[record, service.Answer]

func (j *job) run(ctx context.Context, cfg pipeline.Config) error {
	ctx, letGo := context.WithCancel(ctx)
	defer letGo()

	ended := make(chan struct{})
	defer close(ended)
	cfg.TotalJobs = j.found.rows - j.found.broken - j.before
	cfg.OnEvent = func(e pipeline.Event) {
		select {
		case j.events <- e:
		case <-ended:
		}
	}
	p, err := pipeline.New(j.asker.enrich, cfg)
	if err != nil {
		return err
	}
	j.line = paceterm.Options{Plain: 2 * time.Second}.Draw(j.out, p.Throttle())
	defer j.line.Stop()
	cancel := func() {
		j.line.Stop() // before: a row that is let go of is not done
		letGo()
	}
	defer context.AfterFunc(ctx, j.line.Stop)()
	defer context.AfterFunc(pipeline.Interruption(ctx), j.announceStop)()
	var extracted extraction
	results := make(chan result)
	go func() {
		defer close(results)
		for res := range j.journal.Each(ctx, p.Cost(cost), extracted.rows(ctx, j.in)) {
			results <- res
		}
	}()
	if err := j.load(cancel, results); err != nil {
		return err
	}
	j.ended = j.clock.Now()
	j.read += len(extracted.broken)
	return errors.Join(extracted.err, j.save(nil, extracted.broken))
}

// load is the loop of the run: what comes out goes into the database, and what the
// throttle tells into the history. If the database fails, it aborts the run and
// waits for its end.
func (j *job) load(cancel func(), results <-chan result) (failed error) {
	tick := j.clock.Ticker(beat)
	defer tick.Stop()
	for open := true; open; {
		var err error
		select {
		case res, more := <-results:
			if open = more; more && failed == nil {
				err = j.take(res)
			}
		case <-tick.C:
			if failed == nil {
				err = j.flush()
			}
		case e := <-j.events:
			j.hear(e)
		}
		if err != nil {
			failed = err
			cancel()
		}
	}
	if failed == nil {
		failed = j.flush()
	}
	return failed
}

// hear takes an event. Why a circuit opens is said at once: if the service is
// not there at all, the summary is a long way off.
func (j *job) hear(e pipeline.Event) {
	j.history.add(e)
	switch e.Kind {
	case pipeline.EventNothingSucceeded:
		j.silent = true
		fmt.Fprintf(j.line, "nothing has succeeded yet, the last call with: %v\n", e.Err)
	case pipeline.EventCircuitOpened:
		if !j.open && !j.silent { // that it does not work has been said
			fmt.Fprintf(j.line, "the service does not work, and is asked again now and then: %v\n", j.history.trouble)
		}
		j.open = true
	case pipeline.EventCircuitClosed:
		j.open, j.silent = false, false
	}
}

func (j *job) announceStop() {
	fmt.Fprintln(j.line, "stopping: no further row is read, and what was taken is finished, within a minute; Ctrl-C again ends at once")
}

// take puts a result by for the next transaction. What the journal did not store
// was cut off, or not begun: the next run does it.
func (j *job) take(res result) error {
	var broken *pacejournal.Error
	switch {
	case errors.As(res.Err, &broken):
		return broken
	case res.Err == nil:
		j.rows = append(j.rows, loadedRow{res.In, res.Out, res.Known})
	case res.Attempts == 0 && !res.Stored:
		return nil
	case !res.Stored:
		j.left++
	default:
		j.failures = append(j.failures, failure{res.In.row, res.In.line, res.In.id, res.Attempts, fmt.Errorf("line %d: %w", res.In.line, res.Err)})
	}
	j.read++
	if len(j.rows)+len(j.failures) < batch {
		return nil
	}
	return j.flush()
}

func (j *job) flush() error {
	rows, failures := j.rows, j.failures
	j.rows, j.failures = nil, nil
	return j.save(rows, failures)
}

func (j *job) save(rows []loadedRow, failures []failure) error {
	if len(rows)+len(failures) == 0 {
		return nil
	}
	loaded, doubled, err := j.target.save(rows, failures)
	if err != nil {
		return err
	}
	j.loaded += loaded
	j.failed += len(failures) + len(doubled)
	return nil
}
