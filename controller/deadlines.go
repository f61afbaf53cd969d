package controller

import "time"

// Deadlines knows of single calls which have too little time left to be worth an
// attempt. Calls differ: that one took long says nothing of another one that has less
// time. So a time is too short only if an attempt with as much or more has met its
// deadline recently, and no success was as quick. And as nobody would see that the service
// has recovered if nothing were sent, now and then one is let through all the same. Its
// zero value knows nothing.
type Deadlines struct {
	quickest Quickest
	missed   time.Duration // the most time that an attempt had which met its deadline
	at       time.Time     // when one did so last, or was let through all the same
}

const (
	// missedMemory is how long it is believed that a time was too short.
	missedMemory = quickestMemory

	// trialEvery is how often an attempt is let through whose time seems to be too
	// short. Chosen: six in a minute cost next to nothing.
	trialEvery = 10 * time.Second
)

// Succeed takes the time that a success took.
func (d *Deadlines) Succeed(now time.Time, took time.Duration) { d.quickest.Add(now, took) }

// Miss notes that an attempt has met its deadline, for which it had so much time.
func (d *Deadlines) Miss(now time.Time, had time.Duration) {
	if now.Sub(d.at) > missedMemory {
		d.missed = 0
	}
	d.missed, d.at = max(d.missed, had), now
}

// Start notes that an attempt starts that has so much time.
func (d *Deadlines) Start(now time.Time, has time.Duration) {
	if d.missed > 0 && has < d.short(now) {
		d.at = now
	}
}

// Needs returns the time that an attempt is known to need: 0 if nothing is known, or if one
// is to be let through.
func (d *Deadlines) Needs(now time.Time) time.Duration {
	if now.Sub(d.at) >= trialEvery {
		return 0
	}
	return d.short(now)
}

// short returns the time below which no attempt has ended recently.
func (d *Deadlines) short(now time.Time) time.Duration {
	return min(d.quickest.Least(now), d.missed+1)
}
