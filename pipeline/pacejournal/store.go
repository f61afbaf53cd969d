package pacejournal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
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
	// Until close, or until the process is gone: two runs at once would do the same jobs.
	if err := s.exec("PRAGMA locking_mode = EXCLUSIVE"); err != nil {
		return err
	}
	var mode string
	if err := s.conn.QueryRowContext(background, "PRAGMA journal_mode = WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%w: got the journal mode %q, want a place where it can be WAL", ErrReadOnly, mode)
	}
	for _, pragma := range []string{
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
