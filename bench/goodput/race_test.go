//go:build race

package main

// One service of a family runs the same code as the next: that is enough to find a race.
const servicesEach = 1
