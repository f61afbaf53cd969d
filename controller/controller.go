package controller

import (
	"log/slog"
	"maps"
	"reflect"
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

// Listens reports whether anybody wants to know of events.
func (cfg Config) Listens() bool { return cfg.OnEvent != nil || cfg.Logger != nil }

// A Report is what the dispatcher tells the controller: what has happened
// since the last one. The controller answers with the same report, its Setting
// filled in, so that two of them going back and forth are all there ever are.
type Report struct {
	Now     time.Time
	Ends    []End
	Gap     time.Duration // measured between recent dispatches; 0: not known
	Events  []Event       // what the gates did, in order
	Status  Status
	Asked   []chan<- Snapshot   // each gets one; must have room for it
	Updates []Update            // of the configuration, in order
	Visits  []func(*Controller) // are called when all else is judged

	Urgent bool // the dispatcher waits for the answer

	Setting Setting // the answer: in force from now on
	Changed bool    // it is another one than before
}

// An Update is another configuration.
type Update struct {
	Config       Config
	Now          time.Time
	Events, Ends int // of the report that were before it
}

// An End is the end of an attempt, in few words: they cross from one processor
// to another for every job.
type End struct {
	Start      time.Duration // since the controller was made
	Took       time.Duration
	Tokens     int64
	Seq        int64
	RetryAfter time.Duration
	InFlight   int32
	Attempt    int32 // of its job, from 1
	Verdict    Verdict
	Final      bool
	Paced      bool
	Own        bool // the refusal is the job's own
	Trouble    bool // see Outcome
}

// Status is the dispatcher's part of a snapshot.
type Status struct {
	Circuit     CircuitState
	OpenFor     time.Duration // the circuit
	InFlight    int
	Waiting     int
	SetAside    int // of these
	PausedFor   time.Duration
	Quota       string        // the server's that is used up, if that is why
	Interval    time.Duration // at which a server's quota flows back, if it holds attempts up
	Completed   int64
	Failed      int64
	Retries     int64
	Hedges      int64
	Attempts    AttemptCounts
	LastRefused int64
	Tokens      int64
	Used        Amounts // not changed, but replaced
	HeldBy      Hold
	Held        HeldTimes
	Budgets     []BudgetSnapshot
	Limiters    []Limiter     // not changed, but replaced
	MeanTokens  int64         // that jobs used recently; 0: not known
	HoldFor     time.Duration // at least, before the next attempt may start
	LongHolds   time.Duration // that there were, in all
	LastError   error         // of an attempt
	LastErrorAt time.Time     // when it ended
	Since       time.Time     // since when there is something to do
	Closed      bool          // no new work
	Drained     bool          // nothing left of the old
}

// A Controller owns the policy and the progress. It is an actor: Run takes
// reports from a channel until that is closed, on a goroutine of its own.
// Between two runs its state is at rest.
type Controller struct {
	cfg      Config
	epoch    time.Time
	law      Law
	decided  Setting        // by the policy
	setting  Setting        // the same within the bounds
	before   Setting        // as of the last report
	took     time.Duration  // the last success
	minute   *failureWindow // for laws that do not count themselves
	progress Progress
	since    time.Time // as of the last report
	updated  int       // updates of the last report that were put in force
	progMark int64
	lastErr  error // as of the last report
	notifier *notifier
}

// lastMinute bounds how many failures a snapshot tells apart when the policy
// keeps no window of its own.
const lastMinute = 1000

// New returns a controller at rest, made at now.
func New(cfg Config, now time.Time) *Controller {
	law, setting := cfg.Policy.Start(cfg.Bounds)
	c := &Controller{
		cfg:      cfg,
		epoch:    now,
		law:      law,
		decided:  setting,
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

// Run answers reports until the channel is closed. If the policy ends its
// goroutine, it goes on on one that spawn starts.
func (c *Controller) Run(reports <-chan *Report, answer func(*Report), spawn func(func())) {
	var judging *Report
	defer func() {
		if judging != nil { // the policy has ended this goroutine, not the controller
			for _, u := range judging.Updates[c.updated:] {
				c.adopt(judging.Now, u.Config) // without asking the policy again
				c.decide(judging.Now, c.decided)
			}
			c.receive(judging)
			c.conclude(judging)
			answer(judging)
			spawn(func() { c.Run(reports, answer, spawn) })
		}
	}()
	for judging = range reports {
		c.observe(judging)
		answer(judging)
		judging = nil
	}
}

func (c *Controller) observe(r *Report) {
	c.before = c.setting
	c.lastErr = r.Status.LastError
	if r.Status.Since != c.since {
		c.since = r.Status.Since
		c.progress.Begin(r.worked(c.since)) // a rest is no time in which jobs were slow
	}
	events, ends := 0, 0
	c.updated = 0
	for _, u := range r.Updates {
		c.hear(u.Now, r.Gap, r.Events[events:u.Events], r.Ends[ends:u.Ends])
		events, ends = u.Events, u.Ends
		c.updated++
		c.update(u.Now, u.Config)
	}
	c.hear(r.Now, r.Gap, r.Events[events:], r.Ends[ends:])
	c.receive(r)
	c.conclude(r)
}

// receive calls the visitors that have not been called.
func (c *Controller) receive(r *Report) {
	for len(r.Visits) > 0 {
		visit := r.Visits[0]
		r.Visits = r.Visits[1:]
		visit(c)
	}
}

// hear takes what has happened under one configuration, up to now.
func (c *Controller) hear(now time.Time, gap time.Duration, events []Event, ends []End) {
	c.notifier.events(events)
	for len(ends) > 0 {
		ends = ends[c.step(now, gap, ends):]
	}
}

// update puts another configuration in force. A law that can go on under it
// does; else, if anything has changed for it, another one starts.
func (c *Controller) update(now time.Time, cfg Config) {
	old, next := c.cfg, c.decided
	c.adopt(now, cfg)
	defer func() { c.decide(now, next) }() // whatever the policy does, the bounds hold
	defer c.recoverPolicy()
	if law, ok := c.law.(interface {
		Update(Policy, Bounds) (Setting, bool)
	}); ok {
		if setting, ok := law.Update(cfg.Policy, cfg.Bounds); ok {
			next = setting
			return
		}
	}
	if old.Bounds != cfg.Bounds || !samePolicy(old.Policy, cfg.Policy) {
		c.law, next = cfg.Policy.Start(cfg.Bounds)
	}
}

// adopt takes over all of a configuration but what the policy makes of it.
func (c *Controller) adopt(now time.Time, cfg Config) {
	c.cfg = cfg
	c.notifier.to = callbacksOf(cfg)
	if total := int64(cfg.TotalJobs); total != c.progress.Total {
		c.progress.Total = total
		c.progMark = c.mark(now)
	}
}

// samePolicy compares policies, of which some cannot be compared.
func samePolicy(a, b Policy) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// decide puts what the policy decided in force.
func (c *Controller) decide(now time.Time, s Setting) {
	c.decided = s
	before := c.setting
	c.setting = s.within(c.cfg.Bounds)
	c.tellChange(now, before)
}

// recoverPolicy is deferred where the policy is called.
func (c *Controller) recoverPolicy() {
	if v := recover(); v != nil {
		c.notifier.panic(v)
	}
}

// conclude fills in the answer.
func (c *Controller) conclude(r *Report) {
	c.advance(r)
	for _, asked := range r.Asked {
		asked <- c.snapshot(r)
	}
	r.Setting, r.Changed = c.setting, c.setting != c.before
}

// step steps the policy through ends, and returns how many it took: all of
// them, or those up to one on which the policy panicked, which leaves the
// setting as it was.
func (c *Controller) step(now time.Time, gap time.Duration, ends []End) (taken int) {
	defer c.recoverPolicy()
	for i := range ends {
		taken++
		o := ends[i].outcome(c.epoch, gap)
		switch {
		case o.Overloads():
			c.minute.add(now)
		case o.Verdict == Succeeded:
			c.took = o.Took
		}
		decided := c.law.Next(now, o)
		if decided != c.decided {
			c.decide(now, decided)
		}
	}
	return taken
}

func (e *End) outcome(epoch time.Time, gap time.Duration) Outcome {
	return Outcome{
		Verdict:    e.Verdict,
		Final:      e.Final,
		Start:      epoch.Add(e.Start),
		Seq:        e.Seq,
		Took:       e.Took,
		InFlight:   int(e.InFlight),
		Paced:      e.Paced,
		Attempt:    int(e.Attempt),
		Own:        e.Own,
		Trouble:    e.Trouble,
		Gap:        gap,
		Tokens:     e.Tokens,
		RetryAfter: e.RetryAfter,
	}
}

// tellChange turns the difference between two settings into events.
func (c *Controller) tellChange(now time.Time, from Setting) {
	to := c.setting
	tell := func(kind EventKind) {
		e := Event{Kind: kind, At: now, From: from, To: to, Wait: coolingLeft(kind, now, to)}
		if kind == EventDown {
			e.Err = c.lastErr
		}
		c.notifier.event(e)
	}
	if to.Ceiling > from.Ceiling {
		tell(EventCeilingDecayed)
	}
	switch {
	case to.Limit < from.Limit, to.Interval > from.Interval && !c.faster(from, to):
		tell(EventDecelerated)
	case to.Limit > from.Limit || to.Interval < from.Interval:
		tell(EventReaccelerated)
	}
	switch {
	case to.Probing && !from.Probing:
		tell(EventDown)
	case from.Probing && !to.Probing:
		tell(EventBack)
	}
	if to.CoolUntil.After(from.CoolUntil) {
		tell(EventCoolingStarted)
	}
}

// faster reports whether a setting lets more start than one before it, though further apart:
// with few in flight, they could not start closer together, since each had to end first. The
// start only grows, whatever is known of how long attempts take.
func (c *Controller) faster(from, to Setting) bool {
	if to.Limit <= from.Limit || from.Limit <= 0 {
		return false
	}
	return to.Reason == ReasonStart || to.Interval <= c.took/time.Duration(from.Limit)
}

func coolingLeft(kind EventKind, now time.Time, s Setting) time.Duration {
	if kind != EventCoolingStarted {
		return 0
	}
	return s.CoolUntil.Sub(now)
}

// advance counts the jobs that are done and calls OnProgress at milestones: at
// each percent of a known total, else whenever a new second has begun.
func (c *Controller) advance(r *Report) {
	done := r.Status.Completed + r.Status.Failed
	fresh := done - c.progress.done
	if fresh <= 0 {
		return
	}
	c.progress.Add(r.worked(r.Now), fresh)
	if c.notifier.to.onProgress == nil {
		return
	}
	if mark := c.mark(r.Now); mark > c.progMark {
		c.progMark = mark
		c.notifier.progress(c.snapshot(r))
	}
}

// mark numbers the milestones.
func (c *Controller) mark(now time.Time) int64 {
	if c.progress.Total > 0 {
		return int64(c.progress.Percentage())
	}
	return now.Unix()
}

func (c *Controller) snapshot(r *Report) Snapshot {
	s := Snapshot{
		State:            c.state(r),
		Circuit:          r.Status.Circuit,
		CircuitOpenFor:   r.Status.OpenFor,
		Concurrency:      c.setting.Limit,
		MaxConcurrency:   c.cfg.Bounds.MaxLimit,
		InFlight:         r.Status.InFlight,
		Waiting:          r.Status.Waiting,
		SetAside:         r.Status.SetAside,
		PausedFor:        r.Status.PausedFor,
		Quota:            r.Status.Quota,
		SafeCeiling:      c.setting.Ceiling,
		DispatchInterval: max(c.setting.Interval, r.Status.Interval),
		Completed:        r.Status.Completed,
		Failed:           r.Status.Failed,
		Retries:          r.Status.Retries,
		Hedges:           r.Status.Hedges,
		Total:            c.progress.Total,
		Attempts:         r.Status.Attempts,
		LastRefused:      r.Status.LastRefused,
		Tokens:           r.Status.Tokens,
		Used:             maps.Clone(r.Status.Used),
		Reason:           c.setting.Reason,
		LastError:        r.Status.LastError,
		LastErrorAt:      r.Status.LastErrorAt,
		HeldBy:           r.Status.HeldBy,
		Held:             r.Status.Held,
		FailureCount:     c.failures(r.Now),
		Percentage:       c.progress.Percentage(),
		ETA:              c.eta(r),
		TokensRemaining:  -1,
		Budgets:          append([]BudgetSnapshot(nil), r.Status.Budgets...),
		Limiters:         r.Status.Limiters,
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
	case c.setting.Probing:
		return Down
	case r.Now.Before(c.setting.CoolUntil):
		return Cooling
	}
	return Running
}

// failures returns the policy's count of failures, or ours if it keeps none or
// panics.
func (c *Controller) failures(now time.Time) (n int) {
	defer func() {
		if v := recover(); v != nil {
			c.notifier.panic(v)
			n = c.minute.count(now)
		}
	}()
	if counts, ok := c.law.(interface{ Failures(time.Time) int }); ok {
		return counts.Failures(now)
	}
	return c.minute.count(now)
}
