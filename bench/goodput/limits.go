package main

import (
	"math"
	"math/rand/v2"
	"time"
)

// A limit over time. Its integral says how much a bucket has been given.
type limit struct {
	at    func(time.Duration) float64
	total func(time.Duration) float64 // from 0, in units of at times seconds
}

func constant(l float64) limit {
	return limit{
		at:    func(time.Duration) float64 { return l },
		total: func(t time.Duration) float64 { return l * t.Seconds() },
	}
}

// steps changes at random times by factors of 1.5 to 10, within lowest and highest.
func steps(random *rand.Rand, lowest, highest float64, length time.Duration) limit {
	type step struct {
		from  time.Duration
		level float64
		total float64
	}
	all := []step{{0, logUniform(random, lowest, highest), 0}}
	for {
		last := all[len(all)-1]
		from := last.from + time.Duration(uniform(random, 60, 150)*float64(time.Second))
		if from >= length {
			break
		}
		factor := logUniform(random, 1.5, 10)
		if random.IntN(2) == 0 {
			factor = 1 / factor
		}
		if level := last.level * factor; level < lowest || level > highest {
			factor = 1 / factor
		}
		level := min(max(last.level*factor, lowest), highest)
		all = append(all, step{from, level, last.total + last.level*(from-last.from).Seconds()})
	}
	find := func(t time.Duration) step {
		i := len(all) - 1
		for all[i].from > t {
			i--
		}
		return all[i]
	}
	return limit{
		at: func(t time.Duration) float64 { return find(t).level },
		total: func(t time.Duration) float64 {
			s := find(t)
			return s.total + s.level*(t-s.from).Seconds()
		},
	}
}

// tide goes up and down around a mean, as a service does with the time of day, if days were minutes.
func tide(random *rand.Rand, mean float64) limit {
	height := uniform(random, 0.2, 0.6)
	omega := 2 * math.Pi / uniform(random, 2*60, 20*60)
	phase := uniform(random, 0, 2*math.Pi)
	return limit{
		at: func(t time.Duration) float64 { return mean * (1 + height*math.Sin(omega*t.Seconds()+phase)) },
		total: func(t time.Duration) float64 {
			return mean * (t.Seconds() + height/omega*(math.Cos(phase)-math.Cos(omega*t.Seconds()+phase)))
		},
	}
}

// latency is lognormal.
type latency struct {
	random *rand.Rand
	mean   time.Duration
	sigma  float64
}

func (l latency) draw() time.Duration {
	x := math.Exp(l.sigma*l.random.NormFloat64() - l.sigma*l.sigma/2)
	return time.Duration(x * float64(l.mean))
}

func (l latency) p99() time.Duration {
	return time.Duration(math.Exp(l.sigma*2.326-l.sigma*l.sigma/2) * float64(l.mean))
}

// cv2 is the square of the coefficient of variation.
func (l latency) cv2() float64 { return math.Exp(l.sigma*l.sigma) - 1 }
