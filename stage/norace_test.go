//go:build !race

package stage

const (
	underRace = false
	rounds    = 20_000 // of each race
	Schedules = "100"  // of each property
)
