package main

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

// A place is what the chain makes of an id.
type place struct {
	data.City
	service.Answer
}

// throttles are those of the three stages.
type throttles struct{ fetch, enrich, load *pipeline.Throttle }

// throttle is how much each stage is told of what is behind it.
func throttle(concurrency int) pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: concurrency,
		AttemptTimeout: 10 * time.Second,
		Retry:          &pipeline.Retry{MaxAttempts: 5, BaseDelay: 50 * time.Millisecond, Park: true},
	}
}

// stages puts three pipelines one behind the other. This is all that it takes.
func stages(c *client, db *store) (*pipeline.Chain[int64, struct{}], throttles, error) {
	fetch, err1 := pipeline.New(c.fetch, throttle(32))
	enrich, err2 := pipeline.New(c.enrich, throttle(64))
	load, err3 := pipeline.New(db.load, throttle(1)) // SQLite has one writer
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, throttles{}, err
	}
	chain := pipeline.Then(pipeline.Then(fetch, enrich), pipeline.Batch(load, 100, time.Second/4))
	return chain, throttles{fetch.Throttle(), enrich.Throttle(), load.Throttle()}, nil
}

// chain sends the ids through. When it is interrupted, it takes no further one, and
// what is between two stages goes on to the end.
func (s settings) chain(ctx context.Context, out io.Writer) (*summary, error) {
	c, stop, err := s.connect()
	if err != nil {
		return nil, err
	}
	defer stop()
	db, err := openStore(s.db)
	if err != nil {
		return nil, err
	}
	defer db.close()
	jobs, dead, err := s.letters()
	if err != nil {
		return nil, err
	}
	defer dead.discard()
	chain, t, err := stages(c, db)
	if err != nil {
		return nil, err
	}
	sum := &summary{throttles: t, path: s.dead}
	watch := startWatch(out, t, sum.results.Load)
	for r := range chain.Each(ctx, jobs.each) {
		sum.add(r)
		if r.Err != nil && err == nil {
			err = dead.write(r)
		}
	}
	sum.took, sum.heap = watch.stop()
	sum.taken, sum.interrupted = jobs.taken, pipeline.Interrupted(ctx) != nil
	if jobs.err != nil { // the letters that are there stay as they are
		return nil, errors.Join(err, jobs.err)
	}
	if err := errors.Join(err, dead.keep(s.replay)); err != nil {
		return nil, err
	}
	sum.rows, err = db.count()
	return sum, err
}
