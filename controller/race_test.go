//go:build race

package controller

// There is less of everything when each memory access is watched.
const schedules = "10"
