//go:build !race

package main

import "os"

// minutes of the server's time that a quota is used for.
var minutes = quotaMinutes()

// quotaMinutes is ten with PACELINE_FULL, which CI sets.
func quotaMinutes() int {
	if os.Getenv("PACELINE_FULL") != "" {
		return 10
	}
	return 2
}

const mostByChance = 0.03 // share of refusals that the server's headers say nothing of
