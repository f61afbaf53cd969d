#!/usr/bin/env bash
# google.golang.org/grpc v1.85.0 (Go module), retries by a retryPolicy in the service config.
#
# A RetryInfo in the status, by which Google's APIs and OTLP's servers say when to come again, is not looked at: the attempts
# come after the policy's own backoff, and are used up before the pause is over. Only the trailer grpc-retry-pushback-ms is,
# as gRFC A6 has it, and maxBackoff is no maximum for that. A server that wants every client to hear it sends both
# (open-telemetry/opentelemetry-specification#4513 is about that).
#
# Seen, the time before the second and the third attempt, maxBackoff 0.2 s, where the server asks for a second:
#   RetryInfo               100ms 200ms
#   grpc-retry-pushback-ms  1s 1s
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
	"net"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

const config = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "0.2s", "backoffMultiplier": 2,
	"retryableStatusCodes": ["RESOURCE_EXHAUSTED"]
}}]}`

// A service refuses every call, and says in one of two ways to come again in a second.
type service struct {
	health.UnimplementedHealthServer
	trailer  bool
	attempts []time.Time
}

func (s *service) Check(ctx context.Context, _ *health.HealthCheckRequest) (*health.HealthCheckResponse, error) {
	s.attempts = append(s.attempts, time.Now())
	refusal := status.New(codes.ResourceExhausted, "slow down")
	if s.trailer {
		must(grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "1000")))
		return nil, refusal.Err()
	}
	refusal, err := refusal.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	must(err)
	return nil, refusal.Err()
}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// waits prints and returns the times between the three attempts of a call.
func waits(name string, trailer bool) (second, third time.Duration) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server, s := grpc.NewServer(), &service{trailer: trailer}
	health.RegisterHealthServer(server, s)
	go server.Serve(listener)
	defer server.Stop()
	client, err := grpc.NewClient(listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(config))
	must(err)
	defer client.Close()
	_, err = health.NewHealthClient(client).Check(context.Background(), &health.HealthCheckRequest{})
	if status.Code(err) != codes.ResourceExhausted || len(s.attempts) != 3 {
		fmt.Printf("%d attempts, error %v\n", len(s.attempts), err)
		os.Exit(1)
	}
	second, third = s.attempts[1].Sub(s.attempts[0]), s.attempts[2].Sub(s.attempts[1])
	fmt.Printf("%s  %v %v\n", name, second.Round(10*time.Millisecond), third.Round(10*time.Millisecond))
	return second, third
}

func main() {
	second, third := waits("RetryInfo             ", false)
	told, again := waits("grpc-retry-pushback-ms", true)
	if second > 800*time.Millisecond || third > 800*time.Millisecond || told < 900*time.Millisecond || again < 900*time.Millisecond {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get google.golang.org/grpc@v1.85.0 google.golang.org/genproto/googleapis/rpc@v0.0.0-20261110000943-09e21b237f2c 2>/dev/null
go run .
