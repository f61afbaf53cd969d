package pacenats

import (
	"time"

	"github.com/paceline-go/paceline/clock"
)

// A keeper tells the server now and then that the jobs which this process has are in progress,
// so that nobody else gets them. It is an actor.
type keeper[In any] struct {
	keep, drop chan *delivery[In]
	end        chan struct{}
	ended      chan struct{}
}

func newKeeper[In any](clk clock.Clock, every time.Duration) *keeper[In] {
	k := &keeper[In]{
		keep: make(chan *delivery[In]), drop: make(chan *delivery[In]),
		end: make(chan struct{}), ended: make(chan struct{}),
	}
	go k.run(clk, every)
	return k
}

func (k *keeper[In]) run(clk clock.Clock, every time.Duration) {
	defer close(k.ended)
	ticker := clk.Ticker(every)
	defer ticker.Stop()
	kept := make(map[*delivery[In]]struct{})
	for {
		select {
		case d := <-k.keep:
			kept[d] = struct{}{}
		case d := <-k.drop:
			delete(kept, d)
		case <-ticker.C:
			for d := range kept {
				d.msg.InProgress()
			}
		case <-k.end:
			return
		}
	}
}

func (k *keeper[In]) stop() {
	close(k.end)
	<-k.ended
}
