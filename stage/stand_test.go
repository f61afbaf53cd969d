package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

var errService = errors.New("service failed")

// A stand is a dispatcher on a test stand: in a bubble of virtual time, with a
// log of what it starts and what it tells.
type stand struct {
	*Dispatcher
	t     *testing.T
	cfg   Config
	begin time.Time

	mu     sync.Mutex
	starts []string
	told   []string
}

// newStand returns a dispatcher of a fixed limit, changed as said.
func newStand(t *testing.T, limit int, changes ...func(*Config)) *stand {
	s := &stand{t: t, begin: time.Now()}
	s.cfg = Config{
		Clock:    clock.Real(),
		Classify: Classify,
		Controller: controller.Config{
			Policy:  controller.Static{},
			Bounds:  controller.Bounds{InitialLimit: limit, MaxLimit: limit, MaxInterval: time.Hour},
			OnEvent: s.hear,
		},
		Seed: 1,
	}
	for _, change := range changes {
		change(&s.cfg)
	}
	s.Dispatcher = NewDispatcher(s.cfg)
	return s
}

// retryingBy lets jobs be tried again, after a second unless said otherwise.
func retryingBy(r controller.Retry) func(*Config) {
	if r.Backoff == 0 {
		r.Backoff = controller.Fixed
	}
	r = r.WithDefaults()
	return func(cfg *Config) { cfg.Retry = &r }
}

func breakingBy(b controller.Breaker) func(*Config) { return func(cfg *Config) { cfg.Breaker = &b } }

func budgeted(b ...controller.Budget) func(*Config) { return func(cfg *Config) { cfg.Budgets = b } }

func rated(perSecond, burst float64) func(*Config) {
	return func(cfg *Config) { cfg.Rate = &controller.Rate{PerSecond: perSecond, Burst: burst} }
}

func paced(interval time.Duration) func(*Config) {
	return func(cfg *Config) { cfg.Controller.Bounds.MinInterval = interval }
}

func (s *stand) since() time.Duration { return time.Since(s.begin) }

func (s *stand) hear(e controller.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, fmt.Sprint(e.At.Sub(s.begin), " ", e))
}

// note is called when an attempt starts.
func (s *stand) note(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starts = append(s.starts, fmt.Sprint(name, " ", s.since()))
}

// started checks what has started since the last call, and when.
func (s *stand) started(want ...string) {
	s.t.Helper()
	s.check("started", &s.starts, want)
}

// heard checks which events came since the last call.
func (s *stand) heard(want ...string) {
	s.t.Helper()
	s.check("heard", &s.told, want)
}

func (s *stand) check(what string, got *[]string, want []string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(*got, want) {
		s.t.Errorf("at %v:\n%s %q\n   want %q", s.since(), what, *got, want)
	}
	*got = nil
}

// work takes so long, unless its context ends before, and returns an error for
// each attempt; none for those beyond.
func (s *stand) work(name string, takes time.Duration, errs ...error) WorkFunc {
	return func(ctx context.Context) error {
		s.note(name)
		timer := time.NewTimer(takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if n := SlotFrom(ctx).Attempt(); n < len(errs) {
			return errs[n]
		}
		return nil
	}
}

// A visitor is a door and who stands behind it.
type visitor struct {
	*Door
	stand *stand
	jobs  []*Job // that came back, in order
}

func (s *stand) open(ctx context.Context) *visitor {
	return &visitor{Door: s.Open(ctx, nil), stand: s}
}

// send submits jobs of ordinary ask in one batch.
func (v *visitor) send(works ...WorkFunc) (jobs []*Job) {
	for _, w := range works {
		jobs = append(jobs, &Job{Work: w, Ask: Ordinary})
	}
	v.sendJobs(jobs...)
	return jobs
}

func (v *visitor) sendJobs(jobs ...*Job) {
	var b Batch
	for _, j := range jobs {
		b.Add(j)
	}
	v.Submit(b, len(jobs))
}

// collect takes what has come back until now.
func (v *visitor) collect() {
	synctest.Wait()
	list := v.Finished()
	for j := list.Pop(); j != nil; j = list.Pop() {
		v.jobs = append(v.jobs, j)
	}
}

// await waits until n jobs in all have come back.
func (v *visitor) await(n int) {
	for v.collect(); len(v.jobs) < n; v.collect() {
		if v.Sleep(false) {
			<-v.Wake()
			v.Awake()
		}
	}
}

// leave waits for n jobs in all and gives the door up.
func (v *visitor) leave(n int) {
	v.await(n)
	v.Stop()
	v.Leave()
}

// asking returns a context whose calls ask for that.
func asking(ctx context.Context, a Ask) context.Context { return WithAsked(ctx, Asked{Ask: a}) }
