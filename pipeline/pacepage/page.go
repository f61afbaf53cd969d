package pacepage

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"maps"
	"net/http"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// tick is how often throttles are looked at, and viewers told.
const tick = time.Second

// New returns a handler that serves a page of throttles, by their names, until ctx
// is done. Mount it at a path that ends in a slash:
//
//	http.Handle("/pace/", pacepage.New(ctx, map[string]*pipeline.Throttle{"geocoder": t}))
//
// End ctx before you call Shutdown of an http.Server, which waits for viewers. New
// panics if ctx or a throttle is nil.
func New(ctx context.Context, throttles map[string]*pipeline.Throttle) http.Handler {
	for name, t := range throttles {
		if t == nil {
			panic("paceline: pacepage: New: throttle " + name + " is nil")
		}
	}
	throttles = maps.Clone(throttles)
	return Of(ctx, func() iter.Seq2[string, *pipeline.Throttle] { return maps.All(throttles) })
}

// Of is New for throttles that come and go: all is called once a second, and tells
// which there are; one that is nil is left out. It must return at once. For a
// [pipeline.Keyed] with keys that are strings it is its method All:
//
//	http.Handle("/pace/", pacepage.Of(ctx, keyed.All))
//
// The page keeps none of them from being forgotten. When one is gone, or another
// one has its name, so is its history. Of panics if ctx or all is nil.
func Of(ctx context.Context, all func() iter.Seq2[string, *pipeline.Throttle]) http.Handler {
	if all == nil {
		panic("paceline: pacepage: function is nil")
	}
	return start(ctx, all, nil)
}

func start(ctx context.Context, all func() iter.Seq2[string, *pipeline.Throttle], keys *keys) *page {
	if ctx == nil {
		panic("paceline: pacepage: context is nil")
	}
	p := &page{ctx: ctx, clock: clock.Real(), calls: make(chan func(*board)), heard: make(chan heard, 64)}
	go p.loop(all, keys)
	return p
}

// A page is the owner of a board: one goroutine, which others send messages.
type page struct {
	ctx   context.Context
	clock clock.Clock
	calls chan func(*board)
	heard chan heard
}

// heard is an event, and whose it is.
type heard struct {
	from  *ear
	event pipeline.Event
}

func (p *page) loop(all func() iter.Seq2[string, *pipeline.Throttle], keys *keys) {
	b := newBoard(p.attend)
	b.keys = keys
	defer b.leave()
	ticker := p.clock.Ticker(tick)
	defer ticker.Stop()
	b.sample(p.clock.Now(), all())
	for {
		select {
		case <-p.ctx.Done():
			return
		case now := <-ticker.C:
			b.sample(now, all())
			b.tell()
		case call := <-p.calls:
			call(b)
		case h := <-p.heard:
			b.hear(h)
		}
	}
}

// errDone is the answer of a page whose context is done.
var errDone = errors.New("the page has ended")

// ask has the owner call f, and waits until it has.
func (p *page) ask(ctx context.Context, f func(*board)) error {
	done := make(chan struct{})
	select {
	case p.calls <- func(b *board) { f(b); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
		return errDone
	}
}

// document returns what there is to see now.
func (p *page) document(ctx context.Context, v view) (d document, err error) {
	err = p.ask(ctx, func(b *board) { d = b.whole(v) })
	return d, err
}

// admit has a viewer told what is new from now on, and returns what there is.
func (p *page) admit(ctx context.Context, v *viewer) (d document, err error) {
	err = p.ask(ctx, func(b *board) {
		v.view = b.fit(v.view)
		d = b.whole(v.view)
		b.viewers[v] = struct{}{}
	})
	return d, err
}

// An ear listens to a throttle. The page holds it weakly, as it does the throttle,
// which holds it: so neither is kept from being collected.
type ear struct {
	name  string
	page  *page
	stop  func()
	ended chan struct{} // closed: the throttle is not listened to any more
}

func (p *page) attend(name string, t *pipeline.Throttle) *ear {
	e := &ear{name: name, page: p, ended: make(chan struct{})}
	e.stop = t.Watch(e.hear)
	return e
}

func (e *ear) hear(event pipeline.Event) {
	select {
	case e.page.heard <- heard{e, event}:
	case <-e.ended:
	}
}

// leave ends the listening. An event that is on its way gets lost.
func (e *ear) leave() {
	close(e.ended)
	e.stop()
}

// encode is not for the owner where a document may be large.
func encode(d document) []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // it has nothing that could not be encoded
	}
	return text
}
