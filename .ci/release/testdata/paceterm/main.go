package main

import (
	"fmt"
	"log"
	"os"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceterm"
)

func main() {
	throttle, err := pipeline.NewThrottle(pipeline.Config{})
	if err != nil {
		log.Fatal(err)
	}
	paceterm.Draw(os.Stdout, throttle).Stop()
	fmt.Println("it works")
}
