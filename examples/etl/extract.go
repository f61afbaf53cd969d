package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/paceline-go/paceline/pipeline"
)

//go:embed data/cities.csv.gz
var cities []byte

// record is one row of the input.
type record struct {
	row        int // from 1, the header not counted
	line       int // of the input, on which it begins, from 1
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
	return source{path, func() (io.ReadCloser, error) {
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("-in: got %s, which is no regular file, want one: it is read twice", path)
		}
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("-in: %w", err)
		}
		return file, nil
	}}
}

// survey is what the first reading finds.
type survey struct {
	rows   int
	broken int    // of them, not usable
	sha256 string // of the content, by which a later run knows that it goes on with the same
}

// survey reads all of it. If it is strict, the first row that cannot be used is an error.
func (s source) survey(strict bool) (survey, error) {
	var found survey
	var fault error
	hash := sha256.New()
	err := s.read(hash, func(_ record, err error) bool {
		found.rows++
		if err != nil {
			found.broken++
		}
		if err != nil && strict {
			fault = fmt.Errorf("input %s: %w", s.name, err)
		}
		return fault == nil
	})
	found.sha256 = hex.EncodeToString(hash.Sum(nil))
	return found, errors.Join(err, fault)
}

// failure is a row that did not make it into the table.
type failure struct {
	row      int
	line     int
	id       string
	attempts int
	err      error
}

// extraction is what becomes of the rows on the way to the pipeline.
type extraction struct {
	broken []failure // not usable
	err    error     // that ended the reading early
}

// rows are the usable rows of the input, until that ends, there is a signal, or ctx is done.
func (x *extraction) rows(ctx context.Context, s source) iter.Seq[record] {
	return func(yield func(record) bool) {
		x.err = s.read(io.Discard, func(rec record, err error) bool {
			switch {
			case ctx.Err() != nil, pipeline.Interrupted(ctx) != nil:
				return false
			case err != nil:
				x.broken = append(x.broken, failure{row: rec.row, line: rec.line, id: rec.id, err: err})
				return true
			}
			return yield(rec)
		})
	}
}

func twice(id string, row int) error {
	return fmt.Errorf("id %s: got it again, want it once: row %d, the header not counted, has it", id, row)
}

// read passes on the rows of the input until each returns false: each as a record, or
// with the reason why it is none. What is read goes to copy too, as it is before
// decompression.
func (s source) read(copy io.Writer, each func(record, error) bool) error {
	file, err := s.open()
	if err != nil {
		return err
	}
	defer file.Close()
	text, err := decompress(io.TeeReader(file, copy))
	if err != nil {
		return fmt.Errorf("input %s: %w", s.name, err)
	}
	rows := newRecords(text)
	names, _, err := rows.next()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("input %s: header: got nothing, want one that names at least id, lat and lon", s.name)
	}
	if err != nil {
		return fmt.Errorf("input %s: header: %w", s.name, err)
	}
	header, err := newColumns(names)
	if err != nil {
		return fmt.Errorf("input %s: %w", s.name, err)
	}
	for row := 1; ; row++ {
		fields, line, err := rows.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		rec := record{row: row, line: line}
		switch bad := (*malformedError)(nil); {
		case err == nil:
			err = header.fill(&rec, fields)
		case !errors.As(err, &bad):
			return fmt.Errorf("input %s: line %d: %w", s.name, line, err)
		}
		if err != nil {
			err = fmt.Errorf("line %d: %w", line, err)
		}
		if !each(rec, err) {
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
type columns struct{ id, name, country, lat, lon, population, all int }

func newColumns(names []string) (columns, error) {
	at := func(name string) int { return slices.Index(names, name) }
	c := columns{at("id"), at("name"), at("country"), at("lat"), at("lon"), at("population"), len(names)}
	if c.id < 0 || c.lat < 0 || c.lon < 0 {
		got := fmt.Sprintf("%q", names)
		if len(got) > 200 { // it may be no text at all
			got = got[:200] + "…"
		}
		return c, fmt.Errorf("header: got %s, want at least id, lat and lon", got)
	}
	return c, nil
}

// fill takes over the fields of a row.
func (c columns) fill(rec *record, fields []string) (err error) {
	if len(fields) != c.all {
		return fmt.Errorf("got %s, want %d as in the header", plural(len(fields), "field"), c.all)
	}
	field := func(column int) string {
		if column < 0 {
			return ""
		}
		return fields[column]
	}
	rec.id, rec.name, rec.country = field(c.id), field(c.name), field(c.country)
	if rec.id == "" {
		return errors.New("id: got none, want one")
	}
	if rec.lat, err = degrees(field(c.lat)); err != nil {
		return fmt.Errorf("lat: %w", err)
	}
	if rec.lon, err = degrees(field(c.lon)); err != nil {
		return fmt.Errorf("lon: %w", err)
	}
	if text := field(c.population); text != "" {
		if rec.population, err = strconv.ParseInt(text, 10, 64); err != nil {
			return fmt.Errorf("population: got %q, want a whole number", text)
		}
	}
	return nil
}

func degrees(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("got %q, want degrees", text)
	}
	return n, nil
}
