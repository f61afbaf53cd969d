//go:build race

package main

// Each minute runs the same code as the one before: one or two are enough to find a race.
const minutes = 1

// With 3% by chance, several may come together in the start, which ends it early. A minute is too short to make up for that.
const mostByChance = 0.02
