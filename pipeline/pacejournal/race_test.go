//go:build race

package pacejournal

// There is less of everything when each memory access is watched.
const (
	schedules  = "20"
	mostKilled = 4
	cuts       = 12
)
