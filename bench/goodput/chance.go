package main

import (
	"fmt"
	"math"
	"time"
)

// chance is a service at which a share of the attempts goes wrong, whatever the pressure.
type chance struct {
	service
	manners
	share  func(time.Duration) float64
	status status // of the answer then
}

// Arrive refuses before the service has had to do with the attempt, and fails after it has done the work.
func (c *chance) Arrive(now time.Duration, j job) answer {
	unlucky := c.latency.random.Float64() < c.share(now)
	if unlucky && c.status == refused {
		a := c.refuse(0)
		a.Fault = byChance
		return a
	}
	a := c.service.Arrive(now, j)
	if unlucky && a.Status == ok {
		a.Status, a.Fault = failed, byChance
	}
	return a
}

// unlucky puts chance before a service, at a share that does not change.
func (d dice) unlucky(s *scenario, m manners, share float64, as status) {
	m.hints = silent
	s.service = &chance{service: s.service, manners: m, share: func(time.Duration) float64 { return share }, status: as}
	s.about += fmt.Sprintf("; %.2g%% %s by chance", 100*share, as)
}

// chance draws a service without a limit, or with one of the rate or of concurrency, whose attempts go wrong by chance.
func (d dice) chance(s *scenario) {
	share := logUniform(d.Rand, 0.001, 0.05)
	as := []status{refused, failed}[d.IntN(2)]
	m := manners{}
	switch d.IntN(3) {
	case 0:
		m = d.unlimited(s, fastest)
		wasted := s.latency.mean
		if as == refused && m.refusal > 0 {
			wasted = m.refusal
		}
		each := s.latency
		each.mean += time.Duration(share / (1 - share) * float64(wasted))
		s.oracle = slotted(float64(s.workers), each, d.length)
	case 1:
		d.rate(s, constant(logUniform(d.Rand, slowest, fastest)), silent)
		m = s.service.(*bucket).manners
	case 2:
		d.slots(s, func() limit { return constant(math.Floor(logUniform(d.Rand, 1, mostAtOnce+1))) })
		m = s.service.(*slots).manners
	}
	if _, without := s.service.(*noise); !without && as == failed {
		s.oracle *= 1 - share // what fails has been worked on
	}
	d.unlucky(s, m, share, as)
}

// unlimited draws as many workers as the service has room for, and at most so many attempts a second.
func (d dice) unlimited(s *scenario, rate float64) manners {
	for {
		s.workers = int(logUniform(d.Rand, 1, mostAtOnce+1))
		if float64(s.workers)/s.latency.mean.Seconds() <= rate {
			break
		}
		s.latency = d.latency()
	}
	m := d.manners(s, silent)
	s.service = &noise{manners: m}
	s.about = fmt.Sprintf("no limit, %d workers, %s", s.workers, m)
	return m
}

func (s status) String() string { return []string{"ok", "refused", "failed"}[s] }
