package main

import (
	"context"
	"fmt"
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacegrpc"
)

func main() {
	throttle, err := pipeline.NewThrottle(pipeline.Config{})
	if err != nil {
		log.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///nowhere", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(pacegrpc.Unary(throttle, nil)))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := conn.Invoke(ctx, "/a/b", nil, nil); err == nil {
		log.Fatal("got no error of a call that was cancelled before")
	}
	fmt.Println("it works")
}
