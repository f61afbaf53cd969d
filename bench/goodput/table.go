package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// A table prints itself as Markdown, padded so that it can be read on a terminal too.
type table [][]string // the first row is the head

func (t *table) add(cells ...string) { *t = append(*t, cells) }

func (t table) print(w io.Writer) {
	width := make([]int, len(t[0]))
	for _, row := range t {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for i, row := range t {
		printRow(w, row, width)
		if i == 0 {
			printRule(w, width)
		}
	}
	fmt.Fprintln(w)
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

// count writes 10000000 as 10,000,000.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent keeps three digits, two decimals at most: 97.1%, 0.61%.
func percent(share float64) string {
	if share < 0.1 {
		return fmt.Sprintf("%.2f%%", share*100)
	}
	return fmt.Sprintf("%.1f%%", share*100)
}
