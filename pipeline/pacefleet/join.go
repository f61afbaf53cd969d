package pacefleet

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
	"github.com/paceline-go/paceline/pipeline"
)

// Join makes this process a member of the fleet that the transport connects, and waits until
// there is a leader, which may be this process.
//
// cfg is that of the whole fleet and must be the same in each process: MaxConcurrency,
// Budgets, MinDispatchInterval and the Policy are for all of them together. Circuit, retries
// and timeouts are each process's own. A Rate cannot be divided: use a Budget of requests.
//
// The error is that of the transport, of ctx, or lists every fault of cfg, each a
// *ConfigError.
func Join(ctx context.Context, t Transport, cfg pipeline.Config) (*Member, error) {
	if t == nil {
		return nil, errors.New("transport: got nil, want one")
	}
	m, err := newMember(t, cfg)
	if err != nil {
		return nil, err
	}
	stop, err := t.Subscribe(grantSubject+m.name, receiver[grant](m))
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s%s: %w", grantSubject, m.name, err)
	}
	stopPolls, err := t.Subscribe(pollSubject, receiver[poll](m))
	if err != nil {
		stop()
		return nil, fmt.Errorf("subscribe to %s: %w", pollSubject, err)
	}
	go func() {
		m.run()
		stopPolls()
		stop()
	}()
	if err := m.awaitLeader(ctx); err != nil {
		m.cancel()
		<-m.left
		return nil, err
	}
	return m, nil
}

func newMember(t Transport, cfg pipeline.Config) (*Member, error) {
	err := cfg.Validate()
	if cfg.Rate != nil {
		err = errors.Join(err, &pipeline.ConfigError{
			Field: "rate", Value: fmt.Sprintf("%+v", *cfg.Rate), Reason: "want none in a fleet; a budget of requests can be divided",
		})
	}
	if _, leased := cfg.Policy.(pipeline.Leased); leased {
		err = errors.Join(err, &pipeline.ConfigError{Field: "policy", Value: "Leased", Reason: "want the one that the leader decides by"})
	}
	for i, b := range cfg.Budgets {
		if b.Window == pipeline.Forever {
			err = errors.Join(err, &pipeline.ConfigError{
				Field: fmt.Sprintf("budgets[%d].window", i), Value: "Forever", Reason: "want one in a fleet that ends, since what is leased has to come back",
			})
		}
	}
	if err != nil {
		return nil, err
	}
	m := &Member{
		inbox: make(chan any, inboxRoom),
		wake:  make(chan struct{}, 1),
		left:  make(chan struct{}),
		name:  newName(), limits: limitsOf(cfg), transport: t,
		clock: cfg.Clock, log: cfg.Logger,
		sent: make(map[int64]time.Time),
	}
	if m.clock == nil {
		m.clock = clock.Real()
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	own := cfg
	own.Policy = pipeline.Leased{Wake: m.wake}
	own.InitialConcurrency = 0
	own.MaxDispatchInterval = longestInterval
	own.MinDispatchInterval = min(own.MinDispatchInterval, longestInterval)
	if m.throttle, err = pipeline.NewThrottle(own); err != nil {
		return nil, err
	}
	now := m.clock.Now()
	m.lease.Until, m.reported = now, now
	m.asked = now.Add(-campaignEvery + rand.N(campaignEvery/4)) // not all at once
	m.publishStatus()
	return m, nil
}

// inboxRoom is how many messages may wait: more than a thousand processes send within half a
// second.
const inboxRoom = 4096

// limitsOf returns what the leader decides by.
func limitsOf(cfg pipeline.Config) limits {
	l := limits{
		policy: cfg.Policy,
		bounds: controller.Bounds{
			InitialLimit: cfg.InitialConcurrency, MaxLimit: cfg.MaxConcurrency,
			MinInterval: cfg.MinDispatchInterval, MaxInterval: cfg.MaxDispatchInterval,
		},
		budgets: cfg.Budgets,
	}
	if l.policy == nil {
		l.policy = pipeline.Seek{}
	}
	if l.bounds.MaxLimit == 0 {
		l.bounds.MaxLimit = 5
	}
	if l.bounds.InitialLimit == 0 {
		l.bounds.InitialLimit = l.bounds.MaxLimit
	}
	if l.bounds.MaxInterval == 0 {
		l.bounds.MaxInterval = max(30*time.Second, l.bounds.MinInterval)
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%+v %T%+v %+v", l.bounds, l.policy, l.policy, l.budgets)
	l.print = fmt.Sprintf("%016x", h.Sum64())
	return l
}

// awaitLeader waits for the first grant.
func (m *Member) awaitLeader(ctx context.Context) error {
	ticker := m.clock.Ticker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		s := m.status.Load()
		if s.Members > 0 {
			return s.Err
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for a leader: %w", context.Cause(ctx)), s.Err)
		case <-ticker.C:
		}
	}
}

// Throttle returns the throttle of this process, which is used as any other. Its limit, pace
// and budgets are this process's share of what the fleet may use.
func (m *Member) Throttle() *pipeline.Throttle { return m.throttle }

// Status returns how the member is doing.
func (m *Member) Status() Status { return *m.status.Load() }

// Leave drains the throttle, gives back what this process may use, and lets another one lead
// if it does. If ctx is done before, it returns the cause; what was taken is then finished at
// nobody's expense but its own: no further attempt starts. Call it once.
func (m *Member) Leave(ctx context.Context) error {
	err := m.throttle.Drain(ctx)
	m.cancel()
	<-m.left
	return err
}
