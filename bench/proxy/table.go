package main

import (
	"fmt"
	"io"
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

// print sets the names to the left and the numbers to the right.
func (t *table) print(w io.Writer) {
	width := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range t.rows {
		fmt.Fprintf(w, "| %-*s |", width[0], row[0])
		for i, cell := range row[1:] {
			fmt.Fprintf(w, " %*s |", width[i+1], cell)
		}
		fmt.Fprintln(w)
		if n == 0 {
			fmt.Fprintf(w, "|%s|", strings.Repeat("-", width[0]+2))
			for _, n := range width[1:] {
				fmt.Fprintf(w, "%s:|", strings.Repeat("-", n+1))
			}
			fmt.Fprintln(w)
		}
	}
	fmt.Fprintln(w)
}
