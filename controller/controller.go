package controller

import (
	"log/slog"
	"time"
)

// Config is what a Controller is made of.
type Config struct {
	Policy     Policy
	Bounds     Bounds
	TotalJobs  int            // 0: unknown
	OnEvent    func(Event)    // may be nil, block or panic
	OnProgress func(Snapshot) // may be nil, block or panic
	Logger     *slog.Logger   // may be nil
}

// A Report is what the dispatcher tells the controller: what has happened
// since the last one. The controller answers with the same report, its Setting
// filled in, so that two of them going back and forth are all there ever are.
type Report struct {
	Now      time.Time
	Outcomes []Outcome
	Events   []Event // what the gates did, in order
	Status   Status
	Asked    []chan<- Snapshot // each gets one; must have room for it

	Setting Setting // the answer: in force from now on
}

// Status is the dispatcher's part of a snapshot.
type Status struct {
	Circuit   CircuitState
	InFlight  int
	Completed int64
	Failed    int64
	Retries   int64
	Budgets   []BudgetSnapshot
	Closed    bool // no new work
	Drained   bool // nothing left of the old
}

// A Controller owns the policy and the progress. It is an actor: Run takes
// reports from a channel until that is closed, on a goroutine of its own.
// Between two runs its state is at rest.
type Controller struct {
	cfg      Config
	law      Law
	setting  Setting
	minute   *failureWindow // for laws that do not count themselves
	progress Progress
	progMark int64
	notifier *notifier
}

// lastMinute bounds how many failures a snapshot tells apart when the policy
// keeps no window of its own.
const lastMinute = 1000

// New returns a controller at rest.
func New(cfg Config, now time.Time) *Controller {
	law, setting := cfg.Policy.Start(cfg.Bounds)
	c := &Controller{
		cfg:      cfg,
		law:      law,
		setting:  setting.within(cfg.Bounds),
		minute:   newFailureWindow(lastMinute, time.Minute),
		progress: Progress{Total: int64(cfg.TotalJobs)},
		notifier: newNotifier(cfg),
	}
	c.progress.Begin(now)
	return c
}

// Setting returns the setting in force. Only the owner of a controller at rest
// may ask.
func (c *Controller) Setting() Setting { return c.setting }

// Listens reports whether anybody wants to know of events.
func (c *Controller) Listens() bool { return c.notifier.onEvent != nil || c.notifier.logger != nil }

// Run answers reports until the channel is closed.
func (c *Controller) Run(reports <-chan *Report, answer func(*Report)) {
	for r := range reports {
		c.observe(r)
		answer(r)
	}
}

func (c *Controller) observe(r *Report) {
	for _, o := range r.Outcomes {
		if o.Overloads() {
			c.minute.add(r.Now)
		}
		before := c.setting
		c.setting = c.next(r.Now, o)
		if c.setting != before {
			c.tellChange(r.Now, before)
		}
	}
	for _, e := range r.Events {
		c.notifier.event(e)
	}
	c.advance(r)
	for _, asked := range r.Asked {
		asked <- c.snapshot(r)
	}
	r.Setting = c.setting
}

// next steps the policy. One that panics leaves the setting as it was.
func (c *Controller) next(now time.Time, o Outcome) (s Setting) {
	defer func() {
		if v := recover(); v != nil {
			c.notifier.panicked("policy", v)
			s = c.setting
		}
	}()
	return c.law.Next(now, o).within(c.cfg.Bounds)
}

// tellChange turns the difference between two settings into events.
func (c *Controller) tellChange(now time.Time, from Setting) {
	to := c.setting
	tell := func(kind EventKind) {
		c.notifier.event(Event{Kind: kind, At: now, From: from, To: to, Wait: coolingLeft(kind, now, to)})
	}
	if to.Ceiling > from.Ceiling {
		tell(EventCeilingDecayed)
	}
	switch {
	case to.Limit < from.Limit || to.Interval > from.Interval:
		tell(EventDecelerated)
	case to.Limit > from.Limit || to.Interval < from.Interval:
		tell(EventReaccelerated)
	}
	if to.CoolUntil.After(from.CoolUntil) {
		tell(EventCoolingStarted)
	}
}

func coolingLeft(kind EventKind, now time.Time, s Setting) time.Duration {
	if kind != EventCoolingStarted {
		return 0
	}
	return s.CoolUntil.Sub(now)
}

// advance counts the jobs that are done and calls OnProgress at milestones: at
// each percent of a known total, else at most once a second.
func (c *Controller) advance(r *Report) {
	done := r.Status.Completed + r.Status.Failed
	fresh := done - c.progress.done
	if fresh <= 0 {
		return
	}
	c.progress.Add(r.Now, fresh)
	if c.notifier.onProgress == nil {
		return
	}
	mark := r.Now.Unix()
	if c.progress.Total > 0 {
		mark = int64(c.progress.Percentage())
	}
	if mark > c.progMark {
		c.progMark = mark
		c.notifier.progress(c.snapshot(r))
	}
}

func (c *Controller) snapshot(r *Report) Snapshot {
	s := Snapshot{
		State:            c.state(r),
		Circuit:          r.Status.Circuit,
		Concurrency:      c.setting.Limit,
		MaxConcurrency:   c.cfg.Bounds.MaxLimit,
		InFlight:         r.Status.InFlight,
		SafeCeiling:      c.setting.Ceiling,
		DispatchInterval: c.setting.Interval,
		Completed:        r.Status.Completed,
		Failed:           r.Status.Failed,
		Retries:          r.Status.Retries,
		Total:            c.progress.Total,
		FailureCount:     c.failures(r.Now),
		Percentage:       c.progress.Percentage(),
		ETA:              c.progress.ETA(r.Now),
		TokensRemaining:  -1,
		Budgets:          append([]BudgetSnapshot(nil), r.Status.Budgets...),
		DroppedEvents:    c.notifier.dropped,
	}
	if len(s.Budgets) > 0 {
		s.TokensUsed, s.TokensRemaining = s.Budgets[0].Used, s.Budgets[0].Remaining
	}
	return s
}

func (c *Controller) state(r *Report) State {
	switch {
	case r.Status.Drained:
		return Closed
	case r.Status.Closed:
		return Draining
	case r.Status.Circuit != BreakerClosed:
		return CircuitOpen
	case r.Now.Before(c.setting.CoolUntil):
		return Cooling
	}
	return Running
}

func (c *Controller) failures(now time.Time) int {
	if counts, ok := c.law.(interface{ Failures(time.Time) int }); ok {
		return counts.Failures(now)
	}
	return c.minute.count(now)
}
