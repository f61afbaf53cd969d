package main

import (
	"testing"
	"time"
)

// A client that is told the limits and obeys them comes near the goodput that counts as 100%. No client gets more.
func TestWhoIsToldTheLimitsGetsWhatCanBeHad(t *testing.T) {
	for family, least := range map[string]float64{
		"bad rows":       0.9,
		"chance":         0.9,
		"hosted model":   0.8, // it makes no use of the quota that is there at the start, a tenth of a run of ten minutes
		"pauses":         0.9,
		"sliding window": 0.9,
	} {
		p := plan{seed: 11, length: 10 * time.Minute}
		for number, tried := 0, 0; tried < servicesEach; number++ {
			if p.service(family, number).rate(0) > 150 {
				continue // takes long
			}
			tried++
			s := p.prepare(t, family, number)
			if o := race(t, contestant{call: toldStatic}, s); o.Goodput < least || o.Goodput > 1.05 || o.TooOften > 0 {
				t.Errorf("%s, service %d: %s: got goodput %v, %d jobs tried too often; want nearly all, and none",
					family, number, s.about, o.Goodput, o.TooOften)
			}
		}
	}
}
