package pacejournal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	applicationID = 0x7061636a // "pacj", in the header of the file, where file(1) finds it, too
	schemaVersion = 1
)

// schema is for people to read, too. A job is there once: key is unique.
const schema = `
CREATE TABLE about (
	name  TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE job (
	id       INTEGER PRIMARY KEY, -- in the order of storing
	key      TEXT NOT NULL UNIQUE,
	attempts INTEGER NOT NULL,
	stored   INTEGER NOT NULL,    -- milliseconds since 1970
	result   TEXT,                -- JSON
	error    TEXT,                -- NULL: it succeeded
	again    INTEGER NOT NULL     -- 1: it failed, and is to be done again
) STRICT;
CREATE INDEX failed ON job (id) WHERE error IS NOT NULL;`

const clean = `
DROP TABLE IF EXISTS job;
DROP TABLE IF EXISTS about;`

// A row is a job in the journal.
type row struct {
	id       int64
	key      string
	attempts int
	stored   int64  // milliseconds since 1970
	result   []byte // JSON; nil: none
	err      *string
	again    bool
}

// A store is the database, with one connection. It belongs to one goroutine at a time.
type store struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	id    string // of the journal, random
}

// background is the context of all statements: they are short, and a transaction is not
// to be left half-way.
var background = context.Background()

func openStore(path string, o Options) (*store, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // the lock belongs to a connection
	s := &store{db: db, stmts: map[string]*sql.Stmt{}}
	if s.conn, err = db.Conn(background); err == nil {
		err = s.configure(o.Sync)
	}
	if err == nil {
		err = s.transact(func() error { return s.begin(o) })
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// configure sets what holds for the connection. The locks come first: then the log of WAL
// needs no third file of shared memory.
func (s *store) configure(sync bool) error {
	synchronous := "NORMAL"
	if sync {
		synchronous = "FULL"
	}
	for _, pragma := range []string{
		"locking_mode = EXCLUSIVE", // until close, or until the process is gone: two runs at once would do the same jobs
		"journal_mode = WAL",
		"synchronous = " + synchronous,
		"wal_autocheckpoint = 4000", // 16 MB, so that pages which change often are written back seldom
		"cache_size = -32000",       // KB
	} {
		if err := s.exec("PRAGMA " + pragma); err != nil {
			return err
		}
	}
	return nil
}

// begin makes sure that the file is a journal of this run, and makes it one if it is new.
func (s *store) begin(o Options) error {
	var application, version, tables int
	err := errors.Join(
		s.conn.QueryRowContext(background, "PRAGMA application_id").Scan(&application),
		s.conn.QueryRowContext(background, "PRAGMA user_version").Scan(&version),
		s.conn.QueryRowContext(background, "SELECT count(*) FROM sqlite_schema").Scan(&tables),
	)
	switch ours := application == applicationID; {
	case err != nil:
		return err
	case !ours && tables > 0:
		return ErrForeign
	case ours && o.Fresh:
		return s.renew(o, version == schemaVersion)
	case !ours:
		return s.create(o)
	case version != schemaVersion:
		return fmt.Errorf("%w: got schema %d, want %d", ErrSchema, version, schemaVersion)
	}
	run, err := s.about("run")
	if err == nil && run != o.Run {
		return fmt.Errorf("%w: got %q, want %q", ErrOtherRun, o.Run, run)
	}
	if err == nil {
		s.id, err = s.about("id")
	}
	return err
}

func (s *store) create(o Options) error {
	id := make([]byte, 16)
	rand.Read(id) // never fails
	s.id = hex.EncodeToString(id)
	return errors.Join(
		s.exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, schemaVersion)),
		s.exec(schema),
		s.setAbout("run", o.Run),
		s.setAbout("id", s.id),
	)
}

// renew begins anew. What a throttle has used stays used, if it is known.
func (s *store) renew(o Options, known bool) error {
	throttle := ""
	if known {
		var err error
		if throttle, err = s.about("throttle"); err != nil {
			return err
		}
	}
	return errors.Join(s.exec(clean), s.create(o), s.setAbout("throttle", throttle))
}

func (s *store) exec(text string) error {
	_, err := s.conn.ExecContext(background, text)
	return err
}

