package pacejournal

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// mustFail opens a journal that cannot be opened.
func mustFail(t *testing.T, path string, o Options, want error, says ...string) {
	t.Helper()
	j, err := Open[int, int](path, strconv.Itoa, o)
	if err == nil {
		j.Close()
	}
	var ours *Error
	if !errors.Is(err, want) || !errors.As(err, &ours) || ours.Path != path {
		t.Fatalf("got %v, want an *Error that wraps %v", err, want)
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("got %q, want it to say %q", err, text)
		}
	}
}

// execute changes a database behind the journal's back.
func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec(statement)
	}
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAJournalThatIsInUseIsNotOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	openAt(t, path, Options{})
	mustFail(t, path, Options{}, ErrLocked, "in use by another run")
	mustFail(t, path, Options{Fresh: true}, ErrLocked)
}

func TestAJournalOfAnotherRunIsNotOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path, Options{Run: "gpt-4o"})
	mustSquare(t, all(j, t.Context(), through(t, square), numbers(10)), 10)
	j.Close()
	mustFail(t, path, Options{Run: "gpt-5"}, ErrOtherRun, `got "gpt-5", want "gpt-4o"`)
	mustFail(t, path, Options{}, ErrOtherRun)
	if results := all(openAt(t, path, Options{Run: "gpt-4o"}), t.Context(), through(t, square), numbers(10)); known(results) != 10 {
		t.Errorf("got %d known, want nothing lost", known(results))
	}
}

func TestAJournalOfAnotherVersionIsNotOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	openAt(t, path, Options{}).Close()
	execute(t, path, "PRAGMA user_version = 99")
	mustFail(t, path, Options{}, ErrSchema, "got schema 99, want 1")
	openAt(t, path, Options{Fresh: true}).Close()
	openAt(t, path, Options{}).Close()
}

func TestAnotherFileIsLeftAlone(t *testing.T) {
	text := filepath.Join(t.TempDir(), "letter.txt")
	words := strings.Repeat("It is a long letter. ", 500)
	if err := os.WriteFile(text, []byte(words), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	execute(t, other, "CREATE TABLE job (mine TEXT); INSERT INTO job VALUES ('kept')")
	for _, o := range []Options{{}, {Fresh: true}} {
		mustFail(t, text, o, ErrForeign, "not a journal")
		mustFail(t, other, o, ErrForeign, "not a journal")
	}
	if data, err := os.ReadFile(text); err != nil || string(data) != words {
		t.Error("got another letter")
	}
	execute(t, other, "INSERT INTO job (mine) VALUES ('still as it was')")
}

func TestAPlaceThatCannotBeWrittenIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustFail(t, filepath.Join(file, "journal.db"), Options{}, ErrReadOnly)
	mustFail(t, filepath.Join(t.TempDir(), "none", "journal.db"), Options{}, ErrReadOnly)
	mustFail(t, t.TempDir(), Options{}, ErrReadOnly)
	mustFail(t, ":memory:", Options{}, ErrReadOnly, "want a place where it can be WAL")
}

func TestAnyNameIsThatOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ?b#c%20&d.db")
	openAt(t, path, Options{}).Close()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for want, open := range map[string]func() error{
		"path: got none": func() error {
			_, err := Open[int, int]("", strconv.Itoa, Options{})
			return err
		},
		"key: got nil": func() error {
			_, err := Open[int, int]("x", nil, Options{})
			return err
		},
		"type of results: bytes.Buffer.buf: got a field that is not exported": func() error {
			_, err := Open[int, []map[string]*bytes.Buffer]("x", strconv.Itoa, Options{})
			return err
		},
		"type of results: error: got the interface error": func() error {
			_, err := Open[int, error]("x", strconv.Itoa, Options{})
			return err
		},
		"type of results: pacejournal.loud.Call: got func()": func() error {
			_, err := Open[int, loud]("x", strconv.Itoa, Options{})
			return err
		},
	} {
		if err := open(); err == nil || !strings.HasPrefix(err.Error(), want[:strings.IndexByte(want, ':')]) || !strings.Contains(err.Error(), strings.TrimPrefix(want, "type of results: ")) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := os.Stat("x"); err == nil {
		t.Error("a file was made")
	}
}

