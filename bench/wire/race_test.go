//go:build race

package main

// There is less of everything when each memory access is watched.
const jobsEach = 150
