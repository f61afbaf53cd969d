package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/paceline-go/paceline/pipeline/pacenats"
)

func main() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server, err := pacenats.Serve(dir, "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	conn, err := nats.Connect(server.URL())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	queue, err := pacenats.OpenQueue[int, int](context.Background(), conn, "jobs", strconv.Itoa, pacenats.QueueOptions{})
	if err != nil {
		log.Fatal(err)
	}
	added, err := queue.Submit(context.Background(), slices.Values([]int{1, 2, 3}))
	if err != nil || added != 3 {
		log.Fatal(added, err)
	}
	fmt.Println("it works")
}
