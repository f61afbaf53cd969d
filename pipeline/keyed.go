package pipeline

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
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
// Beside them, those are kept that hold something back that a new one would let through,
// until that is over: a pause, an open circuit, what was used of their own budgets,
// of their rate and of a server's quota. Others are forgotten with all that they have
// learned.
type Keyed[K comparable] struct {
	shared   []Budget
	commons  *stage.Commons // the shared budgets at work; nil: there are none
	keep     int
	buffer   int
	onEvent  func(K, Event)
	configOf func(K, Config) Config // nil: each as given
	done     chan struct{}          // closed by Close

	updates sync.Mutex // one at a time
	shelf   shelf[K]
}

// KeyedConfig says how the throttles of a Keyed behave.
type KeyedConfig[K comparable] struct {
	Each    Config         // of each of them; its own budgets and rate are for one key
	Shared  []Budget       // that all draw on, beside their own; names must differ
	Keep    int            // throttles to keep that nobody uses and that hold nothing back, at least 1; default 1,024
	OnEvent func(K, Event) // beside Each.OnEvent, and like it, with the key

	// ConfigOf returns the configuration of a key, made from Each, when its throttle is made and
	// when Update is called; nil: Each for all. It may be called from several goroutines at once.
	ConfigOf func(key K, each Config) Config

	// Buffer is how many jobs a run of a KeyedPipeline may hold that are not done with, those in
	// flight included, at least 1; default 10,000. One key may have as many of them as there is
	// room left for others, about, so that it fills half of it at most, and two keys two thirds.
	// When a job has come for whose key there is no room, the intake waits until there is.
	Buffer int
}

const (
	defaultKeep   = 1024
	defaultBuffer = 10_000 // chosen: some megabytes; a minute of a crawler of 150 pages a second with all hosts but one down
)

// A shelf is where throttles are kept. It has a mutex, not a goroutine, because
// the garbage collector comes to it too, which must not wait for anybody.
type shelf[K comparable] struct {
	sync.Mutex
	each      Config
	updates   int // of each
	closed    bool
	throttles map[K]*kept[K]
	latest    list.List // of the kept that are held, the latest used in front
	bound     list.List // of the kept that are held beside them; the one that is looked at next in front
}

// kept is a throttle on the shelf: held, or, if others have pushed it out, there
// only for as long as somebody else has it.
type kept[K comparable] struct {
	key      K
	throttle weak.Pointer[Throttle]
	held     *Throttle     // nil: pushed out
	place    *list.Element // in latest, or in bound
	bound    bool          // it is there
}

// NewKeyed returns a Keyed without any throttle yet. Its error lists every fault
// of cfg; each is a *ConfigError.
func NewKeyed[K comparable](cfg KeyedConfig[K]) (*Keyed[K], error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	k := &Keyed[K]{
		shared:   slices.Clone(cfg.Shared),
		keep:     cmp.Or(cfg.Keep, defaultKeep),
		buffer:   cmp.Or(cfg.Buffer, defaultBuffer),
		onEvent:  cfg.OnEvent,
		configOf: cfg.ConfigOf,
		done:     make(chan struct{}),
		shelf:    shelf[K]{each: cfg.Each.clone(), throttles: make(map[K]*kept[K])},
	}
	if len(cfg.Shared) > 0 {
		k.commons = stage.NewCommons(cfg.Shared)
	}
	return k, nil
}

func (cfg KeyedConfig[K]) validate() error {
	var f faults
	f.checkBudgets("shared", cfg.Shared)
	f.checkShared(cfg.Shared, cfg.Each)
	f.check(cfg.Keep >= 0, "keep", cfg.Keep, "want at least 1")
	f.check(cfg.Buffer >= 0, "buffer", cfg.Buffer, "want at least 1")
	return errors.Join(append(f, cfg.Each.Validate())...)
}

// checkShared tells the names of shared budgets from those of a key's own.
func (f *faults) checkShared(shared []Budget, each Config) {
	for i, b := range shared {
		own := slices.ContainsFunc(each.Budgets, func(o Budget) bool { return o.Name == b.Name && b.Name != "" })
		f.check(!own, fmt.Sprintf("shared[%d].name", i), b.Name, "want a name that none of each.budgets has")
	}
}

// Throttle returns the throttle of a key, and makes it if there is none. On a
// Keyed that is closed, so is the throttle. It panics if key is not equal to
// itself, such as a number that is none, or if ConfigOf gives it a configuration that is
// not valid.
func (k *Keyed[K]) Throttle(key K) *Throttle {
	t, err := k.throttle(key)
	if err != nil {
		panic(err)
	}
	return t
}

