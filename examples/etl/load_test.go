package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

func open(t *testing.T, path string) *store {
	t.Helper()
	s, err := openStore(path, false, time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	return s
}

func row(n int, id string) loadedRow {
	return loadedRow{record: record{row: n, id: id}, Answer: service.Answer{Geohash: "u33dc0cpp", Noon: midsummer}}
}

func TestADoubleIsFoundNotHidden(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "etl.db"))
	if _, doubled, err := s.save([]loadedRow{row(1, "a"), row(2, "b")}, nil); err != nil || len(doubled) != 0 {
		t.Fatalf("got %v and %v, want two rows saved", doubled, err)
	}
	_, doubled, err := s.save([]loadedRow{row(3, "c"), row(1, "a")}, nil)
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
	_, _, err := s.save([]loadedRow{row(1, "a"), row(1, "b")}, nil)
	if err == nil || !strings.Contains(err.Error(), "UNIQUE constraint failed: city.row") {
		t.Fatalf("got %v, want a broken constraint", err)
	}
	if a, err := s.audit(); err != nil || a.rows != 0 || a.inserted != 0 {
		t.Errorf("got %+v and %v, want nothing of the broken transaction", a, err)
	}
}

func TestTheCountOfInsertsShowsWhatTheTableCannot(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "etl.db"))
	if _, _, err := s.save([]loadedRow{row(1, "a"), row(2, "b"), row(3, "c")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec("DELETE FROM city WHERE id = 'b'"); err != nil { // lost behind the program's back
		t.Fatal(err)
	}
	if _, _, err := s.save([]loadedRow{row(2, "b")}, nil); err != nil {
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

// What an earlier run has loaded is not loaded again, and is no double either.
func TestAKnownRowMayBeThere(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "etl.db"))
	if _, _, err := s.save([]loadedRow{row(1, "a")}, nil); err != nil {
		t.Fatal(err)
	}
	known := []loadedRow{row(1, "a"), row(2, "b"), row(3, "a")}
	for i := range known {
		known[i].known = true
	}
	loaded, doubled, err := s.save(known, nil)
	if err != nil || loaded != 1 || len(doubled) != 1 || doubled[0].row != 3 {
		t.Errorf("got %d loaded, %v and %v, want b loaded, and row 3 a double", loaded, doubled, err)
	}
}

func TestTwoRunsCannotShareADatabase(t *testing.T) {
	o := options{db: filepath.Join(t.TempDir(), "etl.db")}
	j, err := openJournal(o, survey{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, err := openJournal(o, survey{}); !errors.Is(err, pacejournal.ErrLocked) {
		t.Errorf("got %v, want it to be in use", err)
	}
}

func TestADatabaseOfAnotherInputIsLeftAlone(t *testing.T) {
	o := options{db: filepath.Join(t.TempDir(), "etl.db")}
	open := func(sha256 string) error {
		j, err := openJournal(o, survey{sha256: sha256})
		return errors.Join(err, closeIf(j))
	}
	if err := open("aa"); err != nil {
		t.Fatal(err)
	}
	if err := open("bb"); !errors.Is(err, pacejournal.ErrOtherRun) || !strings.Contains(err.Error(), anew) {
		t.Errorf("got %v, want the other input refused", err)
	}
	o.fresh = true
	if err := open("bb"); err != nil {
		t.Errorf("fresh: got %v", err)
	}
	o = options{db: filepath.Join(t.TempDir(), "other.db")}
	if err := os.WriteFile(o.db, []byte("a letter"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := open("aa"); err == nil || !strings.Contains(err.Error(), "got one without its journal") {
		t.Errorf("got %v, want what has no journal refused", err)
	}
}

func closeIf(j *journal) error {
	if j == nil {
		return nil
	}
	return j.Close()
}
