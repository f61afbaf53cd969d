package main

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/sourcegraph/conc"
)

// A watch says once a second what the stages do.
type watch struct {
	out     io.Writer
	t       throttles
	every   time.Duration
	started time.Time
	quit    chan struct{}
	running conc.WaitGroup

	most uint64 // bytes of heap
}

func startWatch(out io.Writer, t throttles, results func() int64) *watch {
	w := &watch{out: out, t: t, every: time.Second, started: time.Now(), quit: make(chan struct{})}
	fmt.Fprintf(out, "%6s %10s %10s %10s %10s %8s\n", "", "fetched/s", "enriched/s", "results/s", "inside", "heap")
	w.running.Go(func() { w.run(results) })
	return w
}

func (w *watch) run(results func() int64) {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	var fetched, enriched, done int64
	for {
		select {
		case <-w.quit:
			return
		case now := <-tick.C:
			f, e := w.t.fetch.Snapshot(), w.t.enrich.Snapshot()
			heap := live()
			w.most = max(w.most, heap)
			r := results()
			fmt.Fprintf(w.out, "%5.0fs %10d %10d %10d %10d %5.1f MB\n", now.Sub(w.started).Seconds(),
				f.Completed-fetched, e.Completed-enriched, r-done, f.Completed+f.Failed-r, float64(heap)/1e6)
			fetched, enriched, done = f.Completed, e.Completed, r
		}
	}
}

// stop returns how long it was watching, and the largest heap that it saw.
func (w *watch) stop() (took time.Duration, most uint64) {
	close(w.quit)
	w.running.Wait()
	return time.Since(w.started), w.most
}

// live returns the bytes that are in use.
func live() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
