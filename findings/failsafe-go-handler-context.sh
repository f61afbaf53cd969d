#!/usr/bin/env bash
# github.com/failsafe-go/failsafe-go v0.9.8 (Go module), failsafehttp.NewHandler with an adaptivelimiter.
#
# The policies of a handler run without the request's context. A request whose client has gone while it waits for a permit
# goes on waiting until the limiter's maximum wait is over. An executor for each request, with
# failsafe.With(limiter).WithContext(r.Context()), has it; without that, a prioritized limiter cannot see the request's
# priority either.
#
# Seen, of a client who leaves after 100ms while another request holds the one permit, for which a second is waited:
#   NewHandler                    waits 1.01s
#   an executor with the context  waits 110ms
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
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
)

// waits returns how long a request waits whose client leaves after 100 ms, while another one has the permit.
func waits(door func(http.Handler, failsafe.Policy[*http.Response]) http.Handler) time.Duration {
	begun, goOn := make(chan struct{}), make(chan struct{})
	work := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(begun)
		<-goOn
	})
	limiter := adaptivelimiter.NewBuilder[*http.Response]().WithLimits(1, 1, 1).WithMaxWaitTime(time.Second).Build()
	handler := door(work, limiter)
	first := make(chan struct{})
	go func() {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		close(first)
	}()
	<-begun
	ctx, leave := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer leave()
	begin := time.Now()
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	waited := time.Since(begin)
	close(goOn)
	<-first
	return waited
}

func main() {
	plain := waits(func(work http.Handler, limiter failsafe.Policy[*http.Response]) http.Handler {
		return failsafehttp.NewHandler(work, limiter)
	})
	each := waits(func(work http.Handler, limiter failsafe.Policy[*http.Response]) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			failsafehttp.NewHandlerWithExecutor(work, failsafe.With(limiter).WithContext(r.Context())).ServeHTTP(w, r)
		})
	})
	fmt.Printf("NewHandler                    waits %v\n", plain.Round(10*time.Millisecond))
	fmt.Printf("an executor with the context  waits %v\n", each.Round(10*time.Millisecond))
	if plain < 900*time.Millisecond || each > 500*time.Millisecond {
		os.Exit(1)
	}
}
GO
go mod init seen 2>/dev/null
go get github.com/failsafe-go/failsafe-go@v0.9.8 2>/dev/null
go run .
