package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// runFamily runs every contestant against every service of a family, as many at a time as there are processors, and
// returns the outcomes of each contestant, in the order of the services.
func (p *plan) runFamily(t *testing.T, family string) [][]outcome {
	numbers := p.numbers()
	results := make([][]outcome, len(p.contestants))
	for i := range results {
		results[i] = make([]outcome, len(numbers))
	}
	progress := newProgress(family, len(p.contestants)*len(numbers))
	var next atomic.Int64
	var crew sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		crew.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(p.contestants)*len(numbers) {
					return
				}
				who, which := i%len(p.contestants), i/len(p.contestants)
				t.Run(fmt.Sprint(family, numbers[which], p.contestants[who].name), func(t *testing.T) {
					o := race(t, p.contestants[who], p.service(family, numbers[which]), nil)
					o.number = numbers[which]
					results[who][which] = o
				})
				progress.step()
			}
		})
	}
	crew.Wait()
	progress.end()
	return results
}

func (p *plan) numbers() []int {
	if p.only >= 0 {
		return []int{p.only}
	}
	var all []int
	for i := range p.services {
		all = append(all, i)
	}
	return all
}

// A progress shows how far a family is, if somebody looks on.
type progress struct {
	family string
	total  int
	done   atomic.Int64
	shown  bool
}

func newProgress(family string, total int) *progress {
	info, err := os.Stderr.Stat()
	return &progress{family: family, total: total, shown: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *progress) step() {
	if done := p.done.Add(1); p.shown {
		fmt.Fprintf(os.Stderr, "\r%s: %d of %d ", p.family, done, p.total)
	}
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintf(os.Stderr, "\r\033[K")
	}
}
