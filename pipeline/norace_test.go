//go:build !race

package pipeline_test

const (
	schedules = "40" // of each property
	aMillion  = 1_000_000
	aFew      = 20
	aTable    = 5_000 // of rows
	aRead     = 1_000 // results
	manyKeys  = 100_000
	windows   = 60 // of a quota
)
