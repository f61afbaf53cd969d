//go:build !race

package pacejournal

const (
	schedules  = "100" // of the property
	mostKilled = 12    // processes
	cuts       = 60    // of a log
)