type (
	loud struct{ Call func() }
	fine struct {
		At    time.Time
		Any   any
		Again *fine
		note  string `json:"-"`
		pipeline.AttemptCounts
		List []struct{ M map[string]float64 }
	}
)

func TestResultsComeBackAsTheyWent(t *testing.T) {
	j, err := Open[int, fine](filepath.Join(t.TempDir(), "journal.db"), strconv.Itoa, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	p, err := pipeline.New(func(_ context.Context, n int) (fine, error) {
		return fine{At: at, Any: "text", Again: &fine{At: at}, note: "of no use", AttemptCounts: pipeline.AttemptCounts{Failed: 1 << 62}}, nil
	}, pipeline.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for r := range j.Each(t.Context(), p, numbers(1)) {
			o := r.Out
			if r.Err != nil || o.At != at || o.Any != "text" || o.Again.At != at || o.Failed != 1<<62 || (o.note == "") != r.Known {
				t.Errorf("got %+v", r)
			}
		}
	}
}

// What has no form in JSON is a failure, which is kept, and not done again and again.
func TestAResultThatCannotBeKeptIsAFailure(t *testing.T) {
	j, err := Open[int, float64](filepath.Join(t.TempDir(), "journal.db"), strconv.Itoa, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p, err := pipeline.New(func(_ context.Context, n int) (float64, error) { return math.NaN(), nil }, pipeline.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []bool{false, true} {
		for r := range j.Each(t.Context(), p, numbers(1)) {
			if r.Err == nil || r.Err.Error() != "result: json: unsupported value: NaN" || !r.Stored || r.Known != known {
				t.Errorf("got %+v", r)
			}
		}
	}
}

func TestKeysAreChecked(t *testing.T) {
	key := func(n int) string { return []string{"", "a\x00b", "\xff", "good", "panic"}[n:][0] }
	j, err := Open[int, int](filepath.Join(t.TempDir(), "journal.db"), func(n int) string {
		if n == 4 {
			panic("no key")
		}
		return key(n)
	}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	work := newCounted()
	for r := range j.Each(t.Context(), through(t, work.square), numbers(5)) {
		var panicked *pipeline.PanicError
		switch {
		case r.In == 3:
			if r.Err != nil || !r.Stored {
				t.Errorf("got %+v", r)
			}
		case r.Stored || r.Attempts != 0 || r.Err == nil:
			t.Errorf("got %+v, want an error", r)
		case r.In == 4 && !errors.As(r.Err, &panicked), r.In < 3 && !strings.Contains(r.Err.Error(), "want text of at least one byte, without NUL"):
			t.Errorf("job %d: got %v", r.In, r.Err)
		}
	}
	if done := work.done(); len(done) != 1 {
		t.Errorf("got %v done, want 3 alone", done)
	}
	for _, err := range j.Results(numbers(1)) {
		if err == nil {
			t.Error("got no error for a job without a key")
		}
	}
}

// A key that changes with the work would leave the job in flight for ever.
func TestAKeyThatWorkChangesEndsTheRun(t *testing.T) {
	type job struct{ name string }
	j, err := Open[*job, int](filepath.Join(t.TempDir(), "journal.db"), func(j *job) string { return j.name }, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p, err := pipeline.New(func(_ context.Context, j *job) (int, error) { j.name += "!"; return 1, nil }, pipeline.Config{})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for r := range j.Each(t.Context(), p, func(yield func(*job) bool) {
		for yield(&job{"a"}) {
		}
	}) {
		if count++; r.Stored || r.Err == nil || !strings.Contains(r.Err.Error(), `got "a!" after the work, want the same as before`) {
			t.Fatalf("got %+v, want it said", r)
		}
	}
	if count == 0 {
		t.Error("got no result")
	}
}

// full makes the database of a journal full.
func full(t *testing.T, j *journal, pages string) {
	t.Helper()
	if err := j.owner.read(func(s *store) error { return s.exec("PRAGMA max_page_count = " + pages) }); err != nil {
		t.Fatal(err)
	}
}

func TestAFullDiskEndsTheRunAndLosesNothing(t *testing.T) {
	j := open(t)
	mustSquare(t, all(j, t.Context(), through(t, square), numbers(500)), 500)
	full(t, j, "1") // is taken for as many as there are
	stored, lost := 0, 0
	for r := range j.Each(t.Context(), through(t, square), numbers(100_000)) {
		var ours *Error
		switch {
		case r.Stored && r.Err == nil:
			stored++
		case r.Known || r.Stored, !errors.Is(r.Err, ErrFull), !errors.As(r.Err, &ours):
			t.Fatalf("got %+v, want %v", r, ErrFull)
		default:
			if lost++; r.Attempts > 0 && r.Out != r.In*r.In {
				t.Fatalf("got %+v, want what the work returned", r)
			}
		}
	}
	if stored < 500 || lost == 0 || lost > 10_000 {
		t.Errorf("got %d stored and %d not, want those before, and the end of the run", stored, lost)
	}
	full(t, j, "1000000")
	if results := all(j, t.Context(), through(t, square), numbers(3000)); known(results) != stored {
		t.Errorf("got %d known, want %d", known(results), stored)
	} else {
		mustSquare(t, results, 3000)
	}
}

func TestAClosedJournalSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := openAt(t, path, Options{})
	for r := range j.Each(t.Context(), through(t, square), numbers(100_000)) {
		if r.Err == nil {
			j.Close() // in the middle
		} else if !errors.Is(r.Err, ErrClosed) || r.Stored {
			t.Fatalf("got %+v, want %v", r, ErrClosed)
		}
	}
	if err := j.Close(); err != nil {
		t.Errorf("closed twice: got %v", err)
	}
	_, err := j.Retry()
	for _, e := range j.All() {
		err = errors.Join(err, e)
	}
	for _, e := range j.Results(numbers(1)) {
		err = errors.Join(err, e)
	}
	if n := strings.Count(err.Error(), "journal "+path+": closed"); n != 3 {
		t.Errorf("got %v, want it said three times", err)
	}
	for r := range j.Each(t.Context(), through(t, square), numbers(1)) {
		if !errors.Is(r.Err, ErrClosed) {
			t.Errorf("got %+v", r)
		}
	}
}

// After a loss of power, any part of the end of the log may be missing. What is there then is what was
// stored first.
func TestWhatALossOfPowerLeavesIsWhatWasStoredFirst(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	j := openAt(t, path, Options{})
	var order []string
	for r := range j.Each(t.Context(), through(t, square), numbers(2000)) {
		order = append(order, strconv.Itoa(r.In))
	}
	database, err := os.ReadFile(path)
	log, err2 := os.ReadFile(path + "-wal")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	most := 0
	for i := range cuts {
		cut := filepath.Join(dir, strconv.Itoa(i)+".db")
		if err := errors.Join(os.WriteFile(cut, database, 0o600), os.WriteFile(cut+"-wal", log[:len(log)*i/(cuts-1)], 0o600)); err != nil {
			t.Fatal(err)
		}
		rest := openAt(t, cut, Options{})
		n := 0
		for e, err := range rest.All() {
			if err != nil || e.Key != order[n] {
				t.Fatalf("%d: got %+v and %v, want %s", n, e, err, order[n])
			}
			n++
		}
		if n < most {
			t.Fatalf("got %d of a longer log, %d of a shorter one", n, most)
		}
		most = n
		rest.Close()
	}
	if most != 2000 {
		t.Errorf("got %d of the whole log, want 2000", most)
	}
}
