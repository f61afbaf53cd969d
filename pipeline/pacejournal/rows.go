package pacejournal

import (
	"database/sql"
	"strings"
	"time"
)

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

func millis(t time.Time) int64 { return t.UnixMilli() }
