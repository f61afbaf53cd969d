package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
)

//go:embed data/cities.csv.gz
var cities []byte

// record is one row of the input.
type record struct {
	row        int // from 1, the header not counted
	id         string
	name       string
	country    string
	lat, lon   float64
	population int64
}

// source is the input, which is read twice: first to know what there is, then
// to work on it.
type source struct {
	name string
	open func() (io.ReadCloser, error)
}

// openSource names a CSV file, or the embedded cities for an empty path.
func openSource(path string) source {
	if path == "" {
		return source{"the embedded cities", func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(cities)), nil
		}}
	}
	return source{path, func() (io.ReadCloser, error) { return os.Open(path) }}
}

// survey is what the first reading finds.
type survey struct {
	rows   int
	sha256 string // of the content, by which a later run knows that it goes on with the same
}

func (s source) survey() (survey, error) {
	var found survey
	hash := sha256.New()
	err := s.read(hash, func(columns, []string) bool {
		found.rows++
		return true
	})
	found.sha256 = hex.EncodeToString(hash.Sum(nil))
	return found, err
}

// failure is a row that did not make it into the table.
type failure struct {
	row      int
	id       string
	attempts int
	err      error
}

// extraction is what became of the rows on the way to the jobs channel.
type extraction struct {
	read   int       // rows
	before int       // of them, loaded by an earlier run
	broken []failure // of them, not usable
	err    error     // that ended the reading early
}

// extract sends each row that is not loaded yet, until the input or the intake
// ends.
func extract(intake context.Context, s source, loaded func(id string) (row int, err error), jobs chan<- record) extraction {
	var x extraction
	err := s.read(io.Discard, func(header columns, fields []string) bool {
		if intake.Err() != nil {
			return false
		}
		x.read++
		rec, err := header.record(x.read, fields)
		if err != nil {
			x.broken = append(x.broken, failure{row: x.read, id: rec.id, err: err})
			return true
		}
		switch row, err := loaded(rec.id); {
		case err != nil:
			x.err = err
			return false
		case row == rec.row:
			x.before++
			return true
		case row != 0:
			x.broken = append(x.broken, failure{row: rec.row, id: rec.id, err: twice(rec.id, row)})
			return true
		}
		select {
		case jobs <- rec:
			return true
		case <-intake.Done():
			x.read-- // nobody took it
			return false
		}
	})
	if x.err == nil {
		x.err = err
	}
	return x
}

func twice(id string, row int) error {
	return fmt.Errorf("id %s: got it again, want it once: it was loaded from row %d", id, row)
}

// read passes on the rows of the input until each returns false. What is read
// goes to copy too, as it is before decompression.
func (s source) read(copy io.Writer, each func(columns, []string) bool) error {
	file, err := s.open()
	if err != nil {
		return fmt.Errorf("input: %w", err)
	}
	defer file.Close()
	text, err := decompress(io.TeeReader(file, copy))
	if err != nil {
		return fmt.Errorf("input %s: %w", s.name, err)
	}
	rows := csv.NewReader(text)
	rows.ReuseRecord = true
	names, err := rows.Read()
	if err != nil {
		return fmt.Errorf("input %s: header: %w", s.name, err)
	}
	header, err := newColumns(names)
	if err != nil {
		return fmt.Errorf("input %s: %w", s.name, err)
	}
	for {
		fields, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("input %s: %w", s.name, err)
		}
		if !each(header, fields) {
			return nil
		}
	}
}

// decompress looks at the content, not at the name of the file.
func decompress(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(r)
	magic, _ := buffered.Peek(2) // a file too short for it is no gzip file
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}

// columns are the positions of the fields in a row; -1 where the input has none.
type columns struct{ id, name, country, lat, lon, population int }

func newColumns(names []string) (columns, error) {
	at := func(name string) int { return slices.Index(names, name) }
	c := columns{at("id"), at("name"), at("country"), at("lat"), at("lon"), at("population")}
	if c.id < 0 || c.lat < 0 || c.lon < 0 {
		return c, fmt.Errorf("header: got %q, want at least id, lat and lon", names)
	}
	return c, nil
}

func (c columns) record(row int, fields []string) (record, error) {
	field := func(column int) string {
		if column < 0 {
			return ""
		}
		return fields[column]
	}
	rec := record{row: row, id: field(c.id), name: field(c.name), country: field(c.country)}
	if rec.id == "" {
		return rec, fmt.Errorf("row %d: got an empty id, want one", row)
	}
	var err error
	if rec.lat, err = strconv.ParseFloat(field(c.lat), 64); err != nil {
		return rec, fmt.Errorf("row %d: lat: got %q, want degrees", row, field(c.lat))
	}
	if rec.lon, err = strconv.ParseFloat(field(c.lon), 64); err != nil {
		return rec, fmt.Errorf("row %d: lon: got %q, want degrees", row, field(c.lon))
	}
	if text := field(c.population); text != "" {
		if rec.population, err = strconv.ParseInt(text, 10, 64); err != nil {
			return rec, fmt.Errorf("row %d: population: got %q, want a whole number", row, text)
		}
	}
	return rec, nil
}
