#!/usr/bin/env bash
# github.com/aws/aws-sdk-go-v2 v1.48.0, with service/sts v1.52.0 (Go modules), default retryer.
#
# A 503 with "Retry-After: 3", as a load balancer or a proxy sends it, is not listened to: the next attempt comes within
# the random backoff, a tenth of a second or so. Only "X-Amz-Retry-After", in milliseconds, is (and at most 5 s of it).
#
# Seen, the time before the second attempt:
#   Retry-After: 3           13ms
#   X-Amz-Retry-After: 3000  3.002s
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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func credentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "none", SecretAccessKey: "none"}, nil
}

// wait returns how long the second attempt comes after the first was told to wait.
func wait(header, value string) time.Duration {
	var attempts []time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		attempts = append(attempts, time.Now())
		w.Header().Set(header, value)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	client := sts.New(sts.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: aws.CredentialsProviderFunc(credentials), RetryMaxAttempts: 2,
	})
	_, err := client.GetCallerIdentity(context.Background(), nil)
	if err == nil || len(attempts) != 2 {
		fmt.Printf("%d attempts, error %v\n", len(attempts), err)
		os.Exit(1)
	}
	between := attempts[1].Sub(attempts[0])
	fmt.Printf("%s: %s  %v\n", header, value, between.Round(time.Millisecond))
	return between
}

func main() {
	if wait("Retry-After", "3") >= 2*time.Second || wait("X-Amz-Retry-After", "3000") < 2900*time.Millisecond {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/aws/aws-sdk-go-v2@v1.48.0 github.com/aws/aws-sdk-go-v2/service/sts@v1.52.0 2>/dev/null
go run .