// throttle is Throttle, with the faults of a configuration that ConfigOf gives.
func (k *Keyed[K]) throttle(key K) (*Throttle, error) {
	if key != key {
		panic(fmt.Sprintf("paceline: Keyed: key %v is not equal to itself", key))
	}
	for {
		t, each, updates := k.find(key)
		if t != nil {
			return t, nil
		}
		cfg, err := k.config(each, key)
		if err != nil {
			return nil, err
		}
		t, err = newThrottle(cfg, k.commons) // calls the user's Policy, so not at the shelf
		if err != nil {
			return nil, err
		}
		if k.put(key, t, updates) {
			return t, nil
		}
	}
}

// find returns the throttle of a key, or nil and what to make it of.
func (k *Keyed[K]) find(key K) (t *Throttle, each Config, updates int) {
	s := &k.shelf
	s.Lock()
	defer s.Unlock()
	if e, ok := s.throttles[key]; ok {
		if t = e.throttle.Value(); t != nil {
			k.hold(e, t)
		}
	}
	return t, s.each, s.updates
}

// put puts a throttle on the shelf, unless it was made too late.
func (k *Keyed[K]) put(key K, t *Throttle, updates int) bool {
	s := &k.shelf
	s.Lock()
	defer s.Unlock()
	if e, ok := s.throttles[key]; s.updates != updates || ok && e.throttle.Value() != nil {
		return false
	}
	if s.closed {
		t.Close()
	}
	e := &kept[K]{key: key, throttle: weak.Make(t)}
	s.throttles[key] = e
	runtime.AddCleanup(t, forget, gone[K]{key, weak.Make(k)})
	k.hold(e, t)
	return true
}

// config returns the configuration of a key's throttle, or the faults of what ConfigOf makes
// of each. It must not hold the Keyed, which would hold all others.
func (k *Keyed[K]) config(each Config, key K) (Config, error) {
	if k.configOf != nil {
		each = k.configOf(key, each.clone())
		var f faults
		f.checkShared(k.shared, each)
		if err := errors.Join(append(f, each.Validate())...); err != nil {
			return each, fmt.Errorf("paceline: configuration of key %v: %w", key, err)
		}
	}
	onEvent, also := each.OnEvent, k.onEvent
	if also == nil {
		return each, nil
	}
	each.OnEvent = func(e Event) {
		defer also(key, e)
		if onEvent != nil {
			onEvent(e)
		}
	}
	return each, nil
}

// hold puts a throttle in front, and pushes out the one that was not used for the
// longest time if there are too many.
func (k *Keyed[K]) hold(e *kept[K], t *Throttle) {
	s := &k.shelf
	switch {
	case e.held == nil:
		e.held, e.place = t, s.latest.PushFront(e)
	case e.bound:
		s.bound.Remove(e.place)
		e.bound, e.place = false, s.latest.PushFront(e)
	default:
		s.latest.MoveToFront(e.place)
	}
	s.pushOut(k.keep)
}

// looks is how many of those that are bound are looked at for each that comes: more than one,
// so that they do not pile up when they are free.
const looks = 2

// pushOut lets go of throttles that are too many, but for those that are bound.
func (s *shelf[K]) pushOut(keep int) {
	for range min(looks, s.bound.Len()) {
		s.release(s.bound.Remove(s.bound.Front()).(*kept[K]))
	}
	if s.latest.Len() > keep {
		s.release(s.latest.Remove(s.latest.Back()).(*kept[K]))
	}
}

// release lets go of a throttle that is in no list any more, or puts it among those that are
// bound.
func (s *shelf[K]) release(e *kept[K]) {
	if e.bound = e.held.dispatcher.Bound(); e.bound {
		e.place = s.bound.PushBack(e)
		return
	}
	e.held, e.place = nil, nil
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
	s := &k.shelf
	s.Lock()
	defer s.Unlock()
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
	s := &k.shelf
	s.Lock()
	defer s.Unlock()
	if change != nil {
		change(s)
	}
	all = make([]kept[K], 0, len(s.throttles))
	for key, e := range s.throttles {
		t := e.held
		if t == nil {
			t = e.throttle.Value()
		}
		if t != nil {
			all = append(all, kept[K]{key: key, held: t})
		}
	}
	return all
}

// Config returns a copy of the configuration of each throttle, as it was given; see
// Throttle.Config.
func (k *Keyed[K]) Config() Config {
	s := &k.shelf
	s.Lock()
	defer s.Unlock()
	return s.each.clone()
}

// Close closes the throttles of all keys; see Throttle.Close.
func (k *Keyed[K]) Close() {
	all := k.all(func(s *shelf[K]) {
		if !s.closed {
			s.closed = true
			close(k.done)
		}
	})
	for _, e := range all {
		e.held.Close()
	}
}

// Done is closed when Close or Drain is called, for those who send jobs; see Throttle.Done.
func (k *Keyed[K]) Done() <-chan struct{} { return k.done }

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
