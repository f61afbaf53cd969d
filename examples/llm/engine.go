package main

import (
	"context"

	"github.com/paceline-go/paceline/pipeline"
)

// engine is what prompts go through: one throttle, or a pool of several.
type engine interface {
	// stage is for the bulk.
	stage() pipeline.Stage[job, answer]

	// execute has a single prompt answered. It calls begun when an attempt begins.
	execute(ctx context.Context, j job, begun func()) error

	// save keeps for the next run what the journal does not.
	save() error

	Snapshot() pipeline.Snapshot
	Close()
}

// direct is the engine of one key.
type direct struct {
	*pipeline.Throttle
	bulk   *pipeline.Pipeline[job, answer]
	single asker
}

func newDirect(o options, b *backend, cfg pipeline.Config) (*direct, error) {
	p, err := pipeline.New(pipeline.Work[job, answer](newAsker(o, b.url, b.base)), cfg)
	if err != nil {
		return nil, err
	}
	return &direct{p.Throttle(), p.Costs(o.costs).Ordered(), newSingleAsker(o, b.url, b.base)}, nil
}

func (d *direct) stage() pipeline.Stage[job, answer] { return d.bulk }

func (d *direct) save() error { return nil }

func (d *direct) execute(ctx context.Context, j job, begun func()) error {
	_, err := pipeline.Execute(ctx, d.Throttle, func(ctx context.Context) (answer, error) {
		begun()
		return d.single(ctx, j)
	})
	return err
}
