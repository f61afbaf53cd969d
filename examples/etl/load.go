package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/service"
	"modernc.org/sqlite" // in Go alone
	sqlite3 "modernc.org/sqlite/lib"
)

// schema keeps a proof beside the rows: each run adds up what it inserted, in
// the transaction that inserts it. A row that was loaded twice would show as
// more inserts than rows, or as a conflict; a lost one as fewer rows than the
// input has.
const schema = `
CREATE TABLE IF NOT EXISTS input (sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS run (id INTEGER PRIMARY KEY, started TEXT NOT NULL, inserted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE failed (row INTEGER PRIMARY KEY, line INTEGER NOT NULL, id TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS city (
	id          TEXT PRIMARY KEY,
	row         INTEGER NOT NULL UNIQUE,
	run         INTEGER NOT NULL REFERENCES run (id),
	name        TEXT NOT NULL,
	country     TEXT NOT NULL,
	lat         REAL NOT NULL,
	lon         REAL NOT NULL,
	population  INTEGER NOT NULL,
	geohash     TEXT NOT NULL,
	sunrise     TEXT,
	noon        TEXT NOT NULL,
	sunset      TEXT,
	day_minutes REAL NOT NULL
);`

const clean = `
DROP TABLE IF EXISTS city;
DROP TABLE IF EXISTS failed;
DROP TABLE IF EXISTS run;
DROP TABLE IF EXISTS input;`

// store is the database, which one run at a time may hold.
type store struct {
	path string
	db   *sql.DB
	run  int64     // id of this run
	find *sql.Stmt // asked for every row of the input
}

// loadedRow is a record with what the service answered.
type loadedRow struct {
	record
	service.Answer
}

