package paceterm

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/paceline-go/paceline/pipeline"
)

const rateWindow = 2 * time.Second // over which the rate is measured

// A meter measures what a snapshot does not tell: how many jobs are done a second.
type meter struct {
	started time.Time
	samples []count // of the rate's window, the oldest first
	first   count
	newest  float64 // rate that was measured
}

// count is how many jobs were done at some time.
type count struct {
	at   time.Time
	done int64
}

func newMeter(now time.Time, s pipeline.Snapshot) *meter {
	c := count{now, done(s)}
	return &meter{started: now, samples: []count{c}, first: c}
}

func done(s pipeline.Snapshot) int64 { return s.Completed + s.Failed }

// rate is jobs per second over the window that ends now.
func (m *meter) rate(now time.Time, s pipeline.Snapshot) float64 {
	if newest := m.samples[len(m.samples)-1]; now.Sub(newest.at) < beat/2 {
		return m.newest // what is in between two beats tells nothing of a rate
	}
	m.samples = append(m.samples, count{now, done(s)})
	for len(m.samples) > 2 && now.Sub(m.samples[1].at) >= rateWindow {
		m.samples = m.samples[1:]
	}
	m.newest = m.samples[len(m.samples)-1].since(m.samples[0])
	return m.newest
}

// idle reports whether nothing has been done at all.
func (m *meter) idle(s pipeline.Snapshot) bool { return done(s) == m.first.done }

// last is what is told at the end.
func (m *meter) last(now time.Time, s pipeline.Snapshot) []part {
	mean := count{now, done(s)}.since(m.first)
	return []part{{"in " + short(now.Sub(m.started)).String(), 0}, {number(mean) + "/s", 1}}
}

func (c count) since(before count) float64 {
	passed := c.at.Sub(before.at).Seconds()
	if passed <= 0 {
		return 0
	}
	return float64(c.done-before.done) / passed
}

// A part is a piece of the line. Where there is no room for all, those with the
// highest number go first.
type part struct {
	text string
	drop int
}

const lastPart = 6 // the highest number

// parts are what is told of a throttle beside how much is done.
func parts(rate float64, s pipeline.Snapshot) []part {
	state := state(s)
	p := []part{
		{fmt.Sprintf("%4s/s", number(rate)), 0},
		{fmt.Sprintf("limit %2d", s.Concurrency), 3},
	}
	if s.DispatchInterval > 0 {
		p = append(p, part{fmt.Sprintf("interval %-6v", short(s.DispatchInterval)), 5})
	}
	if s.Reason != pipeline.NoReason && s.Reason.String() != state { // or it would be said twice
		p = append(p, part{s.Reason.String(), lastPart})
	}
	if b := fullest(s.Budgets); b != nil {
		p = append(p, part{budget(*b), 4})
	}
	if s.Total > 0 {
		p = append(p, part{"ETA " + eta(s), 1})
	}
	if state != "" {
		p = append(p, part{state, 2})
	}
	if text := trouble(s); text != "" {
		p = append(p, part{text, 4})
	}
	return p
}

// fit joins parts, without as many of them as it takes for no more than room
// columns.
func fit(all []part, room int) string {
	for drop := lastPart; drop >= 0; drop-- {
		var kept []string
		for _, p := range all {
			if p.drop <= drop {
				kept = append(kept, p.text)
			}
		}
		text := strings.Join(kept, "  ")
		if utf8.RuneCountInString(text) <= room {
			return text
		}
	}
	return ""
}

// state says what keeps the throttle from working as it should, if anything does.
func state(s pipeline.Snapshot) string {
	switch {
	case s.PausedFor > 0:
		return "paused " + short(s.PausedFor.Round(time.Second)).String()
	case s.Circuit == pipeline.BreakerHalfOpen:
		return "half-open"
	case s.State == pipeline.Running:
		return ""
	}
	return strings.ReplaceAll(s.State.String(), "_", " ")
}

// mostTrouble is how many letters of an error are shown: about what is left beside the
// rest on a terminal of 120 columns.
const mostTrouble = 40

// trouble is the last error while the service is down, or nothing has ever succeeded.
func trouble(s pipeline.Snapshot) (text string) {
	if s.LastError == nil || s.State != pipeline.Down && s.State != pipeline.CircuitOpen && s.Attempts.Succeeded > 0 {
		return ""
	}
	defer func() {
		if recover() != nil { // its method is the user's
			text = fmt.Sprintf("%T", s.LastError)
		}
	}()
	letters := []rune(strings.Join(strings.Fields(s.LastError.Error()), " "))
	if len(letters) > mostTrouble {
		letters = append(letters[:mostTrouble-1], '…')
	}
	return string(letters)
}

func eta(s pipeline.Snapshot) string {
	if s.ETA < 0 {
		return "?"
	}
	return s.ETA.Round(time.Second).String()
}

// fullest returns the budget of which the greatest share is used; nil without any.
func fullest(budgets []pipeline.BudgetSnapshot) (most *pipeline.BudgetSnapshot) {
	share := func(b *pipeline.BudgetSnapshot) float64 { return float64(b.Used) / float64(b.Tokens) }
	for i := range budgets {
		if most == nil || share(&budgets[i]) > share(most) {
			most = &budgets[i]
		}
	}
	return most
}

// budget tells what is used of a budget within its window.
func budget(b pipeline.BudgetSnapshot) string {
	name := b.Name
	switch {
	case name != "":
	case b.Requests:
		name = "requests"
	default:
		name = cmp.Or(b.Counts, "tokens")
	}
	if b.Window == pipeline.Forever {
		return fmt.Sprintf("%s %5s of %s", name, si(b.Used), si(b.Tokens))
	}
	return fmt.Sprintf("%s %5s of %s/%s", name, si(b.Used), si(b.Tokens), window(b.Window))
}

// window is a length of time as in "per minute".
func window(d time.Duration) string {
	switch d {
	case time.Second:
		return "s"
	case time.Minute:
		return "min"
	case time.Hour:
		return "h"
	case 24 * time.Hour:
		return "day"
	}
	return d.String()
}

// si shortens thousands and millions.
func si(n int64) string {
	if n < 10_000 {
		return humanize.Comma(n)
	}
	value, prefix := humanize.ComputeSI(float64(n))
	return fmt.Sprintf("%.3g%s", value, prefix)
}

// number has a digit behind the point only where it matters.
func number(n float64) string {
	if n > 0 && n < 9.95 {
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

// short drops the digits that nobody reads.
func short(d time.Duration) time.Duration {
	for unit := time.Second; unit >= 10; unit /= 10 {
		if d >= unit {
			return d.Round(unit / 10)
		}
	}
	return d
}