// transact makes do one transaction, which takes effect if it returns nil.
func (s *store) transact(do func() error) error {
	if err := s.often("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := do()
	if err == nil {
		err = s.often("COMMIT")
	}
	if err != nil {
		_ = s.exec("ROLLBACK") // SQLite may have done it already
	}
	return err
}

// often is exec for what is worth preparing.
func (s *store) often(text string, args ...any) error {
	stmt, err := s.prepare(text, "", 1, "")
	if err == nil {
		_, err = stmt.ExecContext(background, args...)
	}
	return err
}

// about returns what is known of the journal as a whole, "" if nothing is.
func (s *store) about(name string) (value string, err error) {
	err = s.conn.QueryRowContext(background, "SELECT value FROM about WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func (s *store) setAbout(name, value string) error {
	return s.often("INSERT INTO about VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", name, value)
}

// prepare returns the statement for n values at once, in groups such as "(?, ?)".
func (s *store) prepare(before, group string, n int, after string) (*sql.Stmt, error) {
	text := before + strings.Repeat(group+", ", n-1) + group + after
	if stmt := s.stmts[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(background, text)
	if err == nil {
		s.stmts[text] = stmt
	}
	return stmt, err
}

// sizes are how many values one statement takes: a call costs more than a value does.
var sizes = [...]int{64, 8, 1}

// chunks calls do with parts of n for which there are statements.
func chunks(n int, do func(from, to int) error) error {
	for from := 0; from < n; {
		for _, size := range sizes {
			if size <= n-from {
				if err := do(from, from+size); err != nil {
					return err
				}
				from += size
				break
			}
		}
	}
	return nil
}

const columns = "id, key, attempts, stored, result, error, again"

// find returns the rows of those keys that are there.
func (s *store) find(keys []string) (map[string]row, error) {
	found := map[string]row{}
	return found, chunks(len(keys), func(from, to int) error {
		stmt, err := s.prepare("SELECT "+columns+" FROM job WHERE key IN (", "?", to-from, ")")
		if err != nil {
			return err
		}
		args := make([]any, 0, to-from)
		for _, key := range keys[from:to] {
			args = append(args, key)
		}
		return s.query(stmt, args, func(r row) { found[r.key] = r })
	})
}

// after returns up to limit rows with a higher id.
func (s *store) after(id int64, limit int) (rows []row, err error) {
	stmt, err := s.prepare("SELECT "+columns+" FROM job WHERE id > ", "?", 1, " ORDER BY id LIMIT ?")
	if err != nil {
		return nil, err
	}
	return rows, s.query(stmt, []any{id, limit}, func(r row) { rows = append(rows, r) })
}

func (s *store) query(stmt *sql.Stmt, args []any, each func(row)) error {
	rows, err := stmt.QueryContext(background, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		var failed sql.NullString
		if err := rows.Scan(&r.id, &r.key, &r.attempts, &r.stored, &r.result, &failed, &r.again); err != nil {
			return err
		}
		if failed.Valid {
			r.err = &failed.String
		}
		each(r)
	}
	return rows.Err()
}

// insert stores rows. One that is there stays as it is, unless it is to be done again.
func (s *store) insert(rows []row) error {
	return chunks(len(rows), func(from, to int) error {
		stmt, err := s.prepare("INSERT INTO job (key, attempts, stored, result, error, again) VALUES ", "(?, ?, ?, ?, ?, 0)", to-from,
			` ON CONFLICT (key) DO UPDATE SET attempts = job.attempts + excluded.attempts, stored = excluded.stored,
				result = excluded.result, error = excluded.error, again = 0 WHERE job.again = 1`)
		if err != nil {
			return err
		}
		args := make([]any, 0, 5*(to-from))
		for _, r := range rows[from:to] {
			args = append(args, r.key, r.attempts, r.stored, text(r.result), r.err)
		}
		_, err = stmt.ExecContext(background, args...)
		return err
	})
}

// text is JSON as SQLite is to show it.
func text(json []byte) any {
	if json == nil {
		return nil
	}
	return string(json)
}

// again marks failed jobs to be done again: those with the keys, or without keys all. It
// returns how many are newly marked.
func (s *store) again(keys []string) (marked int64, err error) {
	const mark = "UPDATE job SET again = 1 WHERE again = 0 AND error IS NOT NULL"
	run := func(stmt string, args ...any) error {
		done, err := s.conn.ExecContext(background, stmt, args...)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		marked += n
		return err
	}
	if len(keys) == 0 {
		return marked, run(mark)
	}
	for _, key := range keys {
		if err := run(mark+" AND key = ?", key); err != nil {
			return 0, err
		}
	}
	return marked, nil
}

func (s *store) close() error {
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	return errors.Join(append(errs, s.db.Close())...)
}

func millis(t time.Time) int64 { return t.UnixMilli() }
