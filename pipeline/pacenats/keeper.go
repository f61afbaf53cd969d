package pacenats

import (
	"time"

	"github.com/paceline-go/paceline/clock"
)

// A keeper knows which jobs this process has, by their keys, and tells the server now and then
// that they are in progress, so that nobody else gets them. It is an actor.
type keeper[In any] struct {
	keep  chan keepRequest[In]
	drop  chan *delivery[In]
	asks  chan holdsRequest
	end   chan struct{}
	ended chan struct{}
}

type keepRequest[In any] struct {
	d      *delivery[In]
	answer chan bool
}

type holdsRequest struct {
	key    string
	answer chan bool
}

func newKeeper[In any](clk clock.Clock, every time.Duration) *keeper[In] {
	k := &keeper[In]{
		keep: make(chan keepRequest[In]), drop: make(chan *delivery[In]), asks: make(chan holdsRequest),
		end: make(chan struct{}), ended: make(chan struct{}),
	}
	go k.run(clk, every)
	return k
}

func (k *keeper[In]) run(clk clock.Clock, every time.Duration) {
	defer close(k.ended)
	ticker := clk.Ticker(every)
	defer ticker.Stop()
	kept := make(map[string]*delivery[In])
	for {
		select {
		case r := <-k.keep:
			_, has := kept[r.d.key]
			if !has {
				kept[r.d.key] = r.d
			}
			r.answer <- !has
		case d := <-k.drop:
			delete(kept, d.key)
		case r := <-k.asks:
			_, has := kept[r.key]
			r.answer <- has
		case <-ticker.C:
			for _, d := range kept {
				d.msg.InProgress()
			}
		case <-k.end:
			return
		}
	}
}

// add keeps a job, until it is dropped. If the process has a job of that key already, it
// reports false and does nothing.
func (k *keeper[In]) add(d *delivery[In]) bool {
	r := keepRequest[In]{d, make(chan bool, 1)}
	k.keep <- r
	return <-r.answer
}

// holds reports whether the process has the job of that key.
func (k *keeper[In]) holds(key string) bool {
	r := holdsRequest{key, make(chan bool, 1)}
	select {
	case k.asks <- r:
		return <-r.answer
	case <-k.ended:
		return false
	}
}

func (k *keeper[In]) stop() {
	close(k.end)
	<-k.ended
}
