package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheEmbeddedCitiesAreSound(t *testing.T) {
	jobs := make(chan record)
	extracted := make(chan extraction, 1)
	go func() {
		defer close(jobs)
		extracted <- extract(t.Context(), openSource(""), func(string) (int, error) { return 0, nil }, jobs)
	}()
	seen := map[string]bool{}
	for rec := range jobs {
		if seen[rec.id] || rec.name == "" || len(rec.country) != 2 || rec.population < 50_000 ||
			rec.lat < -90 || rec.lat > 90 || rec.lon < -180 || rec.lon > 180 {
			t.Errorf("got %+v, want a whole record with an id of its own", rec)
		}
		seen[rec.id] = true
	}
	x := <-extracted
	if x.err != nil || x.read != 8000 || len(seen) != 8000 || len(x.broken) != 0 {
		t.Errorf("got %d read, %d sent, %v and %v, want 8000 of both", x.read, len(seen), x.broken, x.err)
	}
}

func TestInputMayBeCompressed(t *testing.T) {
	const text = "id,lat,lon\n1,2,3\n4,5,6\n"
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprint(w, text)
	w.Close()

	for name, content := range map[string]string{"plain": text, "packed": packed.String()} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		found, err := openSource(path).survey()
		if err != nil || found.rows != 2 {
			t.Errorf("%s: got %+v and %v, want 2 rows", name, found, err)
		}
	}
}

func TestInputThatIsNoTable(t *testing.T) {
	for content, want := range map[string]string{
		"":                        "header: EOF",
		"name,lat\n":              `header: got ["name" "lat"], want at least id, lat and lon`,
		"id,lat,lon\n1,2\n":       "wrong number of fields",
		"\x1f\x8b but not really": "gzip: invalid header",
	} {
		path := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSource(path).survey(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", content, err, want)
		}
	}
}

func TestExtractStopsWithTheIntake(t *testing.T) {
	intake, stop := context.WithCancel(t.Context())
	jobs := make(chan record)
	extracted := make(chan extraction, 1)
	go func() {
		extracted <- extract(intake, openSource(""), func(string) (int, error) { return 0, nil }, jobs)
	}()
	for range 10 {
		<-jobs
	}
	stop()
	if x := <-extracted; x.read != 10 || x.err != nil {
		t.Errorf("got %d read and %v, want the 10 that were taken", x.read, x.err)
	}
}
