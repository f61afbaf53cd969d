package spool

import (
	"encoding/binary"
	"errors"
	"slices"
)

// A buffer is a row of records in memory, each with its length before it.
type buffer struct {
	data   []byte
	starts []int // of those that were not taken, in data
}

func (b *buffer) len() int { return len(b.starts) }

// size returns how many bytes the records take.
func (b *buffer) size() int {
	if len(b.starts) == 0 {
		return 0
	}
	return len(b.data) - b.starts[0]
}

func (b *buffer) add(record []byte) {
	if len(b.starts) == 0 {
		b.data, b.starts = b.data[:0], b.starts[:0]
	}
	b.starts = append(b.starts, len(b.data))
	b.data = binary.AppendUvarint(b.data, uint64(len(record)))
	b.data = append(b.data, record...)
}

// record returns a copy of the one that starts there.
func (b *buffer) record(start int) []byte {
	n, width := binary.Uvarint(b.data[start:])
	start += width
	return append(make([]byte, 0, n), b.data[start:start+int(n)]...)
}

// takeFirst removes and returns the first record, nil if there is none.
func (b *buffer) takeFirst() []byte {
	if len(b.starts) == 0 {
		return nil
	}
	record := b.record(b.starts[0])
	b.starts = b.starts[1:]
	return record
}

// takeLast removes and returns the last record, nil if there is none.
func (b *buffer) takeLast() []byte {
	last := len(b.starts) - 1
	if last < 0 {
		return nil
	}
	record := b.record(b.starts[last])
	b.data, b.starts = b.data[:b.starts[last]], b.starts[:last]
	return record
}

// cut removes and returns the first records, so many that they take at least size bytes.
func (b *buffer) cut(size int) buffer {
	first := b.starts[0]
	n := 1
	for n < len(b.starts) && b.starts[n]-first < size {
		n++
	}
	end := len(b.data)
	if n < len(b.starts) {
		end = b.starts[n]
	}
	cut := buffer{data: slices.Clone(b.data[first:end])}
	for _, start := range b.starts[:n] {
		cut.starts = append(cut.starts, start-first)
	}
	rest := buffer{data: slices.Clone(b.data[end:])}
	for _, start := range b.starts[n:] {
		rest.starts = append(rest.starts, start-end)
	}
	*b = rest
	return cut
}

// putBack puts records in front of the others.
func (b *buffer) putBack(cut buffer) {
	for _, start := range b.starts {
		cut.starts = append(cut.starts, start+len(cut.data))
	}
	cut.data = append(cut.data, b.data...)
	*b = cut
}

var errDamaged = errors.New("spill: the file has been changed")

// parse returns the records that were written as data.
func parse(data []byte) (buffer, error) {
	b := buffer{data: data}
	for at := 0; at < len(data); {
		n, width := binary.Uvarint(data[at:])
		if width <= 0 || n > uint64(len(data)-at-width) {
			return buffer{}, errDamaged
		}
		b.starts = append(b.starts, at)
		at += width + int(n)
	}
	return b, nil
}
