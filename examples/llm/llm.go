package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/examples/llm/tokens"
	"github.com/paceline-go/paceline/pipeline"
)

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
		jobs: all, before: before, started: clk.Now(), events: make(chan pipeline.Event), said: map[string]bool{}, by: map[string]int{},
	}
	if o.single > 0 {
		jobs, err := o.singleJobs(count)
		if err != nil {
			return nil, err
		}
		r.single = &singles{every: o.single, clock: clk, costs: o.costs, jobs: jobs}
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
	switch {
	case len(r.members) > 0:
		r.announceMembers()
	case r.batch == nil:
		line(r.out, "through", "%s at %s", r.model, where)
	default:
		line(r.out, "", "%s; %s that cannot be sent", plural(len(r.jobs), "request"), plural(len(r.batch.bad), "line"))
		line(r.out, "through", "%s", where)
	}
	if len(r.members) == 0 {
		line(r.out, "quotas", "%s%s", r.quotas(), minute)
	}
	if r.dollars > 0 && len(r.members) == 0 {
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
