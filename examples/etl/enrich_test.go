package main

import (
	"net/http"
	"testing"
	"time"
)

func TestRetryAfterInBothForms(t *testing.T) {
	now := time.Date(2026, 6, 21, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"3":                             3 * time.Second,
		"1":                             0,
		"-3":                            0,
		"soon":                          0,
		"Sun, 21 Jun 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 21 Jun 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: got %v, want %v", value, got, want)
		}
	}
}
