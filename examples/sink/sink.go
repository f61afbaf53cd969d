package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx" of database/sql
	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/pipeline"
)

const table = "paceline_city"

// A row that is there already is replaced, so a call that is repeated does no harm.
const (
	create = `CREATE TABLE IF NOT EXISTS ` + table + ` (
	id bigint PRIMARY KEY, name text NOT NULL, country text NOT NULL,
	lat float8 NOT NULL CHECK (lat BETWEEN -90 AND 90), lon float8 NOT NULL CHECK (lon BETWEEN -180 AND 180),
	population bigint NOT NULL CHECK (population >= 0))`
	columns = `INSERT INTO ` + table + ` (id, name, country, lat, lon, population) `
	replace = ` ON CONFLICT (id) DO UPDATE SET name = excluded.name, country = excluded.country,
	lat = excluded.lat, lon = excluded.lon, population = excluded.population`
	upsert     = columns + `VALUES ($1, $2, $3, $4, $5, $6)` + replace
	upsertMany = columns + `SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::float8[], $5::float8[], $6::bigint[])` + replace
	count      = `SELECT count(*) FROM ` + table
)

// A database takes rows, all or none of a call.
type database struct {
	name  string
	all   func(ctx context.Context, rows []data.City) error
	count func(ctx context.Context) (int, error)
	close func()
}

// load is one attempt at a batch. If the database takes offence at a row, each is
// tried by itself: one that is wrong is no reason to lose the others.
func (d *database) load(ctx context.Context, rows []data.City) ([]struct{}, error) {
	done := make([]struct{}, len(rows))
	err := d.all(ctx, rows)
	if !faulty(err) {
		return done, mark(err)
	}
	errs := make([]error, len(rows))
	for i := range rows {
		errs[i] = mark(d.all(ctx, rows[i:i+1]))
	}
	return done, pipeline.Partial(errs)
}

// mark tells the throttle what to make of an error, by its SQLSTATE (PostgreSQL's
// manual, appendix A).
func mark(err error) error {
	switch code := sqlState(err); {
	case faulty(err), strings.HasPrefix(code, "42"): // the table is another one
		return pipeline.Fatal(err)
	case strings.HasPrefix(code, "53"), code == "57P03": // too many connections and the like; starting up
		return pipeline.Overloaded(err, 0)
	case code == "40001", code == "40P01": // serialization failure, deadlock: it asks to be tried again
		return pipeline.Transient(err)
	}
	return err
}

// faulty says whether the data are at fault: not of their type (class 22), or
// against a constraint (class 23).
func faulty(err error) bool {
	code := sqlState(err)
	return strings.HasPrefix(code, "22") || strings.HasPrefix(code, "23")
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func open(ctx context.Context, driver, dsn string, connections int) (*database, error) {
	if driver == "sql" {
		return openSQL(ctx, dsn, connections)
	}
	return openPgx(ctx, dsn, connections)
}

// openPgx sends the statements of a batch in one go, and they are one transaction.
func openPgx(ctx context.Context, dsn string, connections int) (*database, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = int32(connections)
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, create); err != nil {
		pool.Close()
		return nil, err
	}
	return &database{
		name: "pgx",
		all: func(ctx context.Context, rows []data.City) error {
			var b pgx.Batch
			for _, c := range rows {
				b.Queue(upsert, c.ID, c.Name, c.Country, c.Lat, c.Lon, c.Population)
			}
			return pool.SendBatch(ctx, &b).Close()
		},
		count: func(ctx context.Context) (n int, err error) {
			err = pool.QueryRow(ctx, count).Scan(&n)
			return n, err
		},
		close: pool.Close,
	}, nil
}

// openSQL sends one statement that has a column of the batch in each argument.
func openSQL(ctx context.Context, dsn string, connections int) (*database, error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if _, err := db.ExecContext(ctx, create); err != nil {
		db.Close()
		return nil, err
	}
	return &database{
		name: "database/sql",
		all: func(ctx context.Context, rows []data.City) error {
			var (
				ids, populations []int64
				names, countries []string
				lats, lons       []float64
			)
			for _, c := range rows {
				ids, populations = append(ids, c.ID), append(populations, c.Population)
				names, countries = append(names, c.Name), append(countries, c.Country)
				lats, lons = append(lats, c.Lat), append(lons, c.Lon)
			}
			_, err := db.ExecContext(ctx, upsertMany, ids, names, countries, lats, lons, populations)
			return err
		},
		count: func(ctx context.Context) (n int, err error) {
			err = db.QueryRowContext(ctx, count).Scan(&n)
			return n, err
		},
		close: func() { db.Close() },
	}, nil
}
