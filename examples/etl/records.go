package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
)

// longest bounds what may belong to one record: a quote that is never closed must not
// take the rest of the input into memory.
const longest = 1 << 20

// records reads CSV one record at a time, and goes on after one that is malformed. A
// quote that is opened and not closed costs its own line, not the rest of the input.
type records struct {
	text    *bufio.Reader
	pending [][]byte // lines that were read ahead, in search of a closing quote
	line    int      // number of the next line, from 1
	parser  *bufio.Reader
	record  bytes.Reader
}

func newRecords(text io.Reader) *records {
	r := &records{text: bufio.NewReader(text), line: 1, parser: bufio.NewReader(nil)}
	if mark, _ := r.text.Peek(3); string(mark) == "\ufeff" { // spreadsheets write a byte order mark
		_, _ = r.text.Discard(3)
	}
	return r
}

// A malformedError is the fault of one record; those behind it can be read.
type malformedError struct{ reason string }

func (e *malformedError) Error() string { return e.reason }

// next returns the fields of the next record and the line on which it begins. The error
// is a *malformedError, io.EOF, or one that ends the reading.
func (r *records) next() (fields []string, line int, err error) {
	var first []byte
	for len(first) == 0 { // empty lines are none
		if first, err = r.readLine(); err != nil {
			return nil, r.line, err
		}
		r.line++
		first = bytes.TrimRight(first, "\r\n")
	}
	line = r.line - 1
	text, more, err := r.untilClosed(first)
	if err != nil {
		return nil, line, err
	}
	if text != nil {
		if fields, err = r.parse(text); err == nil {
			r.line += more
			r.pending = r.pending[more:]
			return fields, line, nil
		}
	}
	return nil, line, malformed(text, err) // the lines behind the first are read again
}

// untilClosed adds lines to the first one until each quote is closed. It returns nil if
// none closes it.
func (r *records) untilClosed(first []byte) (text []byte, more int, err error) {
	quotes := bytes.Count(first, []byte{'"'})
	text = first
	for quotes%2 != 0 {
		if more == len(r.pending) {
			next, err := r.fromText()
			if errors.Is(err, io.EOF) {
				return nil, 0, nil
			}
			if err != nil {
				return nil, 0, err
			}
			r.pending = append(r.pending, next)
		}
		if len(text)+len(r.pending[more]) > longest {
			return nil, 0, nil
		}
		if more == 0 {
			text = append(bytes.Clone(first), '\n')
		}
		text = append(text, r.pending[more]...)
		quotes += bytes.Count(r.pending[more], []byte{'"'})
		more++
	}
	return text, more, nil
}

func (r *records) readLine() ([]byte, error) {
	if len(r.pending) == 0 {
		return r.fromText()
	}
	line := r.pending[0]
	r.pending = r.pending[1:]
	return line, nil
}

// fromText returns a line with its end.
func (r *records) fromText() ([]byte, error) {
	line, err := r.text.ReadBytes('\n')
	if len(line) > 0 && errors.Is(err, io.EOF) {
		err = nil // the last line needs no end
	}
	return line, err
}

// parse returns the fields of one record.
func (r *records) parse(text []byte) ([]string, error) {
	r.record.Reset(text)
	r.parser.Reset(&r.record)
	return csv.NewReader(r.parser).Read()
}

func malformed(text []byte, err error) error {
	var fault *csv.ParseError
	switch {
	case text == nil:
		return &malformedError{`got a quote (") that nothing closes, want two of them around a field`}
	case errors.As(err, &fault):
		return &malformedError{fmt.Sprintf("column %d: %v", fault.Column, fault.Err)}
	}
	return &malformedError{err.Error()}
}
