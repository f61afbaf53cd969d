package controller

import (
	"flag"
	"testing"
)

// TestMain tries each property on so many schedules, unless -rapid.checks says
// otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", schedules); err != nil {
		panic(err)
	}
	flag.Parse()
	m.Run()
}
