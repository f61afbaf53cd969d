#!/usr/bin/env bash
# golang.org/x/time v0.16.0 (Go module), rate.Limiter.
#
# A reservation that is cancelled gives its token back only as far as nobody reserved after it, since those who did cannot be moved
# up. That stays so when they are cancelled, too: the tokens of the first ones are lost, and the next caller waits for a queue
# in which nobody is left. Wait does the same when its context is cancelled. So where the calls of a hundred clients hang on one
# context, or clients leave in the order in which they came, a limiter stands idle while others wait. The documentation says
# "as much as possible"; golang/go#56924, on the sum, is closed.
#
# Seen, of 10 a second, 20 reservations, of which all are cancelled 1 ms later:
#   in the order of their coming  the next one waits 1.999s
#   in the opposite order         the next one waits 99ms
#
# Needs Go. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GOFLAGS=-mod=mod

cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// wait returns how long a reservation waits after twenty others were all cancelled.
func wait(lastFirst bool) time.Duration {
	begin := time.Unix(0, 0)
	limiter := rate.NewLimiter(10, 1)
	limiter.AllowN(begin, 1)
	var reservations []*rate.Reservation
	for range 20 {
		reservations = append(reservations, limiter.ReserveN(begin, 1))
	}
	if lastFirst {
		slices.Reverse(reservations)
	}
	now := begin.Add(time.Millisecond)
	for _, r := range reservations {
		r.CancelAt(now)
	}
	return limiter.ReserveN(now, 1).DelayFrom(now).Round(time.Millisecond)
}

func main() {
	coming, opposite := wait(false), wait(true)
	fmt.Printf("in the order of their coming  the next one waits %v\n", coming)
	fmt.Printf("in the opposite order         the next one waits %v\n", opposite)
	if coming < 1900*time.Millisecond || opposite > 100*time.Millisecond {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get golang.org/x/time@v0.16.0 2>/dev/null
go run .
