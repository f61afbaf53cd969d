package controller

import (
	"math"
	"time"
)

// Leased is the policy of a throttle that is one of many under a common limit. It decides
// nothing: the limit and the interval are those of the lease in force, and what comes of
// attempts is kept as runs, for who decides. A package such as pacefleet does the rest.
type Leased struct {
	// Wake is sent to, if there is room, when an attempt ends with a sign of overload, and
	// when what comes first after a lease with WakeWhenHeld holds an attempt up; nil: nobody
	// wants to know.
	Wake chan<- struct{}
}

// Start returns a law that waits for a lease.
func (p Leased) Start(b Bounds) (Law, Setting) {
	l := &leased{Leased: p, setting: Setting{Limit: 1, Interval: b.MinInterval}}
	return l, l.setting
}

// Ring sends to Wake.
func (p Leased) Ring() {
	select {
	case p.Wake <- struct{}{}:
	default:
	}
}

// A Run is attempts that ended alike, in few words.
type Run struct {
	Verdict    Verdict       `json:"v"`
	N          int           `json:"n"`           // how many
	Start      time.Time     `json:"s"`           // when the first of them started
	Last       time.Time     `json:"l,omitzero"`  // when the last of them started; zero: N is 1
	Took       time.Duration `json:"t"`           // in the mean
	InFlight   int           `json:"f"`           // the sum of how many were in flight when each started, of this process
	Tokens     int64         `json:"k,omitempty"` // in all
	Attempt    int           `json:"a,omitempty"` // of its job
	Final      bool          `json:"e,omitempty"`
	Own        bool          `json:"o,omitempty"`
	Paced      bool          `json:"p,omitempty"`
	RetryAfter time.Duration `json:"r,omitempty"`
	Trouble    bool          `json:"b,omitempty"`
}

// mostRuns is how many runs are kept between two leases. Those that are no success are kept
// one by one as far as they fit, since where a refusal stood among the others says where
// the limit is. Chosen: a few kilobytes.
const mostRuns = 64

// leased is Leased at work.
type leased struct {
	Leased
	setting Setting
	runs    []Run
}

func (l *leased) Next(_ time.Time, o Outcome) Setting {
	l.add(Run{
		Verdict: o.Verdict, N: 1, Start: o.Start, Took: o.Took, InFlight: o.InFlight, Tokens: o.Tokens,
		Attempt: min(o.Attempt, 2), Final: o.Final, Own: o.Own, Paced: o.Paced, RetryAfter: o.RetryAfter,
		Trouble: o.Trouble,
	})
	if o.Overloads() {
		l.Ring()
	}
	return l.setting
}

// add keeps a run: successes with others like them, and the rest too when there are too
// many.
func (l *leased) add(r Run) {
	if r.Verdict == Succeeded || len(l.runs) >= mostRuns {
		for i := range l.runs {
			if l.runs[i].like(r) {
				l.runs[i].join(r)
				return
			}
		}
	}
	l.runs = append(l.runs, r)
}

func (r *Run) like(o Run) bool {
	return r.Verdict == o.Verdict && r.Final == o.Final && r.Own == o.Own && r.Paced == o.Paced &&
		r.Attempt == o.Attempt && r.Trouble == o.Trouble && (r.RetryAfter > 0) == (o.RetryAfter > 0)
}

// join adds one attempt to a run.
func (r *Run) join(o Run) {
	if r.N == 1 {
		r.Last = r.Start
	}
	r.N++
	if o.Start.After(r.Last) {
		r.Last = o.Start
	}
	if o.Start.Before(r.Start) {
		r.Start = o.Start
	}
	r.Took += (o.Took - r.Took) / time.Duration(r.N)
	r.InFlight += o.InFlight
	r.Tokens += o.Tokens
	r.RetryAfter = max(r.RetryAfter, o.RetryAfter)
}

// Outcomes calls yield with each attempt of the run, evenly spread over the time in which
// they started.
func (r Run) Outcomes(yield func(Outcome)) {
	gap := 0.
	if r.N > 1 {
		gap = float64(r.Last.Sub(r.Start)) / float64(r.N-1)
	}
	for i := range r.N {
		yield(Outcome{
			Verdict: r.Verdict, Final: r.Final, Attempt: r.Attempt, Own: r.Own, Paced: r.Paced,
			Start: r.Start.Add(time.Duration(math.Round(float64(i) * gap))), Took: r.Took, InFlight: (r.InFlight*(i+1))/r.N - r.InFlight*i/r.N,
			Tokens: r.Tokens / int64(r.N), RetryAfter: r.RetryAfter, Trouble: r.Trouble,
		})
	}
}

// Lend puts the setting of a lease in force and returns what has come of attempts since the
// last one; ok is false if the policy is not Leased. It is for visitors.
func (c *Controller) Lend(now time.Time, s Setting) (runs []Run, ok bool) {
	law, ok := c.law.(*leased)
	if !ok {
		return nil, false
	}
	runs, law.runs = law.runs, nil
	law.setting = s
	c.decide(now, s)
	return runs, true
}
