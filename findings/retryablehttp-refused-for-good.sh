#!/usr/bin/env bash
# github.com/hashicorp/go-retryablehttp v0.7.8 (Go module), NewClient as it comes.
#
# When its attempts are used up, the last answer is closed and gone, and the error has no status: nothing tells a refusal from a
# failure, or when to come again. ErrorPropagatedRetryPolicy, which is there to tell why, does so for a 500 and not for a 429.
# (PassthroughErrorHandler as the ErrorHandler returns the answer instead.) RetryWaitMax, which its comment calls the maximum
# time to wait, is none for what Retry-After asks for.
#
# Seen, of answers with "Retry-After: 1", where RetryWaitMax is 100 ms:
#   DefaultRetryPolicy          429  1s    GET URL giving up after 2 attempt(s)
#   DefaultRetryPolicy          500  10ms  GET URL giving up after 2 attempt(s)
#   ErrorPropagatedRetryPolicy  429  1s    GET URL giving up after 2 attempt(s)
#   ErrorPropagatedRetryPolicy  500  10ms  GET URL giving up after 2 attempt(s): unexpected HTTP status 500 Internal Server Error
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
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// call returns the time between the two attempts of a call, and whether its error
// has the status that both were answered with.
func call(name string, policy retryablehttp.CheckRetry, status int) (between time.Duration, told bool) {
	var attempts []time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		attempts = append(attempts, time.Now())
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
	}))
	defer server.Close()
	client := retryablehttp.NewClient()
	client.Logger, client.CheckRetry = nil, policy
	client.RetryMax, client.RetryWaitMin, client.RetryWaitMax = 1, 10*time.Millisecond, 100*time.Millisecond
	response, err := client.Get(server.URL)
	if response != nil || err == nil || len(attempts) != 2 {
		fmt.Printf("%d attempts, response %v, error %v\n", len(attempts), response, err)
		os.Exit(1)
	}
	between = attempts[1].Sub(attempts[0])
	text := strings.ReplaceAll(err.Error(), server.URL, "URL")
	fmt.Printf("%s  %d  %v  %s\n", name, status, between.Round(10*time.Millisecond), text)
	return between, strings.Contains(text, fmt.Sprint(status))
}

func main() {
	refused, told := call("DefaultRetryPolicy", retryablehttp.DefaultRetryPolicy, http.StatusTooManyRequests)
	_, failed := call("DefaultRetryPolicy", retryablehttp.DefaultRetryPolicy, http.StatusInternalServerError)
	_, why := call("ErrorPropagatedRetryPolicy", retryablehttp.ErrorPropagatedRetryPolicy, http.StatusTooManyRequests)
	_, known := call("ErrorPropagatedRetryPolicy", retryablehttp.ErrorPropagatedRetryPolicy, http.StatusInternalServerError)
	if refused < 900*time.Millisecond || told || failed || why || !known {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/hashicorp/go-retryablehttp@v0.7.8 2>/dev/null
go run .
