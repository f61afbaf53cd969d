//go:build !race

package main

const jobsEach = 500 // of a round over one wire
