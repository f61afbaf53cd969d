//go:build race

package main

// Each minute runs the same code as the one before: a few are enough to find a race.
const minutes = 1
