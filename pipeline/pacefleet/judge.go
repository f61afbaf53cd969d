package pacefleet

import (
	"slices"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// gather keeps what came of the attempts of a report until the law is stepped through them.
// Times are the leader's from then on.
func (d *leader) gather(now time.Time, m *follower, r report) {
	shift := now.Sub(r.Sent)
	for _, run := range r.Runs {
		run.Outcomes(func(o controller.Outcome) {
			before := m.before(r, o.Start)
			o.Start = o.Start.Add(shift)
			o.InFlight -= r.InFlight // the others are added later
			d.heard = append(d.heard, heard{o, before})
			d.troubled = d.troubled || o.Overloads()
		})
	}
}

// heard is what came of an attempt, and the time before which the law may take it to have
// started; zero: any.
type heard struct {
	controller.Outcome
	before time.Time
}

func (h heard) end() time.Time { return h.Start.Add(h.Took) }

// judge steps the law through what came of attempts, in the order in which they ended, up to
// the time of which all have told.
func (d *leader) judge(now time.Time) {
	known := d.known(now)
	if !known.After(d.judged) {
		return
	}
	d.judged = known
	d.starts.note(known, d.total(known))
	inFlight, hungry := 0, false
	for _, m := range d.order {
		inFlight += m.report.InFlight
		hungry = hungry || m.report.Hungry.any()
	}
	paced := hungry && d.setting.Interval > 0 && inFlight < d.setting.Limit
	slices.SortStableFunc(d.heard, func(a, b heard) int { return a.end().Compare(b.end()) })
	n, gap := 0, d.starts.gap()
	for _, o := range d.heard {
		if o.end().After(known) {
			break
		}
		n++
		if o.Verdict == controller.Succeeded {
			o.Seq = max(d.starts.number(o.Start), 1)
		} else {
			o.Seq = d.starts.take(o.Start)
		}
		if o.Verdict != controller.Succeeded {
			o.Took = now.Sub(o.Start) // so long it took to hear of it
		}
		o.InFlight = max(o.InFlight+inFlight, 1)
		o.Gap = gap
		o.Paced = o.Paced || paced // where slots go round, it is what holds up all together
		if !o.before.IsZero() && o.Start.After(o.before) {
			o.Start = o.before.Add(-1)
		}
		d.put(now, d.law.Next(now, o.Outcome))
	}
	d.heard = append(d.heard[:0], d.heard[n:]...)
	if n > 0 && len(d.heard) == 0 {
		d.troubled = false
	}
}

// known returns until when all have told what came of their attempts. Who has not been heard
// of for long is not waited for.
func (d *leader) known(now time.Time) time.Time {
	known := now
	for _, m := range d.order {
		if m.heard.Before(known) && now.Sub(m.heard) < 2*reportEvery {
			known = m.heard
		}
	}
	return known
}

// poll reports whether all are to report at once, because something was refused: where that
// stood among what was accepted says where the limit is.
func (d *leader) poll(now time.Time) bool {
	if !d.troubled || now.Sub(d.polled) < max(pollSoonest, time.Duration(len(d.order))*pollEach) {
		return false
	}
	d.polled, d.troubled = now, false
	return true
}

// total returns how many attempts had started at a time.
func (d *leader) total(at time.Time) float64 {
	n := d.before
	for _, m := range d.order {
		n += m.startedBy(at)
	}
	return n
}
