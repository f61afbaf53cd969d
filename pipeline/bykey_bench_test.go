package pipeline_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// BenchmarkByKey is a job through a pipeline by key, by how many keys the jobs have in turn.
func BenchmarkByKey(b *testing.B) {
	for _, keys := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			k, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{})
			if err != nil {
				b.Fatal(err)
			}
			p := pipeline.ByKey(k, modulo(keys), func(_ context.Context, job int) (int, error) { return job, nil })
			drainAll(b, p.Each(b.Context(), counted(b.N, new(atomic.Int64))))
		})
	}
}

// BenchmarkByChoice is a job through a pool, by how many members it has.
func BenchmarkByChoice(b *testing.B) {
	for _, members := range []int{1, 3, 10} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			pool := newPool(b, make([]pipeline.Member[int], members)...)
			p := pipeline.ByChoice(pool, func(_ context.Context, _, job int) (int, error) { return job, nil })
			drainAll(b, p.Each(b.Context(), counted(b.N, new(atomic.Int64))))
		})
	}
}

func drainAll(b *testing.B, results iter.Seq[result]) {
	b.ReportAllocs()
	for r := range results {
		if r.Err != nil {
			b.Fatal(r.Err)
		}
	}
}

// BenchmarkKeyedBusy is a look at many keys, a hundred of which are paused, beside one that asks all.
func BenchmarkKeyedBusy(b *testing.B) {
	const keys = 100_000
	k, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{Keep: keys})
	if err != nil {
		b.Fatal(err)
	}
	for key := range keys {
		t := k.Throttle(fmt.Sprint("host ", key))
		if key%1000 == 0 {
			t.RecordFailure(pipeline.Overloaded(errService, time.Hour))
		}
	}
	for name, look := range map[string]func() pipeline.KeyedSnapshot[string]{"busy": k.Busy, "all": k.Snapshot} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				look()
			}
		})
	}
}
