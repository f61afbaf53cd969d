package main

import (
	"bytes"
	"cmp"
	"slices"
)

// An edit replaces a part of a text. If from is to, it inserts.
type edit struct {
	from, to int
	text     string
}

// edited returns the text after all edits. Those at the same place are made in their order.
func edited(text []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(text[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(text[at:])
	return out.Bytes()
}
