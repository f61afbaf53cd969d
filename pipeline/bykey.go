package pipeline

import (
	"context"
	"iter"
	"sync/atomic"
)

// A KeyedPipeline takes jobs and gives back results, one for each job, as a Pipeline does, but
// each job goes through the throttle of its key. A key that is held up, by its pace, its
// circuit, a pause or a budget, holds up no other: its jobs wait, and jobs of other keys are
// taken as long as there is room. See KeyedConfig.Buffer.
//
// Its methods but Run, Each and Snapshot set it up; after that, these may be called any number
// of times, also at once. Make one with ByKey.
type KeyedPipeline[K comparable, In, Out any] struct {
	pipeline *Pipeline[In, Out]
	way      *keyedWay[K, In, Out]
}

// ByKey returns a pipeline in which the key of each job says which throttle of k it goes
// through. A key that k has no throttle for gets one; others may use them, too.
//
// key is called once for each job, in the order of the jobs, and should be quick. If it panics,
// or returns a key that is not equal to itself, the job comes back with a *PanicError. ByKey
// panics if k, key or work is nil.
func ByKey[K comparable, In, Out any](k *Keyed[K], key func(In) K, work Work[In, Out]) *KeyedPipeline[K, In, Out] {
	mustHave("ByKey", k != nil, "keyed")
	mustHave("ByKey", key != nil, "key")
	mustHave("ByKey", work != nil, "work")
	w := &keyedWay[K, In, Out]{Keyed: k, key: key, tally: new(keyedTally)}
	return &KeyedPipeline[K, In, Out]{pipeline: &Pipeline[In, Out]{way: w, work: work}, way: w}
}

// Cost is as that of a Pipeline.
func (p *KeyedPipeline[K, In, Out]) Cost(f func(In) int64) *KeyedPipeline[K, In, Out] {
	p.pipeline.Cost(f)
	return p
}

// Costs is as that of a Pipeline.
func (p *KeyedPipeline[K, In, Out]) Costs(f func(In) Amounts) *KeyedPipeline[K, In, Out] {
	p.pipeline.Costs(f)
	return p
}

// Weight is as that of a Pipeline.
func (p *KeyedPipeline[K, In, Out]) Weight(f func(In) float64) *KeyedPipeline[K, In, Out] {
	p.pipeline.Weight(f)
	return p
}

// Ordered makes results come in the order of the jobs, whatever their keys. So a key that is
// held up holds up the results of all jobs behind it, and, when the buffer is full, the
// intake. It returns p. It panics if p has been run.
func (p *KeyedPipeline[K, In, Out]) Ordered() *KeyedPipeline[K, In, Out] {
	p.pipeline.Ordered()
	return p
}

// OrderedByKey makes the jobs of each key run one after the other, in their order: one starts
// when the one before it is done with, its retries included, whether it has succeeded or not.
// This is for each run by itself. It returns p. It panics if p has been run.
func (p *KeyedPipeline[K, In, Out]) OrderedByKey() *KeyedPipeline[K, In, Out] {
	p.pipeline.mustNotRun("OrderedByKey")
	p.way.inOrder = true
	return p
}

// Run is to a KeyedPipeline what Pipeline.Run is to a Pipeline. It takes jobs until the channel
// is closed, ctx is done or the Keyed is closed. A job whose key's throttle alone is closed comes
// back with ErrClosed, and so do, after a signal for [Interruptible], those that were not begun. A goroutine that sends jobs selects on Keyed.Done, too. Jobs that were
// taken and whose results were not yet read are one and a half times KeyedConfig.Buffer, and some
// hundreds, at most.
//
// Run panics if ctx or jobs is nil.
func (p *KeyedPipeline[K, In, Out]) Run(ctx context.Context, jobs <-chan In) <-chan Result[In, Out] {
	return p.pipeline.Run(ctx, jobs)
}

// Each is to a KeyedPipeline what Pipeline.Each is to a Pipeline. Each panics if ctx or jobs is
// nil. A panic of jobs comes out of the loop, and so does runtime.Goexit.
func (p *KeyedPipeline[K, In, Out]) Each(ctx context.Context, jobs iter.Seq[In]) iter.Seq[Result[In, Out]] {
	return p.pipeline.Each(ctx, jobs)
}

// chain returns a chain of p alone.
func (p *KeyedPipeline[K, In, Out]) chain() *Chain[In, Out] {
	return &Chain[In, Out]{start: p.start, ways: []way{p.way}, room: p.pipeline.room}
}

// start runs p for jobs that are parcels.
func (p *KeyedPipeline[K, In, Out]) start(ctx context.Context, jobs <-chan parcel) <-chan Result[parcel, Out] {
	q := p.pipeline.forParcels()
	q.way = &keyedWay[K, parcel, Out]{
		Keyed: p.way.Keyed, inOrder: p.way.inOrder, tally: p.way.tally,
		key: func(j parcel) K { return p.way.key(unwrap[In](j)) },
	}
	return q.runAll(ctx, jobs)
}

// A keyedWay is the way through the throttles of a Keyed.
type keyedWay[K comparable, In, Out any] struct {
	*Keyed[K]
	key     func(In) K
	inOrder bool // within each key
	tally   *keyedTally
}

func (w *keyedWay[K, In, Out]) enter(ctx context.Context, share *atomic.Pointer[Share]) entrance {
	return newLines(ctx, w, share)
}
func (w *keyedWay[K, In, Out]) window() int { return w.buffer }

// nested is asked of each throttle by itself.
func (w *keyedWay[K, In, Out]) nested(context.Context) bool { return false }

// A keyedTally counts what its runs have done.
type keyedTally struct {
	completed, failed, retries, refusals atomic.Int64
	inside                               atomic.Int64
	stopped                              atomic.Pointer[line] // whose jobs the intake of a run waits for; nil: it does not
}
