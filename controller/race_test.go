//go:build race

package controller

// There is less of everything when each memory access is watched. A simulation of a law is
// one goroutine, so a few seeds of it show what there is to be seen.
const (
	schedules = "10"
	thinned   = 5
	watched   = 3 // times as much a law costs, in terms of one that does nothing
)
