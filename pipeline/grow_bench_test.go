package pipeline_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/paceline-go/paceline/pipeline"
)

// BenchmarkGrow: what a job costs that another one gives and that does nothing, ten of them at a time. Each is the
// same run without a frontier.
func BenchmarkGrow(b *testing.B) {
	const together = 10
	work := func(_ context.Context, n int) (int, error) { return n, nil }
	key := func(n int) string { return fmt.Sprint(n) }
	newPipeline := func() *pipeline.Pipeline[int, int] {
		p, err := pipeline.New(work, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Static{}})
		if err != nil {
			b.Fatal(err)
		}
		return p
	}
	b.Run("each", func(b *testing.B) {
		for range newPipeline().Each(b.Context(), upTo(b.N)) {
		}
	})
	for _, test := range []struct {
		name string
		cfg  pipeline.FrontierConfig[int]
	}{
		{"memory", pipeline.FrontierConfig[int]{Memory: 100_000_000}},
		{"names", pipeline.FrontierConfig[int]{Memory: 100_000_000, Key: key}},
		{"files", pipeline.FrontierConfig[int]{Memory: 1, Spill: &pipeline.Spill{}}},
	} {
		b.Run(test.name, func(b *testing.B) {
			f := newFrontier(b, test.cfg)
			b.ReportAllocs()
			next := 0
			for r := range pipeline.Grow(b.Context(), newPipeline(), f, slices.Values([]int{0})) {
				if r.In%together > 0 || next >= b.N {
					continue
				}
				jobs := make([]int, together)
				for i := range jobs {
					next++
					jobs[i] = next
				}
				if err := f.Submit(b.Context(), jobs...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFlatMap: what one of many results of a job costs.
func BenchmarkFlatMap(b *testing.B) {
	n := b.N
	p, _ := flatMap(b, pipeline.Config{}, func(_ context.Context, _ int, out *pipeline.Emitter[int, int]) error {
		for i := range n {
			if err := out.Emit(i); err != nil {
				return err
			}
		}
		return nil
	})
	b.ReportAllocs()
	for range p.Each(b.Context(), upTo(1)) {
	}
}
