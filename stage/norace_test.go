//go:build !race

package stage

const (
	rounds    = 20_000 // of each race
	Schedules = "100"  // of each property
)
