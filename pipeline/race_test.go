//go:build race

package pipeline_test

// There is less of everything when each memory access is watched.
const (
	schedules = "4"
	aMillion  = 5_000
	aFew      = 4
	aTable    = 3_000
	aRead     = 300
	manyKeys  = 20_000
	windows   = 12
)
