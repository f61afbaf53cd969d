//go:build !unix

package main

import "time"

// ownCPU is not known here: only the proxy's processor time is counted.
func ownCPU() time.Duration { return 0 }
