package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/stage"
)

// A Pool is several members that can do the same work: keys of one API, endpoints, regions,
// models. Each has a throttle of its own. A job goes to one that can start it now; one that is
// paused, out of budget, or whose circuit is open is left out, and one that is down is only asked now and
// then whether it is back. A job that fails is tried again by another member, if one is
// there.
//
// Make one with NewPool, and use it by ByChoice or Choose. Its methods may be called from any
// goroutine.
type Pool[V any] struct {
	members []*member[V]
	lobby   chan *stage.Lobby // where jobs wait for a member; who has it may look at the members' credit, too
	clock   clock.Clock
	done    chan struct{} // closed by Close
	close   chan bool     // has the right to close done
}

// A Member is one of a Pool.
type Member[V any] struct {
	Name     string  // for results and snapshots; not empty, and no other member's
	Value    V       // what the work uses: a client, a key, the name of a model
	Config   Config  // of its throttle; all members have the same Clock
	Weight   float64 // share of the jobs that several members could start, against the others' weights; above 0; default 1
	Fallback int     // used only when no member with a lower one is available, 0 or more; default 0: of the first choice
}

type member[V any] struct {
	Member[V]
	throttle *Throttle
	credit   float64 // of the weighted turns
}

// NewPool returns a pool of members, of which there must be at least one. Its error lists every
// fault, each a *ConfigError; the fields are those of the member, such as members[1].weight.
func NewPool[V any](members ...Member[V]) (*Pool[V], error) {
	p := &Pool[V]{done: make(chan struct{}), close: make(chan bool, 1), lobby: make(chan *stage.Lobby, 1)}
	p.lobby <- stage.NewLobby()
	p.close <- true
	var f faults
	f.check(len(members) > 0, "members", len(members), "want at least 1")
	for i, m := range members {
		field := func(name string) string { return fmt.Sprintf("members[%d].%s", i, name) }
		same := slices.ContainsFunc(members[:i], func(o Member[V]) bool { return o.Name == m.Name })
		f.check(m.Name != "" && !same, field("name"), m.Name, "want a name that no other member has")
		f.check(m.Weight >= 0, field("weight"), m.Weight, "want above 0")
		f.check(m.Fallback >= 0, field("fallback"), m.Fallback, "want at least 0")
		f.check(i == 0 || m.Config.Clock == nil && members[0].Config.Clock == nil || m.Config.Clock != nil && members[0].Config.Clock != nil && sameClock(m.Config.Clock, members[0].Config.Clock),
			field("config.clock"), fmt.Sprintf("%T", m.Config.Clock), "want that of members[0]")
		t, err := NewThrottle(m.Config)
		if err != nil {
			f = append(f, fmt.Errorf("members[%d].config: %w", i, err))
			continue
		}
		m.Weight = cmp.Or(m.Weight, 1)
		t.dispatcher.Roam()
		p.members = append(p.members, &member[V]{Member: m, throttle: t})
	}
	if err := errors.Join(f...); err != nil {
		return nil, err
	}
	p.clock = p.members[0].throttle.cfg.Load().Clock
	return p, nil
}

// Throttle returns the throttle of a member, nil if none has that name. One that is closed alone
// takes its member out of the pool.
func (p *Pool[V]) Throttle(name string) *Throttle {
	for _, m := range p.members {
		if m.Name == name {
			return m.throttle
		}
	}
	return nil
}

// Close closes the throttles of all members; see Throttle.Close.
func (p *Pool[V]) Close() {
	select {
	case <-p.close:
		close(p.done)
	case <-p.done:
	}
	for _, m := range p.members {
		m.throttle.Close()
	}
}

// Done is closed when Close or Drain is called, for those who send jobs; see Throttle.Done.
func (p *Pool[V]) Done() <-chan struct{} { return p.done }

// Drain closes, and waits until all members have drained or ctx is done; see Throttle.Drain.
func (p *Pool[V]) Drain(ctx context.Context) error {
	p.Close()
	for _, m := range p.members {
		if err := m.throttle.Drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Snapshot returns what the members do at this moment, those with the most jobs waiting first.
func (p *Pool[V]) Snapshot() KeyedSnapshot[string] {
	throttles := func(yield func(string, *Throttle) bool) {
		for _, m := range p.members {
			if !yield(m.Name, m.throttle) {
				return
			}
		}
	}
	return snapshotOf(throttles)
}

func (p *Pool[V]) nested(ctx context.Context) bool {
	return slices.ContainsFunc(p.members, func(m *member[V]) bool { return m.throttle.nested(ctx) })
}

func (p *Pool[V]) window() (n int) {
	for _, m := range p.members {
		n += m.throttle.window()
	}
	return n
}
