package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/paceline-go/paceline/examples/service"
	_ "modernc.org/sqlite" // in Go alone
)

// schema keeps a proof beside the rows: each run adds up what it inserted, in
// the transaction that inserts it. A row that was loaded twice would show as
// more inserts than rows, or as a conflict; a lost one as fewer rows than the
// input has.
const schema = `
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
DROP TABLE IF EXISTS run;`

// store is the database. One run at a time has it, since one has the journal.
type store struct {
	path string
	db   *sql.DB
	run  int64 // id of this run
}

// loadedRow is a record with what the service answered.
type loadedRow struct {
	record
	service.Answer
	known bool // the journal had the answer, so an earlier run may have loaded it
}

// openStore begins a run on the database at path; a fresh one forgets what is there.
func openStore(path string, fresh bool, started time.Time) (*store, error) {
	parameters := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)"}, "_txlock": {"immediate"}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+parameters.Encode())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	s := &store{path: path, db: db}
	if err := s.begin(fresh, started); err != nil {
		db.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return s, nil
}

// begin notes the run. Rows that failed in an earlier one are forgotten: this
// one tries them again.
func (s *store) begin(fresh bool, started time.Time) error {
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
		row := tx.QueryRow("INSERT INTO run (started) VALUES (?) RETURNING id", started.UTC().Format(time.RFC3339))
		return row.Scan(&s.run)
	})
}

func (s *store) close() error { return s.db.Close() }

// save adds rows, failures and this run's count of inserts in one transaction.
// A row whose id is there already is a failure, never an update, unless an
// earlier run has loaded it: inserting it silently would hide that something came twice.
func (s *store) save(rows []loadedRow, failures []failure) (loaded int, doubled []failure, err error) {
	err = s.transact(func(tx *sql.Tx) error {
		if loaded, doubled, err = s.insert(tx, rows); err != nil {
			return err
		}
		for _, f := range append(failures, doubled...) {
			if _, err := tx.Exec("INSERT INTO failed VALUES (?, ?, ?, ?, ?)", f.row, f.line, f.id, f.attempts, f.err.Error()); err != nil {
				return fmt.Errorf("failure of row %d: %w", f.row, err)
			}
		}
		_, err = tx.Exec("UPDATE run SET inserted = inserted + ? WHERE id = ?", loaded, s.run)
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("database %s: %w", s.path, err)
	}
	return loaded, doubled, nil
}

// insert adds rows, and returns how many it added, and those whose id another row has taken.
func (s *store) insert(tx *sql.Tx, rows []loadedRow) (loaded int, doubled []failure, err error) {
	insert, err := tx.Prepare("INSERT INTO city VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING")
	if err != nil {
		return 0, nil, err
	}
	defer insert.Close()
	for _, r := range rows {
		done, err := insert.Exec(r.id, r.row, s.run, r.name, r.country, r.lat, r.lon, r.population,
			r.Geohash, moment(r.Sunrise), moment(r.Noon), moment(r.Sunset), r.DayMinutes)
		if err != nil {
			return 0, nil, fmt.Errorf("row %d: %w", r.row, err)
		}
		added, err := done.RowsAffected()
		if err != nil {
			return 0, nil, fmt.Errorf("row %d: %w", r.row, err)
		}
		if added == 1 {
			loaded++
			continue
		}
		var taken int
		if err := tx.QueryRow("SELECT row FROM city WHERE id = ?", r.id).Scan(&taken); err != nil {
			return 0, nil, fmt.Errorf("row %d: %w", r.row, err)
		}
		if r.known && taken == r.row {
			continue
		}
		doubled = append(doubled, failure{row: r.row, line: r.line, id: r.id, err: fmt.Errorf("line %d: %w", r.line, twice(r.id, taken))})
	}
	return loaded, doubled, nil
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
