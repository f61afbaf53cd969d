//go:build !race

package controller

const (
	schedules = "100" // of each property
	thinned   = 1     // one seed in so many is tried
)
