package main

import (
	"context"
	"fmt"
	"log"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceotel"
)

func main() {
	throttle, err := pipeline.NewThrottle(pipeline.Config{})
	if err != nil {
		log.Fatal(err)
	}
	cfg := paceotel.Config{Name: "geocoder"}
	metrics, err := paceotel.Observe(cfg, throttle)
	if err != nil {
		log.Fatal(err)
	}
	defer metrics.Unregister()
	double := pipeline.Wrap(throttle, paceotel.Work(cfg, func(_ context.Context, n int) (int, error) { return 2 * n, nil }, nil))
	if n, err := double(context.Background(), 2); n != 4 || err != nil {
		log.Fatal(n, err)
	}
	fmt.Println("it works")
}
