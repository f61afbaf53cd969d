package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// The targets of the project for what rests and what waits.
const (
	maxAtRest      = 4 << 10         // bytes of a throttle
	maxKeyed       = 300 << 20       // bytes of a Keyed of keysAtRest
	maxWaitForSlot = 50 * 1000 * 1.0 // ns, p99, on an idle machine
	keysAtRest     = 100_000
)

const restCaption = `## At rest, and waiting

Heap that is in use after a collection, per throttle with everything on. Keyed: %s keys, each used once, of a throttle with everything on.
Waiting: %d callers take turns at a limit of half as many with work of about 20 us; the wait is from when a slot was released until
another caller has it, with nothing else in the way: %s of them.

`

// rest shows what throttles cost that do nothing, and how soon a slot is used again.
func rest(w io.Writer, size sizes) error {
	const callers = 4
	fmt.Fprintf(w, restCaption, count(size.keys), callers, count(size.handOvers))
	fresh, used, err := throttlesAtRest(size.throttles)
	if err != nil {
		return err
	}
	keyed, err := keyedAtRest(size.keys)
	if err != nil {
		return err
	}
	waits, err := handOvers(callers, size.handOvers)
	if err != nil {
		return err
	}
	p50, p99 := quantile(waits, 0.5), quantile(waits, 0.99)
	t := newTable("", "measured", "target")
	t.addFor("paceline, a throttle that was never used", fmt.Sprintf("%.0f bytes", fresh), "at most 4,096: "+verdict(fresh <= maxAtRest))
	t.addFor("paceline, one that was", fmt.Sprintf("%.0f bytes", used), "at most 4,096: "+verdict(used <= maxAtRest))
	t.addFor(fmt.Sprintf("paceline, a Keyed of %s", count(size.keys)), fmt.Sprintf("%.1f MB", keyed/(1<<20)),
		fmt.Sprintf("at most 300 MB for %s: %s", count(keysAtRest), verdict(keyed/float64(size.keys)*keysAtRest <= maxKeyed)))
	t.addFor("paceline, from release to start, p50", fmt.Sprintf("%.1f us", p50/1000), "")
	t.addFor("paceline, from release to start, p99", fmt.Sprintf("%.1f us", p99/1000), "at most 50 us on an idle machine: "+verdict(p99 <= maxWaitForSlot))
	t.print(w)
	return nil
}

// heap returns what is in use of it after a collection, twice, since what finalizers held is freed by the second.
func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// throttlesAtRest returns what one of so many takes before and after it was used.
func throttlesAtRest(n int) (fresh, used float64, err error) {
	all := make([]*pipeline.Throttle, n)
	before := heap()
	for i := range all {
		if all[i], err = pipeline.NewThrottle(everythingOn(overheadWorkers)); err != nil {
			return 0, 0, err
		}
	}
	fresh = (heap() - before) / float64(n)
	for _, t := range all {
		if _, err := pipeline.Execute(context.Background(), t, returnOne); err != nil {
			return 0, 0, err
		}
		t.Snapshot() // by then all is told
	}
	used = (heap() - before) / float64(n)
	runtime.KeepAlive(all)
	return fresh, used, nil
}

func keyedAtRest(keys int) (float64, error) {
	before := heap()
	k, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{Each: everythingOn(overheadWorkers), Keep: keys})
	if err != nil {
		return 0, err
	}
	for key := range keys {
		if _, err := pipeline.Execute(context.Background(), k.Throttle(key), returnOne); err != nil {
			return 0, err
		}
	}
	used := heap() - before
	runtime.KeepAlive(k)
	return used, nil
}

// handOvers returns how long a slot was free, in nanoseconds, each time that somebody waited for it.
func handOvers(callers, n int) ([]float64, error) {
	cfg := everythingOff(callers / 2)
	t, err := pipeline.NewThrottle(cfg)
	if err != nil {
		return nil, err
	}
	free := make(chan time.Time, callers) // when a slot was released, oldest first
	var waits []float64
	var mu sync.Mutex
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range n / callers {
				slot, err := t.Acquire(context.Background())
				if err != nil {
					return
				}
				started := time.Now()
				select {
				case released := <-free:
					mu.Lock()
					waits = append(waits, float64(started.Sub(released).Nanoseconds()))
					mu.Unlock()
				default: // at the beginning all slots are free
				}
				for time.Since(started) < 20*time.Microsecond {
				}
				free <- time.Now()
				slot.Release(nil)
			}
		})
	}
	all.Wait()
	if len(waits) < n/2 {
		return nil, fmt.Errorf("waits: got %d, want at least %d", len(waits), n/2)
	}
	slices.Sort(waits)
	return waits, nil
}
