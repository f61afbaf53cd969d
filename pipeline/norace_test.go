//go:build !race

package pipeline_test

const (
	schedules = "40" // of each property
	aMillion  = 1_000_000
	aFew      = 20
	windows   = 60 // of a quota
)
