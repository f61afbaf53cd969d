package main

import (
	"fmt"
	"io"
	"time"
)

// count is how many mutants there were of some sort, and what became of them.
type count struct{ mutants, noticed, endless, unreached int }

func (c *count) add(j judged) {
	c.mutants++
	if j.verdict != survived {
		c.noticed++
	}
	if j.verdict == neverEnded {
		c.endless++
	}
	if !j.reached {
		c.unreached++
	}
}

// report prints what was noticed, by file and by kind, and what was not, if that is wanted.
func report(w io.Writer, all []judged, survivors bool, took time.Duration) {
	byFile, byKind, total := map[string]*count{}, map[string]*count{}, &count{}
	var files, rules []string
	for _, j := range all {
		if byFile[j.file] == nil {
			byFile[j.file], files = &count{}, append(files, j.file)
		}
		byFile[j.file].add(j)
		total.add(j)
	}
	for _, kind := range kinds {
		of := &count{}
		for _, j := range all {
			if j.kind == kind {
				of.add(j)
			}
		}
		byKind[string(kind)], rules = of, append(rules, string(kind))
	}
	table(w, "file", files, byFile, total)
	table(w, "kind", rules, byKind, total)
	if survivors {
		list(w, all)
	}
	fmt.Fprintf(w, "%d of %d mutants noticed, %s, in %s.\n",
		total.noticed, total.mutants, share(total), took.Round(time.Second))
}

func table(w io.Writer, what string, names []string, counts map[string]*count, total *count) {
	fmt.Fprintf(w, "| %-17s | mutants | noticed |  share | of these never ended | no test gets there |\n", what)
	fmt.Fprintln(w, "| ----------------- | ------: | ------: | -----: | -------------------: | -----------------: |")
	row := func(name string, c *count) {
		fmt.Fprintf(w, "| %-17s | %7d | %7d | %6s | %20d | %18d |\n",
			name, c.mutants, c.noticed, share(c), c.endless, c.unreached)
	}
	for _, name := range names {
		row(name, counts[name])
	}
	row("all", total)
	fmt.Fprintln(w)
}

func share(c *count) string {
	if c.mutants == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100*float64(c.noticed)/float64(c.mutants))
}

func list(w io.Writer, all []judged) {
	fmt.Fprintln(w, "Not noticed:")
	for _, j := range all {
		switch {
		case j.verdict != survived:
		case j.reached:
			fmt.Fprintln(w, j.mutant)
		case j.kind == boundary:
			fmt.Fprintln(w, j.mutant, "(no test gets there with both sides equal)")
		default:
			fmt.Fprintln(w, j.mutant, "(no test gets there)")
		}
	}
	fmt.Fprintln(w)
}
