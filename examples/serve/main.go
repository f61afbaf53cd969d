// Command serve runs the service of the examples by itself, with limits of your
// choice, until Ctrl-C; then it tells what it saw.
//
//	go run ./examples/serve -rate 200 -concurrency 20
//	go run ./examples/etl -fresh -url http://127.0.0.1:8080
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/paceline-go/paceline/examples/service"
)

func main() {
	var cfg service.Config
	flag.StringVar(&cfg.Addr, "addr", "127.0.0.1:8080", "where to listen")
	flag.Float64Var(&cfg.Limits.PerSecond, "rate", 300, "requests per second; 0: no limit")
	flag.Float64Var(&cfg.Limits.Burst, "burst", 50, "requests at once after a pause")
	flag.Int64Var(&cfg.Limits.Tokens, "tokens", 0, "quota of tokens in each minute; 0: no limit")
	flag.IntVar(&cfg.Limits.Concurrency, "concurrency", 0, "calls in flight; 0: no limit")
	flag.DurationVar(&cfg.Latency, "latency", 25*time.Millisecond, "median time of an answer")
	flag.Float64Var(&cfg.Spread, "spread", 0.4, "sigma of the latency's log-normal distribution")
	flag.Float64Var(&cfg.FailShare, "fail", 0.01, "share of calls that end in a 500")
	flag.Uint64Var(&cfg.Seed, "seed", 1, "of latencies and failures")
	flag.Parse()
	if err := serve(cfg); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func serve(cfg service.Config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := service.Start(cfg)
	if err != nil {
		return err
	}
	fmt.Printf("listening on %s%s\n", s.URL(), service.Path)
	<-ctx.Done()
	stats := s.Stats()
	fmt.Printf("%d requests: %d served, %d refused, %d failed, %d abandoned, %d invalid; %d tokens charged\n",
		stats.Requests, stats.Served, stats.Refused(), stats.Failed, stats.Abandoned, stats.Invalid, stats.Tokens)
	return s.Close()
}
