package main

import (
	"iter"
	"time"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
)

// A region is a part of the world, and the service that knows it.
type region struct {
	name         string
	south, north int // degrees
	west, east   int
	service      service.Config
	quota        *pipeline.Budget // what we are told of the service; nil: nothing
}

// A job is a place and a day.
type job struct {
	lat, lon int
	day      time.Time
}

// newYear is the first of the days that are asked about.
var newYear = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

const days = 365

func (r region) total() int { return (r.north - r.south) * (r.east - r.west) * days }

// jobs are all days of the year, and in each all corners of the grid.
func (r region) jobs() iter.Seq[job] {
	return func(yield func(job) bool) {
		for day := range days {
			for lat := r.south; lat < r.north; lat++ {
				for lon := r.west; lon < r.east; lon++ {
					if !yield(job{lat, lon, newYear.AddDate(0, 0, day)}) {
						return
					}
				}
			}
		}
	}
}

// regions have services of three kinds. Their limits go round and round for a day.
var regions = []region{
	{
		name: "europe", south: 36, north: 70, west: -10, east: 30,
		service: service.Config{
			Latency: 40 * time.Millisecond, Spread: 0.4, FailShare: 0.01,
			Limits: perSecond(400),
			Phases: rounds(3*time.Minute,
				service.Phase{At: 50 * time.Second, Limits: perSecond(180)},
				service.Phase{At: 100 * time.Second, Down: true, Limits: perSecond(180)},
				service.Phase{At: 112 * time.Second, Limits: perSecond(300)},
				service.Phase{At: 180 * time.Second, Limits: perSecond(400)},
			),
		},
	},
	{
		name: "asia", south: 10, north: 60, west: 60, east: 140,
		service: service.Config{
			Latency: 120 * time.Millisecond, Spread: 0.3, FailShare: 0.002,
			Limits: service.Limits{Concurrency: 24},
			Phases: rounds(4*time.Minute,
				service.Phase{At: 80 * time.Second, Limits: service.Limits{Concurrency: 12}},
				service.Phase{At: 160 * time.Second, Limits: service.Limits{Concurrency: 36}},
				service.Phase{At: 240 * time.Second, Limits: service.Limits{Concurrency: 24}},
			),
		},
	},
	{
		name: "america", south: -50, north: 60, west: -120, east: -40,
		service: service.Config{
			Latency: 60 * time.Millisecond, Spread: 0.4, FailShare: 0.005,
			Limits: service.Limits{PerSecond: 250, Burst: 50, Tokens: 150_000, Window: time.Minute},
		},
		quota: &pipeline.Budget{Name: "tokens", Tokens: 150_000, Window: time.Minute},
	},
}

func perSecond(n float64) service.Limits { return service.Limits{PerSecond: n, Burst: 50} }

// rounds repeats phases for a day.
func rounds(every time.Duration, phases ...service.Phase) (all []service.Phase) {
	for start := time.Duration(0); start < 24*time.Hour; start += every {
		for _, p := range phases {
			p.At += start
			all = append(all, p)
		}
	}
	return all
}
