package pipeline

import (
	"container/list"
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"weak"

	"github.com/paceline-go/paceline/stage"
)

// Keyed keeps a throttle for each key, such as an endpoint, a host or a tenant,
// made when it is first asked for. One that is refused slows down alone; what they
// share is a global budget. Make one with NewKeyed. Its methods may be called from
// any goroutine.
//
// There are never two throttles for a key: one that is in use, or that anybody
// holds, stays the one. Of those that nobody uses, Keep are kept, the latest used.
// Older ones are forgotten with all that they have learned, and that includes
// what was used of their own budgets.
type Keyed[K comparable] struct {
	shared  []Budget
	commons *stage.Commons // the shared budgets at work; nil: there are none
	keep    int
	onEvent func(K, Event)
	shelf   chan *shelf[K] // whoever has taken the shelf out owns it
}

// KeyedConfig says how the throttles of a Keyed behave.
type KeyedConfig[K comparable] struct {
	Each    Config         // of each of them; its own budgets and rate are for one key
	Shared  []Budget       // that all draw on, beside their own; names must differ
	Keep    int            // throttles to keep that nobody uses, at least 1; default 1,024
	OnEvent func(K, Event) // beside Each.OnEvent, and like it, with the key
}

const defaultKeep = 1024

// A shelf is where throttles are kept.
type shelf[K comparable] struct {
	each      Config
	closed    bool
	throttles map[K]*kept[K]
	latest    *list.List // of the kept that are held, the latest used in front
}

// kept is a throttle on the shelf: held, or, if others have pushed it out, there
// only for as long as somebody else has it.
type kept[K comparable] struct {
	key      K
	throttle weak.Pointer[Throttle]
	held     *Throttle     // nil: pushed out
	place    *list.Element // in latest
}

// NewKeyed returns a Keyed without any throttle yet. Its error lists every fault
// of cfg; each is a *ConfigError.
func NewKeyed[K comparable](cfg KeyedConfig[K]) (*Keyed[K], error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	k := &Keyed[K]{
		shared:  slices.Clone(cfg.Shared),
		keep:    cfg.Keep,
		onEvent: cfg.OnEvent,
		shelf:   make(chan *shelf[K], 1),
	}
	if k.keep == 0 {
		k.keep = defaultKeep
	}
	if len(cfg.Shared) > 0 {
		k.commons = stage.NewCommons(cfg.Shared)
	}
	k.shelf <- &shelf[K]{each: cfg.Each, throttles: make(map[K]*kept[K]), latest: list.New()}
	return k, nil
}

func (cfg KeyedConfig[K]) validate() error {
	var f faults
	f.checkBudgets("shared", cfg.Shared)
	for _, b := range cfg.Shared {
		own := slices.ContainsFunc(cfg.Each.Budgets, func(o Budget) bool { return o.Name == b.Name && b.Name != "" })
		f.check(!own, "shared.name", b.Name, "want a name that none of each.budgets has")
	}
	f.check(cfg.Keep >= 0, "keep", cfg.Keep, "want at least 1")
	return errors.Join(append(f, cfg.Each.Validate())...)
}

// Throttle returns the throttle of a key, and makes it if there is none. On a
// Keyed that is closed, so is the throttle.
func (k *Keyed[K]) Throttle(key K) *Throttle {
	s := <-k.shelf
	defer func() { k.shelf <- s }()
	if e, ok := s.throttles[key]; ok {
		if t := e.throttle.Value(); t != nil {
			k.hold(s, e, t)
			return t
		}
	}
	t, err := newThrottle(k.config(s.each, key), k.commons)
	if err != nil {
		panic(err) // it was valid
	}
	if s.closed {
		t.Close()
	}
	e := &kept[K]{key: key, throttle: weak.Make(t)}
	s.throttles[key] = e
	runtime.AddCleanup(t, forget, gone[K]{key, weak.Make(k)})
	k.hold(s, e, t)
	return t
}

// config returns the configuration of a key's throttle.
func (k *Keyed[K]) config(each Config, key K) Config {
	if k.onEvent == nil {
		return each
	}
	onEvent := each.OnEvent
	each.OnEvent = func(e Event) {
		if onEvent != nil {
			onEvent(e)
		}
		k.onEvent(key, e)
	}
	return each
}

// hold puts a throttle in front, and pushes out the one that was not used for the
// longest time if there are too many.
func (k *Keyed[K]) hold(s *shelf[K], e *kept[K], t *Throttle) {
	if e.held != nil {
		s.latest.MoveToFront(e.place)
		return
	}
	e.held, e.place = t, s.latest.PushFront(e)
	if s.latest.Len() > k.keep {
		oldest := s.latest.Remove(s.latest.Back()).(*kept[K])
		oldest.held, oldest.place = nil, nil
	}
}

// gone is a throttle that nobody has any more. It must not hold its Keyed, which
// would hold the throttles of one that is itself gone.
type gone[K comparable] struct {
	key   K
	keyed weak.Pointer[Keyed[K]]
}

// forget takes a throttle that is gone off the shelf, unless another one has taken
// its place.
func forget[K comparable](g gone[K]) {
	k := g.keyed.Value()
	if k == nil {
		return
	}
	s := <-k.shelf
	defer func() { k.shelf <- s }()
	if e, ok := s.throttles[g.key]; ok && e.throttle.Value() == nil {
		delete(s.throttles, g.key)
	}
}

// All returns the keys and throttles that there are now, in no order.
func (k *Keyed[K]) All() iter.Seq2[K, *Throttle] {
	return func(yield func(K, *Throttle) bool) {
		for _, e := range k.all(nil) {
			if !yield(e.key, e.held) {
				return
			}
		}
	}
}

// all changes the shelf, if it is to, and returns all throttles, held.
func (k *Keyed[K]) all(change func(*shelf[K])) (all []kept[K]) {
	s := <-k.shelf
	defer func() { k.shelf <- s }()
	if change != nil {
		change(s)
	}
	for key, e := range s.throttles {
		if t := e.throttle.Value(); t != nil {
			all = append(all, kept[K]{key: key, held: t})
		}
	}
	return all
}

// Update puts another configuration in force for the throttles of all keys, those
// that there are and those to come; see Throttle.Update. The shared budgets stay
// as they are.
func (k *Keyed[K]) Update(each Config) error {
	refused := KeyedConfig[K]{Each: each, Shared: k.shared}.validate()
	if refused != nil {
		return refused
	}
	all := k.all(func(s *shelf[K]) {
		if each, refused = each.inPlaceOf(s.each); refused == nil {
			s.each = each
		}
	})
	if refused != nil {
		return refused
	}
	for _, e := range all {
		if err := e.held.Update(k.config(each, e.key)); err != nil {
			panic(err) // it was valid
		}
	}
	return nil
}

// Close closes the throttles of all keys; see Throttle.Close.
func (k *Keyed[K]) Close() {
	for _, e := range k.all(func(s *shelf[K]) { s.closed = true }) {
		e.held.Close()
	}
}

// Drain closes, and waits until all throttles have drained or ctx is done; see
// Throttle.Drain.
func (k *Keyed[K]) Drain(ctx context.Context) error {
	k.Close()
	for _, t := range k.All() {
		if err := t.Drain(ctx); err != nil {
			return err
		}
	}
	return nil
}
