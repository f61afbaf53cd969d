package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/examples/service"
)

var (
	someInput = source{name: "some.csv"}
	someRows  = survey{rows: 3, sha256: "of some.csv"}
)

func open(t *testing.T, path string) *store {
	t.Helper()
	s, err := openStore(path, false, someInput, someRows, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func row(n int, id string) loadedRow {
	return loadedRow{record{row: n, id: id}, service.Answer{Geohash: "u33dc0cpp", Noon: midsummer}}
}

func TestADoubleIsFoundNotHidden(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "etl.db"))
	if doubled, err := s.save([]loadedRow{row(1, "a"), row(2, "b")}, nil); err != nil || len(doubled) != 0 {
		t.Fatalf("got %v and %v, want two rows saved", doubled, err)
	}
	doubled, err := s.save([]loadedRow{row(3, "c"), row(1, "a")}, nil)
	if err != nil || len(doubled) != 1 || doubled[0].id != "a" {
		t.Fatalf("got %v and %v, want the double of a", doubled, err)
	}
	a, err := s.audit()
	if want := (audit{rows: 3, places: 3, inserted: 3, runs: 1, failed: 1}); err != nil || a != want {
		t.Errorf("got %+v and %v, want %+v", a, err, want)
	}
	if (&summary{rows: 3, audit: a}).complete() {
		t.Error("a run with a double counts as complete")
	}
}

func TestARowUnderAnotherIDIsAnError(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "etl.db"))
	_, err := s.save([]loadedRow{row(1, "a"), row(1, "b")}, nil)
	if err == nil || !strings.Contains(err.Error(), "UNIQUE constraint failed: city.row") {
		t.Fatalf("got %v, want a broken constraint", err)
	}
	if a, err := s.audit(); err != nil || a.rows != 0 || a.inserted != 0 {
		t.Errorf("got %+v and %v, want nothing of the broken transaction", a, err)
	}
}

func TestTheCountOfInsertsShowsWhatTheTableCannot(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "etl.db"))
	if _, err := s.save([]loadedRow{row(1, "a"), row(2, "b"), row(3, "c")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec("DELETE FROM city WHERE id = 'b'"); err != nil { // lost behind the program's back
		t.Fatal(err)
	}
	if _, err := s.save([]loadedRow{row(2, "b")}, nil); err != nil {
		t.Fatal(err)
	}
	a, err := s.audit()
	if err != nil {
		t.Fatal(err)
	}
	if (&summary{rows: 3, audit: a}).complete() {
		t.Errorf("%+v counts as complete, though a row was inserted twice", a)
	}
}

func TestTwoRunsCannotShareADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etl.db")
	open(t, path)
	_, err := openStore(path, false, someInput, someRows, time.Unix(0, 0))
	if err == nil || !strings.Contains(err.Error(), "in use by another run") {
		t.Errorf("got %v, want it to be in use", err)
	}
}

func TestADatabaseOfAnotherInputIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etl.db")
	s := open(t, path)
	if _, err := s.save([]loadedRow{row(1, "a")}, nil); err != nil {
		t.Fatal(err)
	}
	s.close()

	other := survey{rows: 1, sha256: "of other.csv"}
	_, err := openStore(path, false, source{name: "other.csv"}, other, time.Unix(0, 0))
	if err == nil || !strings.Contains(err.Error(), "got other.csv as the input, want some.csv") {
		t.Errorf("got %v, want the other input refused", err)
	}
	s, err = openStore(path, true, source{name: "other.csv"}, other, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if n, err := s.loaded(); n != 0 || err != nil {
		t.Errorf("fresh: got %d rows and %v, want none", n, err)
	}
}
