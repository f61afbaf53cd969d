package pacepage

import (
	"fmt"
	"iter"
	"runtime"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// looked returns a board that has looked at throttles for an hour.
func looked(b *testing.B, throttles int) (*board, iter.Seq2[string, *pipeline.Throttle]) {
	b.Helper()
	p := &page{ctx: b.Context(), heard: make(chan heard)}
	var all []*pipeline.Throttle
	for range throttles {
		t, err := pipeline.NewThrottle(pipeline.Config{Budgets: []pipeline.Budget{{Tokens: 1000, Window: time.Minute}}})
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, t)
	}
	list := func(yield func(string, *pipeline.Throttle) bool) {
		for i, t := range all {
			if !yield(fmt.Sprint("throttle ", i), t) {
				return
			}
		}
	}
	board := newBoard(p.attend)
	board.sample(time.Unix(0, 0), list)
	var before sample
	for i := range 3600 { // quicker than to ask them each time
		board.number++
		board.at = time.Unix(int64(i+1), 0)
		for _, w := range board.watched {
			before = w.newest
			w.take(board.number, sample{board.at, before.Snapshot})
		}
	}
	return board, list
}

// BenchmarkTick is what a second of a page costs, without viewers.
func BenchmarkTick(b *testing.B) {
	for _, throttles := range []int{1, 100} {
		b.Run(fmt.Sprintf("throttles=%d", throttles), func(b *testing.B) {
			board, list := looked(b, throttles)
			for b.Loop() {
				board.sample(board.at.Add(tick), list)
			}
		})
	}
}

// BenchmarkViewers is what they add to it.
func BenchmarkViewers(b *testing.B) {
	for _, viewers := range []int{1, 1000} {
		b.Run(fmt.Sprintf("throttles=100/viewers=%d", viewers), func(b *testing.B) {
			board, _ := looked(b, 100)
			for range viewers {
				board.viewers[newViewer(view{span: 1})] = struct{}{}
			}
			for b.Loop() {
				board.tell()
				for v := range board.viewers {
					<-v.told
				}
			}
		})
	}
}

// BenchmarkMemory is what a page keeps of a throttle.
func BenchmarkMemory(b *testing.B) {
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := live()
		board, _ := looked(b, 100)
		all := live() - before
		for _, w := range board.watched {
			w.history = history{}
		}
		b.ReportMetric(float64(all-(live()-before))/100, "B/throttle")
		runtime.KeepAlive(board)
	}
}
