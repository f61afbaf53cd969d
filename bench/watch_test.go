package main

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A watch checks that what starts at a service is what the configuration in
// force allows. Its station's lock is held.
type watch struct {
	config pipeline.Config
	limits []limit
	common *purse // of the shared budget; nil: none
	purses map[string]*purse
	meter  meter
}

// A limit is a MaxConcurrency, and until when it was in force.
type limit struct {
	most  int
	until time.Time // zero: it still is
}

// expect is told before a configuration comes into force. What changes is not
// watched until it is.
func (w *watch) expect(cfg pipeline.Config) {
	w.limits = append(w.limits, limit{most: cfg.MaxConcurrency})
	for name, p := range w.purses {
		if !slices.Contains(cfg.Budgets, p.Budget) {
			delete(w.purses, name)
		}
	}
	w.meter = meter{}
}

// settle is told when it is in force.
func (w *watch) settle(cfg pipeline.Config, now time.Time) {
	w.config = cfg
	for i := range w.limits[:len(w.limits)-1] {
		if w.limits[i].until.IsZero() {
			w.limits[i].until = now
		}
	}
	if w.purses == nil {
		w.purses = make(map[string]*purse)
	}
	for _, b := range cfg.Budgets {
		if w.purses[b.Name] == nil {
			w.purses[b.Name] = newPurse(b)
		}
	}
	w.meter = newMeter(cfg, now)
}

// start checks an attempt that starts now, and returns what it spends. In real
// time nobody can tell when exactly it was let through, so only the number in
// flight is checked.
func (w *watch) start(st *station, j job, now time.Time) (spent []*spending) {
	if allowed := w.allowed(now, st.soak.grace); st.inFlight > allowed {
		st.complain("job %v: %d attempts in flight, %d allowed", j, st.inFlight, allowed)
	}
	if !st.soak.exact {
		return nil
	}
	w.meter.start(st, j, now)
	for _, p := range w.purses {
		spent = append(spent, p.spend(st, j, now))
	}
	if w.common != nil {
		spent = append(spent, w.common.spend(st, j, now))
	}
	return spent
}

// allowed returns how many attempts may be in flight, by what is in force or was
// a moment ago, when an attempt that starts now may have been let through.
func (w *watch) allowed(now time.Time, moment time.Duration) int {
	w.limits = slices.DeleteFunc(w.limits, func(l limit) bool {
		return !l.until.IsZero() && now.Sub(l.until) > moment
	})
	most := 0
	for _, l := range w.limits {
		most = max(most, l.most)
	}
	return most
}

// A meter checks the rate and the shortest interval between starts. What starts in
// the moment in which it is made may have been let through before.
type meter struct {
	made     time.Time
	rate     *pipeline.Rate // nil: none
	interval time.Duration
	level    float64   // of the rate's bucket
	last     time.Time // start
}

func newMeter(cfg pipeline.Config, now time.Time) meter {
	m := meter{made: now, rate: cfg.Rate, interval: cfg.MinDispatchInterval, last: now.Add(-cfg.MinDispatchInterval)}
	if m.rate != nil {
		m.level = m.rate.Burst
	}
	return m
}

// inexact is what is lost by counting with fractions.
const inexact = 1e-5

func (m *meter) start(st *station, j job, now time.Time) {
	if !now.After(m.made) {
		return
	}
	gap := now.Sub(m.last)
	m.last = now
	if gap < m.interval {
		st.complain("job %v: started %v after another one, at an interval of at least %v", j, gap, m.interval)
	}
	if m.rate == nil {
		return
	}
	m.level = min(m.level+gap.Seconds()*m.rate.PerSecond, m.rate.Burst) - j.weight
	if m.level < -inexact {
		st.complain("job %v: started %v calls too early for the rate of %+v", j, -m.level, *m.rate)
	}
}

// A purse keeps count of what has been spent of a budget since it was opened, by
// jobs of which that is known.
type purse struct {
	pipeline.Budget
	mu     sync.Mutex
	opened time.Time
	spent  []*spending // within the window
	sum    int64
}

// A spending is what an attempt has reserved, or used.
type spending struct {
	purse  *purse
	at     time.Time
	tokens int64
	over   bool // does not count any more
}

func newPurse(b pipeline.Budget) *purse { return &purse{Budget: b, opened: time.Now()} }

// spend takes what an attempt at a job reserves. What starts in the moment in
// which the purse is opened may have been let through before.
func (p *purse) spend(st *station, j job, now time.Time) *spending {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &spending{purse: p, at: now, tokens: p.price(j), over: !now.After(p.opened)}
	if s.over {
		return s
	}
	p.expire(now)
	p.spent = append(p.spent, s)
	p.sum += s.tokens
	if p.sum > p.Tokens {
		st.complain("job %v: %d of budget %+v spent", j, p.sum, p.Budget)
	}
	return s
}

// price is what a job reserves; what it will use is not known.
func (p *purse) price(j job) int64 {
	if p.Requests {
		return int64(math.Ceil(j.weight))
	}
	return max(j.tokens, 0)
}

func (p *purse) expire(now time.Time) {
	for len(p.spent) > 0 && now.Sub(p.spent[0].at) >= p.Window {
		p.spent[0].over = true
		p.sum -= p.spent[0].tokens
		p.spent = p.spent[1:]
	}
}

// settle replaces what an attempt had reserved by what it used, which is no more.
func (s *spending) settle(a *attempt) {
	s.purse.mu.Lock()
	defer s.purse.mu.Unlock()
	if s.over || s.purse.Requests || a.job.tokens < 0 {
		return
	}
	used := int64(0)
	switch {
	case a.answer.tokens >= 0:
		used = a.answer.tokens
	case a.last == nil:
		used = a.job.tokens
	}
	s.purse.sum += used - s.tokens
	s.tokens = used
}
