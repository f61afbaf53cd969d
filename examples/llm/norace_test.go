//go:build !race

package main

const minutes = 10 // of the server's time, that a quota is used for

const mostByChance = 0.03 // share of refusals that the server's headers say nothing of