// openStore begins a run on the database at path, for an input; a fresh one
// forgets what is there.
func openStore(path string, fresh bool, in source, found survey, started time.Time) (*store, error) {
	if err := command.CheckFile("-db", path); err != nil {
		return nil, err
	}
	// The lock is held until close, or until the process is gone: two runs at
	// once would ask for the same rows.
	pragmas := url.Values{
		"_pragma": {"locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(NORMAL)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+pragmas.Encode())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	db.SetMaxOpenConns(1) // the lock belongs to a connection
	s := &store{path: path, db: db}
	if err := s.begin(fresh, in, found, started); err != nil {
		db.Close()
		return nil, fmt.Errorf("database %s: %w", path, explain(err))
	}
	if s.find, err = db.Prepare("SELECT row FROM city WHERE id = ?"); err != nil {
		db.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return s, nil
}

func explain(err error) error {
	var failed *sqlite.Error
	if errors.As(err, &failed) && failed.Code() == sqlite3.SQLITE_BUSY {
		return fmt.Errorf("in use by another run: %w", err)
	}
	return err
}

// begin notes the run. Rows that failed in an earlier one are forgotten: this
// one tries them again.
func (s *store) begin(fresh bool, in source, found survey, started time.Time) error {
	return s.transact(func(tx *sql.Tx) error {
		if fresh {
			if _, err := tx.Exec(clean); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("DROP TABLE IF EXISTS failed"); err != nil {
			return err
		}
		if _, err := tx.Exec(schema); err != nil {
			return err
		}
		if err := sameInput(tx, in, found); err != nil {
			return err
		}
		row := tx.QueryRow("INSERT INTO run (started) VALUES (?) RETURNING id", started.UTC().Format(time.RFC3339))
		return row.Scan(&s.run)
	})
}

// sameInput keeps the rows of different inputs apart: they would make the count
// at the end meaningless.
func sameInput(tx *sql.Tx, in source, found survey) error {
	var sha256, name string
	err := tx.QueryRow("SELECT sha256, name FROM input").Scan(&sha256, &name)
	if errors.Is(err, sql.ErrNoRows) {
		_, err := tx.Exec("INSERT INTO input VALUES (?, ?, ?)", found.sha256, in.name, found.rows)
		return err
	}
	if err != nil {
		return err
	}
	if sha256 != found.sha256 {
		return fmt.Errorf("got %s as the input, want %s with the content of the run before: name another -db, or begin anew with -fresh", in.name, name)
	}
	return nil
}

func (s *store) close() error { return errors.Join(s.find.Close(), s.db.Close()) }

// loadedFrom returns the row of the input that id was loaded from, 0 if it was not.
func (s *store) loadedFrom(id string) (row int, err error) {
	err = s.find.QueryRow(id).Scan(&row)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return row, err
}

// save adds rows, failures and this run's count of inserts in one transaction.
// A row whose id is there already is a failure, never an update: inserting it
// silently would hide that something came twice.
func (s *store) save(rows []loadedRow, failures []failure) (doubled []failure, err error) {
	err = s.transact(func(tx *sql.Tx) error {
		if doubled, err = s.insert(tx, rows); err != nil {
			return err
		}
		for _, f := range append(failures, doubled...) {
			if _, err := tx.Exec("INSERT INTO failed VALUES (?, ?, ?, ?, ?)", f.row, f.line, f.id, f.attempts, f.err.Error()); err != nil {
				return fmt.Errorf("failure of row %d: %w", f.row, err)
			}
		}
		_, err = tx.Exec("UPDATE run SET inserted = inserted + ? WHERE id = ?", len(rows)-len(doubled), s.run)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", s.path, err)
	}
	return doubled, nil
}

// insert adds rows and returns those whose id another row has taken.
func (s *store) insert(tx *sql.Tx, rows []loadedRow) (doubled []failure, err error) {
	insert, err := tx.Prepare("INSERT INTO city VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING")
	if err != nil {
		return nil, err
	}
	defer insert.Close()
	for _, r := range rows {
		done, err := insert.Exec(r.id, r.row, s.run, r.name, r.country, r.lat, r.lon, r.population,
			r.Geohash, moment(r.Sunrise), moment(r.Noon), moment(r.Sunset), r.DayMinutes)
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", r.row, err)
		}
		added, err := done.RowsAffected()
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", r.row, err)
		}
		if added == 1 {
			continue
		}
		var taken int
		if err := tx.QueryRow("SELECT row FROM city WHERE id = ?", r.id).Scan(&taken); err != nil {
			return nil, fmt.Errorf("row %d: %w", r.row, err)
		}
		doubled = append(doubled, failure{row: r.row, line: r.line, id: r.id, err: fmt.Errorf("line %d: %w", r.line, twice(r.id, taken))})
	}
	return doubled, nil
}

// moment is a time as the table has it: NULL for a sunrise that does not happen.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// audit is what the database itself counts.
type audit struct {
	rows     int // in the table
	places   int // different rows of the input among them
	inserted int // by all runs together
	runs     int
	failed   int
}

// mostReasons bounds how many failures are listed.
const mostReasons = 5

func (s *store) audit() (audit, error) {
	var a audit
	err := s.db.QueryRow(`SELECT
		(SELECT count(*) FROM city),
		(SELECT count(DISTINCT row) FROM city),
		(SELECT sum(inserted) FROM run),
		(SELECT count(*) FROM run WHERE inserted > 0),
		(SELECT count(*) FROM failed)`).Scan(&a.rows, &a.places, &a.inserted, &a.runs, &a.failed)
	if err != nil {
		return a, fmt.Errorf("database %s: %w", s.path, err)
	}
	return a, nil
}

// reasons are those of the first failures, in the order of the input.
func (s *store) reasons() (first []string, err error) {
	rows, err := s.db.Query("SELECT error FROM failed ORDER BY row LIMIT ?", mostReasons)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var reason string
		if err := rows.Scan(&reason); err != nil {
			return nil, err
		}
		first = append(first, reason)
	}
	return first, rows.Err()
}

// loaded is how many rows the table has.
func (s *store) loaded() (int, error) {
	var n int
	err := s.db.QueryRow("SELECT count(*) FROM city").Scan(&n)
	return n, err
}

func (s *store) transact(do func(*sql.Tx) error) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
