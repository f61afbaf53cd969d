package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strconv"
	"time"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// A Place is a job: when does the sun rise there?
type Place struct {
	ID  string  `json:"id"`
	Lat float64 `json:"lat"`
	Lon float64 `json:"lon"`
}

// Key names the job.
func (p Place) Key() string { return p.ID }

// A Day is what the service says of a place.
type Day struct {
	Geohash    string  `json:"geohash"`
	DayMinutes float64 `json:"day_minutes"`
}

type queue = pacenats.Queue[Place, Day]

var date = time.Date(2026, time.June, 21, 0, 0, 0, 0, time.UTC)

func (p Place) query() string { return service.Query(p.Lat, p.Lon, date) }

// places returns n places, all over the world.
func places(n int) iter.Seq[Place] {
	return func(yield func(Place) bool) {
		for i := range n {
			lat, lon := float64(i*7919%12001)/100-60, float64(i*104729%36001)/100-180
			if !yield(Place{ID: strconv.Itoa(i), Lat: lat, Lon: lon}) {
				return
			}
		}
	}
}

// readPlaces returns the places of a CSV file whose header names id, lat and lon. err is set
// when the sequence has ended.
func readPlaces(path string, err *error) iter.Seq[Place] {
	return func(yield func(Place) bool) {
		*err = func() error {
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			rows := csv.NewReader(file)
			rows.ReuseRecord = true
			header, err := rows.Read()
			if err != nil {
				return fmt.Errorf("header: %w", err)
			}
			column := make(map[string]int)
			for i, name := range header {
				column[name] = i
			}
			for _, name := range []string{"id", "lat", "lon"} {
				if _, ok := column[name]; !ok {
					return fmt.Errorf("header: got %q, want id, lat and lon", header)
				}
			}
			for line := 2; ; line++ {
				row, err := rows.Read()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				lat, err1 := strconv.ParseFloat(row[column["lat"]], 64)
				lon, err2 := strconv.ParseFloat(row[column["lon"]], 64)
				if err := errors.Join(err1, err2); err != nil {
					return fmt.Errorf("line %d: %w", line, err)
				}
				if !yield(Place{ID: row[column["id"]], Lat: lat, Lon: lon}) {
					return nil
				}
			}
		}()
	}
}
