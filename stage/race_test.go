//go:build race

package stage

// There is less of everything when each memory access is watched.
const (
	underRace = true
	rounds    = 3_000
	Schedules = "10"
)
