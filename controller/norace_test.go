//go:build !race

package controller

const (
	schedules = "100" // of each property
	thinned   = 1     // one seed in so many is tried
	watched   = 1     // times as much a law costs
)
