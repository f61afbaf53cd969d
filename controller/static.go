package controller

import "time"

// Static keeps the limit and the interval as they were configured.
type Static struct{}

// Start returns a law that never changes its setting.
func (Static) Start(b Bounds) (Law, Setting) {
	s := Setting{Limit: b.InitialLimit, Interval: b.MinInterval}
	return static(s), s
}

type static Setting

func (s static) Next(time.Time, Outcome) Setting { return Setting(s) }
