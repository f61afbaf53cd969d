package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// A table prints itself as Markdown, padded so that it can be read on a terminal too.
type table struct {
	rows [][]string // the first is the head
}

func newTable(head ...string) *table { return &table{rows: [][]string{head}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// addFor adds a row that starts with a contestant's name, in bold where it is one of ours.
func (t *table) addFor(name string, cells ...string) {
	if strings.HasPrefix(name, "paceline") {
		name = "**" + name + "**"
	}
	t.add(append([]string{name}, cells...)...)
}

func (t *table) print(w io.Writer) {
	width := t.widths()
	for i, row := range t.rows {
		printRow(w, row, width)
		if i == 0 {
			printRule(w, width)
		}
	}
	fmt.Fprintln(w)
}

func (t *table) widths() []int {
	width := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	return width
}

// printRow sets the first column, the names, to the left and the numbers to the right.
func printRow(w io.Writer, row []string, width []int) {
	for i, cell := range row {
		pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
		if i == 0 {
			fmt.Fprintf(w, "| %s%s |", cell, pad)
		} else {
			fmt.Fprintf(w, " %s%s |", pad, cell)
		}
	}
	fmt.Fprintln(w)
}

func printRule(w io.Writer, width []int) {
	for i, n := range width {
		rule := strings.Repeat("-", n+1)
		if i == 0 {
			fmt.Fprintf(w, "|%s-|", rule)
		} else {
			fmt.Fprintf(w, "%s:|", rule)
		}
	}
	fmt.Fprintln(w)
}

// quantile is the smallest value that at least the share q of the values does not exceed (nearest rank).
func quantile[T int64 | float64](values []T, q float64) T {
	sorted := slices.Sorted(slices.Values(values))
	rank := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// cells formats numbers alike.
func cells(format string, values []float64) []string {
	var out []string
	for _, v := range values {
		out = append(out, fmt.Sprintf(format, v))
	}
	return out
}

// spread shows a median and how far the noise of the machine carried it: "120 (110–160)".
func spread(values []float64) string {
	return fmt.Sprintf("%.0f (%.0f–%.0f)", quantile(values, 0.5), slices.Min(values), slices.Max(values))
}

// verdict says whether a target holds.
func verdict(holds bool) string {
	if holds {
		return "holds"
	}
	return "**missed**"
}

// count writes 10000000 as 10,000,000.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
