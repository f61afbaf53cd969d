package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// print has the workers run everything and prints a table for each family.
func (p *plan) print(w io.Writer, workers []worker) error {
	fmt.Fprintf(w, "%d services of each family, drawn from seed %d; %v of virtual time each, from a cold start.\n\n",
		p.services, p.seed, p.length)
	for _, family := range p.families {
		results, err := p.runFamily(family, workers)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "### %s\n\n", family)
		t := table{slices.Concat([]string{"", "goodput p5", "median", "worst", "wasted p95", "median", "worst", "jobs failed", "in services"}, titles(family))}
		contestants := p.of(family)
		for i, c := range contestants {
			t.add(p.row(family, c.name, results[i])...)
		}
		t.print(w)
		if contestants[0].name == ours {
			fmt.Fprintf(w, "Goal, %s: %s.\n\n", ours, strings.Join(judge(family, results[0]), "; "))
		}
		if p.each {
			for i, c := range contestants {
				p.printEach(w, family, c.name, results[i])
			}
		}
	}
	return nil
}

func (p *plan) row(family, name string, all []outcome) []string {
	goodput := values(all, func(o outcome) float64 { return o.Goodput })
	wasted := values(all, func(o outcome) float64 { return o.Wasted })
	lost, in := 0, 0
	for _, o := range all {
		lost += o.Lost
		if o.Lost > 0 {
			in++
		}
	}
	if strings.HasPrefix(name, "paceline") {
		name = "**" + name + "**"
	}
	row := []string{name,
		percent(quantile(goodput, 0.05)), percent(quantile(goodput, 0.5)), percent(slices.Min(goodput)),
		percent(quantile(wasted, 0.95)), percent(quantile(wasted, 0.5)), percent(slices.Max(wasted)),
		count(lost), fmt.Sprint(in),
	}
	for _, e := range extras[family] {
		row = append(row, e.cell(all))
	}
	return row
}

// An extra is a column that only some families have.
type extra struct {
	title string
	cell  func([]outcome) string
}

var (
	adapting = []extra{
		{"down p95", func(all []outcome) string { return duration(all, 0.95, outcome.downs) }},
		{"median", func(all []outcome) string { return duration(all, 0.5, outcome.downs) }},
		{"up p95", func(all []outcome) string { return duration(all, 0.95, outcome.ups) }},
		{"median", func(all []outcome) string { return duration(all, 0.5, outcome.ups) }},
	}
	extras = map[string][]extra{
		"rate steps":        adapting,
		"concurrency steps": adapting,
		"outage": {
			{"back p95", func(all []outcome) string { return duration(all, 0.95, outcome.ups) }},
			{"median", func(all []outcome) string { return duration(all, 0.5, outcome.ups) }},
		},
		"queue": {
			{"p99 latency p95", func(all []outcome) string { return multiple(quantile(slows(all), 0.95)) }},
			{"median", func(all []outcome) string { return multiple(quantile(slows(all), 0.5)) }},
			{"worst", func(all []outcome) string { return multiple(slices.Max(slows(all))) }},
		},
		"shared": {
			{"Jain p5", func(all []outcome) string { return fmt.Sprintf("%.3f", quantile(jains(all), 0.05)) }},
			{"median", func(all []outcome) string { return fmt.Sprintf("%.3f", quantile(jains(all), 0.5)) }},
			{"worst", func(all []outcome) string { return fmt.Sprintf("%.3f", slices.Min(jains(all))) }},
		},
		"bad rows": {
			{"good rows p95", func(all []outcome) string { return multiple(quantile(values(all, outcome.good), 0.95)) }},
			{"median", func(all []outcome) string { return multiple(quantile(values(all, outcome.good), 0.5)) }},
			{"worst", func(all []outcome) string { return multiple(slices.Max(values(all, outcome.good))) }},
			{"all rows p95", func(all []outcome) string { return multiple(quantile(values(all, outcome.all), 0.95)) }},
			{"median", func(all []outcome) string { return multiple(quantile(values(all, outcome.all), 0.5)) }},
			tooOften,
		},
		"chance":         beyond,
		"hosted model":   beyond,
		"pauses":         slices.Concat(beyond, adapting[2:]),
		"sliding window": beyond,
		"mixed":          slices.Concat(beyond, []extra{tooOften}),
	}
	beyond = []extra{
		{"beyond chance p95", func(all []outcome) string { return percent(quantile(values(all, outcome.beyond), 0.95)) }},
		{"median", func(all []outcome) string { return percent(quantile(values(all, outcome.beyond), 0.5)) }},
		{"worst", func(all []outcome) string { return percent(slices.Max(values(all, outcome.beyond))) }},
	}
	tooOften = extra{"jobs tried too often", func(all []outcome) string { return count(tooOftenIn(all)) }}
)

func tooOftenIn(all []outcome) int {
	n := 0
	for _, o := range all {
		n += o.TooOften
	}
	return n
}

func titles(family string) []string {
	var all []string
	for _, e := range extras[family] {
		all = append(all, e.title)
	}
	return all
}

func (o outcome) downs() []time.Duration { return o.Down }
func (o outcome) ups() []time.Duration   { return o.Up }
func (o outcome) beyond() float64        { return o.Beyond }
func (o outcome) good() float64          { return o.Good }
func (o outcome) all() float64           { return o.All }

func slows(all []outcome) []float64 { return values(all, func(o outcome) float64 { return o.Slow }) }
func jains(all []outcome) []float64 { return values(all, func(o outcome) float64 { return o.Jain }) }

func multiple(f float64) string { return fmt.Sprintf("× %.2f", f) }

// duration is a quantile over all changes of all services.
func duration(all []outcome, q float64, of func(outcome) []time.Duration) string {
	if !slices.ContainsFunc(all, func(o outcome) bool { return len(of(o)) > 0 }) {
		return "–"
	}
	return fmt.Sprintf("%.1f s", quantileOf(all, q, of).Seconds())
}

func values(all []outcome, of func(outcome) float64) []float64 {
	var each []float64
	for _, o := range all {
		each = append(each, of(o))
	}
	return each
}

// quantile is the least value that at least the share q of the values does not exceed (nearest rank).
func quantile[T cmp.Ordered](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q*float64(len(sorted)) - 1e-9))
	return sorted[max(rank, 1)-1]
}

// printEach prints the services, those with the least goodput first.
func (p *plan) printEach(w io.Writer, family, name string, all []outcome) {
	t := table{slices.Concat([]string{name, "goodput", "wasted", "jobs failed"}, titles(family))}
	for _, o := range slices.SortedFunc(slices.Values(all), func(a, b outcome) int { return cmp.Compare(a.Goodput, b.Goodput) }) {
		row := []string{fmt.Sprintf("%d: %s", o.Number, o.About), percent(o.Goodput), percent(o.Wasted), count(o.Lost)}
		for _, e := range extras[family] {
			row = append(row, e.cell([]outcome{o}))
		}
		t.add(row...)
	}
	t.print(w)
}
