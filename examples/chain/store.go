package main

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/paceline-go/paceline/examples/command"
	_ "modernc.org/sqlite" // in Go alone
)

// A store is a table of places. Who is there already is replaced.
type store struct{ db *sql.DB }

func openStore(path string) (*store, error) {
	if err := command.CheckFile("-db", path); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, fmt.Errorf("-db %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE IF NOT EXISTS place (
		id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL, geohash TEXT NOT NULL, day_minutes REAL NOT NULL)`)
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("-db %s: %w", path, err)
	}
	return &store{db}, nil
}

func (s *store) close() { s.db.Close() }

// load is one attempt to store places, all in one transaction.
func (s *store) load(ctx context.Context, places []place) ([]struct{}, error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback() // nothing, after Commit
	insert, err := tx.PrepareContext(ctx, `INSERT OR REPLACE INTO place VALUES (?, ?, ?, ?, ?)`)
	if err != nil {
		return nil, err
	}
	defer insert.Close()
	for _, p := range places {
		if _, err := insert.ExecContext(ctx, p.ID, p.Name, p.Country, p.Geohash, p.DayMinutes); err != nil {
			return nil, err
		}
	}
	return make([]struct{}, len(places)), tx.Commit()
}

func (s *store) count() (rows int, err error) {
	err = s.db.QueryRow(`SELECT count(*) FROM place`).Scan(&rows)
	return rows, err
}
