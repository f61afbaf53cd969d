package controller

import (
	"testing"
	"time"
)

func TestDeadlinesNeedBothAMissAndNoQuickSuccess(t *testing.T) {
	const had = 5 * time.Second
	for name, test := range map[string]struct {
		success, miss time.Duration // 0: none
		after         time.Duration
		want          time.Duration
	}{
		"nothing is known":          {},
		"only a long success":       {success: 20 * time.Second},
		"only a miss":               {miss: had},
		"both":                      {success: 20 * time.Second, miss: had, want: had + 1},
		"a quick success":           {success: time.Second, miss: had, want: time.Second},
		"both, for ten seconds":     {success: 20 * time.Second, miss: had, after: trialEvery - 1, want: had + 1},
		"then one is to be let in":  {success: 20 * time.Second, miss: had, after: trialEvery},
		"a success that took a bit": {success: had + 1, miss: had, want: had + 1},
	} {
		var d Deadlines
		if test.success > 0 {
			d.Succeed(t0, test.success)
		}
		if test.miss > 0 {
			d.Miss(t0, test.miss)
		}
		if got := d.Needs(t0.Add(test.after)); got != test.want {
			t.Errorf("%s: needs %v, want %v", name, got, test.want)
		}
	}
}

func TestDeadlinesLetOneThroughNowAndThen(t *testing.T) {
	var d Deadlines
	d.Succeed(t0, 20*time.Second)
	d.Miss(t0, 5*time.Second)
	now, trials := t0, 0
	for range 60 {
		now = now.Add(time.Second)
		d.Succeed(now, 20*time.Second)
		for range 10 {
			if d.Needs(now) == 0 {
				d.Start(now, 3*time.Second)
				trials++
			}
		}
		d.Start(now, 6*time.Second) // has enough time, and is no trial
	}
	if trials != 6 {
		t.Errorf("%d let through in a minute, want 6", trials)
	}
}

func TestDeadlinesForgetTheLongestMissAfterAMinute(t *testing.T) {
	var d Deadlines
	d.Succeed(t0, 20*time.Second)
	d.Miss(t0, 9*time.Second)
	d.Miss(t0, 3*time.Second)
	if got := d.Needs(t0); got != 9*time.Second+1 {
		t.Errorf("needs %v, want more than the most that was too little", got)
	}
	now := t0.Add(missedMemory + 1)
	d.Succeed(now, 20*time.Second)
	d.Miss(now, 3*time.Second)
	if got := d.Needs(now); got != 3*time.Second+1 {
		t.Errorf("needs %v, want what was seen within a minute", got)
	}
}

func TestDeadlinesBelieveInAMissForAMinute(t *testing.T) {
	for after, want := range map[time.Duration]time.Duration{time.Minute: 9*time.Second + 1, time.Minute + 1: 3*time.Second + 1} {
		var d Deadlines
		now := t0.Add(after)
		d.Miss(t0, 9*time.Second)
		d.Succeed(now, 20*time.Second)
		d.Miss(now, 3*time.Second)
		if got := d.Needs(now); got != want {
			t.Errorf("after %v: needs %v, want %v", after, got, want)
		}
	}
}

func TestDeadlinesTrialIsOnlyAnAttemptThatHasTooLittle(t *testing.T) {
	for has, want := range map[time.Duration]time.Duration{5 * time.Second: 5*time.Second + 1, 5*time.Second + 1: 0} {
		var d Deadlines
		d.Succeed(t0, 20*time.Second)
		d.Miss(t0, 5*time.Second)
		d.Start(t0.Add(9*time.Second), has)
		if got := d.Needs(t0.Add(10 * time.Second)); got != want {
			t.Errorf("one started with %v: needs %v, want %v", has, got, want)
		}
	}
}
