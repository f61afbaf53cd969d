//go:build race

package main

// Each minute runs the same code as the one before: one or two are enough to find a race.
const minutes = 1
