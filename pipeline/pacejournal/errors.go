package pacejournal

import (
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// What can be wrong with a journal. An *Error wraps one of them, or what SQLite
// says.
var (
	// ErrLocked says that another process, or another Journal of this one, has it open.
	ErrLocked = errors.New("in use by another run: want one at a time")

	// ErrForeign says that the file is something else than a journal.
	ErrForeign = errors.New("not a journal: want one, or a path where no file is")

	// ErrSchema says that another version of this package wrote it.
	ErrSchema = errors.New("written by another version")

	// ErrOtherRun says that it holds the results of another run, by Options.Run.
	ErrOtherRun = errors.New("of another run")

	// ErrFull says that the disk is full. What was stored before is kept.
	ErrFull = errors.New("the disk is full")

	// ErrReadOnly says that the place cannot be written to, or is no place at all.
	ErrReadOnly = errors.New("cannot be written")

	// ErrClosed says that the journal was closed.
	ErrClosed = errors.New("closed")
)

// An Error is what went wrong with a journal. Results that it keeps from being stored
// come with it.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("journal %s: %v", e.Path, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// A FailedError is the error of a job that failed in an earlier run, as text: more is
// not kept of it.
type FailedError struct{ Text string }

func (e *FailedError) Error() string { return e.Text }

// explain puts one of our errors in front of what SQLite says.
func explain(err error) error {
	var said *sqlite.Error
	if !errors.As(err, &said) {
		return err
	}
	const primary = 0xff // of a code, the rest says more
	switch said.Code() & primary {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fmt.Errorf("%w: %w", ErrLocked, err)
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", ErrForeign, err)
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return err
}
