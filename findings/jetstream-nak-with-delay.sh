#!/usr/bin/env bash
# github.com/nats-io/nats-server/v2 v2.15.3 with nats.go v1.55.0 (Go modules), a JetStream consumer.
#
# Nobody works on a message that was put off by NakWithDelay, but it counts against MaxAckPending until it comes again. So 1,000 of
# them (the default) that are put off by an hour stop the consumer for an hour, while nothing is in work. Who limits what
# is in work by MaxAckPending, and puts off what a service refuses, stands still after as many refusals. The reference speaks of
# messages without an acknowledgement (asked in nats-io/nats.go#968, seen in nats-io/nats-server#6093).
#
# Seen, 10 messages at a consumer with MaxAckPending at 3, that puts off the first three by two seconds:
#   after 1s: 3 delivered, none in work, 7 wait
#   after 4s: 13 delivered
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
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func main() {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: "store"})
	must(err)
	go s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		fmt.Println("the server does not start")
		os.Exit(1)
	}
	conn, err := nats.Connect(s.ClientURL())
	must(err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	must(err)

	ctx := context.Background()
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "jobs", Subjects: []string{"jobs"}})
	must(err)
	for range 10 {
		_, err := js.Publish(ctx, "jobs", nil)
		must(err)
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 3})
	must(err)
	var delivered, working atomic.Int32
	consuming, err := consumer.Consume(func(message jetstream.Msg) {
		working.Add(1)
		defer working.Add(-1)
		if delivered.Add(1) <= 3 {
			must(message.NakWithDelay(2 * time.Second))
			return
		}
		must(message.Ack())
	})
	must(err)
	defer consuming.Stop()

	time.Sleep(time.Second)
	info, err := consumer.Info(ctx)
	must(err)
	held, inWork := delivered.Load(), working.Load()
	fmt.Printf("after 1s: %d delivered, %d in work, %d wait\n", held, inWork, info.NumPending)
	time.Sleep(3 * time.Second)
	fmt.Printf("after 4s: %d delivered\n", delivered.Load())
	if held != 3 || inWork != 0 || info.NumPending != 7 || delivered.Load() != 13 {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get github.com/nats-io/nats-server/v2@v2.15.3 github.com/nats-io/nats.go@v1.55.0 2>/dev/null
go run .
