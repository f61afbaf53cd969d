package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTheEmbeddedCitiesAreSound(t *testing.T) {
	seen := map[string]bool{}
	var x extraction
	for rec := range x.rows(t.Context(), openSource("")) {
		if seen[rec.id] || rec.name == "" || len(rec.country) != 2 || rec.population < 50_000 ||
			rec.lat < -90 || rec.lat > 90 || rec.lon < -180 || rec.lon > 180 {
			t.Errorf("got %+v, want a whole record with an id of its own", rec)
		}
		seen[rec.id] = true
	}
	if x.err != nil || len(seen) != 8000 || len(x.broken) != 0 {
		t.Errorf("got %d rows, %v and %v, want 8000", len(seen), x.broken, x.err)
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
		found, err := openSource(path).survey(false)
		if err != nil || found.rows != 2 {
			t.Errorf("%s: got %+v and %v, want 2 rows", name, found, err)
		}
	}
}

func TestInputThatIsNoTable(t *testing.T) {
	for content, want := range map[string]string{
		"":                        "header: got nothing, want one that names at least id, lat and lon",
		"name,lat\n":              `header: got ["name" "lat"], want at least id, lat and lon`,
		"\x1f\x8b but not really": "gzip: invalid header",
	} {
		path := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := openSource(path).survey(false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", content, err, want)
		}
	}
}

func TestExtractStopsWithTheIntake(t *testing.T) {
	intake, stop := context.WithCancel(t.Context())
	defer stop()
	var x extraction
	n := 0
	for range x.rows(intake, openSource("")) {
		if n++; n == 10 {
			stop()
		}
	}
	if n != 10 || x.err != nil {
		t.Errorf("got %d rows and %v, want the 10 until the intake ended", n, x.err)
	}
}

// The promise: one malformed record costs its own line, and no other.
func TestEveryRowBesideAMalformedOneIsRead(t *testing.T) {
	const header = "id,name,lat,lon\n"
	type row struct {
		line int
		id   string
		bad  string
	}
	for name, c := range map[string]struct {
		text string
		want []row
	}{
		"too few fields":   {"1,a,1,1\n2,b,2\n3,c,3,3\n", []row{{2, "1", ""}, {3, "", "line 3: got 3 fields, want 4 as in the header"}, {4, "3", ""}}},
		"too many fields":  {"1,a,1,1,1\n3,c,3,3", []row{{2, "", "line 2: got 5 fields, want 4 as in the header"}, {3, "3", ""}}},
		"an open quote":    {"1,\"a,1,1\n2,b,2,2\n3,\"c, d\",3,3\n", []row{{2, "", "line 2: got a quote (\") that nothing closes"}, {3, "2", ""}, {4, "3", ""}}},
		"a quote inside":   {"1,a\"b\",1,1\n2,b,2,2\n", []row{{2, "", "line 2: column 4: bare \" in non-quoted-field"}, {3, "2", ""}}},
		"a name on lines":  {"1,\"a\nb\",1,1\n2,b,2,2\n", []row{{2, "1", ""}, {4, "2", ""}}},
		"empty lines":      {"\r\n1,a,1,1\r\n\r\n2,b,2,2\r\n\n", []row{{3, "1", ""}, {5, "2", ""}}},
		"no number":        {"1,a,x,1\n2,b,2,2\n", []row{{2, "1", `line 2: lat: got "x", want degrees`}, {3, "2", ""}}},
		"not a number":     {"1,a,1,NaN\n", []row{{2, "1", `line 2: lon: got "NaN", want degrees`}}},
		"a mark of order":  {"1,a,1,1\n", []row{{2, "1", ""}}},
		"nothing but that": {"\"\n\"\n\"\n", []row{{2, "", ""}, {4, "", ""}}},
	} {
		path := filepath.Join(t.TempDir(), "in.csv")
		text := header + c.text
		if name == "a mark of order" {
			text = "\ufeff" + text
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var got []row
		err := openSource(path).read(io.Discard, func(rec record, err error) bool {
			r := row{line: rec.line, id: rec.id}
			if err != nil {
				r.bad = err.Error()
			}
			if n := len(got); rec.row != n+1 {
				t.Errorf("%s: got row %d, want %d", name, rec.row, n+1)
			}
			got = append(got, r)
			return true
		})
		same := slices.EqualFunc(got, c.want, func(got, want row) bool {
			return got.line == want.line && got.id == want.id && strings.HasPrefix(got.bad, want.bad) &&
				(got.bad == "") == (want.bad == "" && want.id != "")
		})
		if err != nil || !same {
			t.Errorf("%s: got %+v and %v, want %+v", name, got, err, c.want)
		}
	}
}

func TestAQuoteThatIsNeverClosedDoesNotTakeTheInputIntoMemory(t *testing.T) {
	row := "1,a,1,1\n"
	r := newRecords(io.MultiReader(strings.NewReader("\"\n"), strings.NewReader(strings.Repeat(row, 2*longest/len(row)))))
	if _, _, err := r.next(); err == nil {
		t.Fatal("got no error for a quote that nothing closes")
	}
	if n := len(r.pending) * (len(row) - 1); n > longest {
		t.Errorf("got %d bytes read ahead, want at most %d", n, longest)
	}
	for i := range 2 * longest / len(row) {
		if fields, line, err := r.next(); err != nil || len(fields) != 4 || line != i+2 {
			t.Fatalf("got %q on line %d and %v, want row %d", fields, line, err, i)
		}
	}
}
