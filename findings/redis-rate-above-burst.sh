#!/usr/bin/env bash
# github.com/go-redis/redis_rate/v10 v10.0.1 (Go module), on miniredis v2.40.0, with a clock that the program moves.
#
# An AllowN of more than the burst can never be allowed. It is refused with a RetryAfter nevertheless, the same each time: who waits
# as told, and asks again, does so for ever. Where jobs cost tokens of different numbers, one large job gets there. Of the
# others, WaitN of golang.org/x/time/rate returns an error, and throttled v2 a RetryAfter of -1.
#
# Seen, of 10 a second, asked again after what it said:
#   12 at once: RetryAfter 200ms, 200ms, 200ms, …, never allowed in 100 times
#   10 at once: allowed, then RetryAfter 1s, allowed
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
	"context"
	"fmt"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
)

// ask asks for n at once, up to a hundred times, each time after what was said. It
// returns how often it was allowed, and what it had to wait for each time it was not.
func ask(n int) (allowed int, waits []time.Duration) {
	server, err := miniredis.Run()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer server.Close()
	now := time.Now()
	server.SetTime(now)
	limiter := redis_rate.NewLimiter(redis.NewClient(&redis.Options{Addr: server.Addr()}))
	for range 100 {
		said, err := limiter.AllowN(context.Background(), "key", redis_rate.PerSecond(10), n)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		if said.Allowed == n {
			allowed++
			continue
		}
		wait := said.RetryAfter.Round(time.Millisecond)
		waits = append(waits, wait)
		now = now.Add(wait)
		server.SetTime(now)
		server.FastForward(wait)
	}
	return allowed, waits
}

func main() {
	never, waits := ask(12)
	fmt.Printf("12 at once: allowed %d times, waits %v…\n", never, waits[:3])
	often, _ := ask(10)
	fmt.Printf("10 at once: allowed %d times\n", often)
	if never != 0 || waits[0] <= 0 || waits[0] != waits[99] || often != 50 {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/go-redis/redis_rate/v10@v10.0.1 github.com/alicebob/miniredis/v2@v2.40.0 2>/dev/null
go run .
