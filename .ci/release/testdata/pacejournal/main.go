package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

func main() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	p, err := pipeline.New(func(_ context.Context, n int) (int, error) { return 2 * n, nil }, pipeline.Config{})
	if err != nil {
		log.Fatal(err)
	}
	journal, err := pacejournal.Open[int, int](filepath.Join(dir, "run.db"), strconv.Itoa, pacejournal.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer journal.Close()
	for _, known := range []bool{false, true} {
		for r := range journal.Each(context.Background(), p, slices.Values([]int{1, 2, 3})) {
			if r.Err != nil || r.Out != 2*r.In || r.Known != known {
				log.Fatal(r)
			}
		}
	}
	fmt.Println("it works")
}
