package main

import "fmt"

// mixed draws a service of one of the families without faults, and mixes chance and bad jobs in.
func (d dice) mixed() scenario {
	s := draw(families[d.IntN(withoutFaults)], d.Rand, d.length)
	share, as := logUniform(d.Rand, 0.001, 0.02), []status{refused, failed}[d.IntN(2)]
	bad := logUniform(d.Rand, 0.001, 0.02)
	m := d.manners(&s, silent)
	s.service = &poison{service: s.service, status: failed}
	s.about = s.family + ": " + s.about
	d.unlucky(&s, m, share, as)
	s.about += fmt.Sprintf("; %.2g%% of the jobs always fail", 100*bad)
	s.bad = func() bool { return d.Float64() < bad }

	// What the service can do goes into good jobs, all attempts of bad ones, and what fails by chance. What is refused by
	// chance takes a worker's time only, which matters where nothing else is short.
	lost := share
	if as == refused && (s.family != "noise" || m.refusal > 0) {
		lost = 0
	}
	s.oracle *= (1 - bad) / ((1-bad)/(1-lost) + float64(s.attempts)*bad)
	s.family = "mixed"
	return s
}
