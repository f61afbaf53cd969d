package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	wire "github.com/jeroenrinzema/psql-wire"
	"github.com/jeroenrinzema/psql-wire/codes"
	pgerror "github.com/jeroenrinzema/psql-wire/errors"
	"github.com/jeroenrinzema/psql-wire/pkg/buffer"
	"github.com/jeroenrinzema/psql-wire/pkg/types"
	"github.com/paceline-go/paceline/examples/etl/data"
)

// What the embedded server does to its callers, who do not know it.
const (
	room      = 10                    // connections; more are refused, as PostgreSQL does
	latency   = 20 * time.Millisecond // of a transaction
	conflicts = 25                    // one transaction of so many fails to serialize
)

// A server speaks PostgreSQL's protocol and understands what this program says to
// it. The table is in memory.
type server struct {
	dsn  string
	wire *wire.Server

	mu           sync.Mutex // each connection is served by a goroutine of its own
	rows         map[int64]data.City
	room         int // for connections
	connected    int
	refused      int
	transactions int
}

func startServer(room int) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{dsn: "postgres://paceline@" + listener.Addr().String() + "/test?sslmode=disable", room: room, rows: make(map[int64]data.City)}
	s.wire, err = wire.NewServer(s.parse,
		wire.Logger(slog.New(slog.DiscardHandler)),
		wire.SessionAuthStrategy(s.admit),
		wire.CloseConn(s.leave),
		wire.SyncConn(s.commit),
	)
	if err != nil {
		listener.Close()
		return nil, err
	}
	go s.wire.Serve(listener) // until close
	return s, nil
}

func (s *server) close() { s.wire.Close() }

func failure(code codes.Code, format string, args ...any) error {
	return pgerror.WithSeverity(pgerror.WithCode(fmt.Errorf(format, args...), code), pgerror.LevelError)
}

// admit lets a connection in, as long as there is room for it.
func (s *server) admit(ctx context.Context, w *buffer.Writer, _ *buffer.Reader) (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected == s.room {
		s.refused++
		err := pgerror.WithSeverity(pgerror.WithCode(errors.New("sorry, too many clients already"), codes.TooManyConnections), pgerror.LevelFatal)
		return ctx, errors.Join(err, wire.WriteUnterminatedError(w, err))
	}
	s.connected++
	w.Start(types.ServerAuth)
	w.AddInt32(0) // AuthenticationOk
	return ctx, w.End()
}

func (s *server) leave(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected--
	return nil
}

// pending is where a session keeps the rows of its transaction.
const pending = "pending"

// commit ends the transaction that a Sync is the end of.
func (s *server) commit(ctx context.Context, failed bool) error {
	value, _ := wire.GetAttribute(ctx, pending)
	rows, _ := value.([]data.City)
	wire.SetAttribute(ctx, pending, []data.City(nil))
	if failed || len(rows) == 0 {
		return nil
	}
	time.Sleep(latency)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.transactions++; s.transactions%conflicts == 0 {
		return failure(codes.SerializationFailure, "could not serialize access due to concurrent update")
	}
	for _, c := range rows {
		s.rows[c.ID] = c
	}
	return nil
}

var (
	one = []uint32{pgtype.Int8OID, pgtype.TextOID, pgtype.TextOID, pgtype.Float8OID, pgtype.Float8OID, pgtype.Int8OID}
	all = []uint32{
		pgtype.Int8ArrayOID, pgtype.TextArrayOID, pgtype.TextArrayOID, pgtype.Float8ArrayOID, pgtype.Float8ArrayOID, pgtype.Int8ArrayOID,
	}
)

// parse prepares a statement of sink.go.
func (s *server) parse(_ context.Context, query wire.Query) (wire.PreparedStatements, error) {
	switch query.Query {
	case upsert:
		return wire.Prepared(wire.NewStatement(s.upsert, wire.WithParameters(one))), nil
	case upsertMany:
		return wire.Prepared(wire.NewStatement(s.upsertMany, wire.WithParameters(all))), nil
	case count:
		return wire.Prepared(wire.NewStatement(s.count, wire.WithColumns(wire.Columns{{Name: "count", Oid: pgtype.Int8OID, Width: 8}}))), nil
	case create:
		return wire.Prepared(wire.NewStatement(tag("CREATE TABLE"))), nil
	}
	if strings.HasPrefix(query.Query, "--") { // a client's way to see if we are there
		return wire.Prepared(wire.NewStatement(func(_ context.Context, w wire.DataWriter, _ []wire.Parameter) error { return w.Empty() })), nil
	}
	return nil, failure(codes.FeatureNotSupported, "the embedded server does not understand %q", query.Query)
}

func tag(text string) wire.PreparedStatementFn {
	return func(_ context.Context, w wire.DataWriter, _ []wire.Parameter) error { return w.Complete(text) }
}

func (s *server) count(_ context.Context, w wire.DataWriter, _ []wire.Parameter) error {
	s.mu.Lock()
	n := len(s.rows)
	s.mu.Unlock()
	if err := w.Row([]any{int64(n)}); err != nil {
		return err
	}
	return w.Complete("SELECT 1")
}

func (s *server) upsert(ctx context.Context, w wire.DataWriter, parameters []wire.Parameter) error {
	var v [6]any
	for i, p := range parameters {
		var err error
		if v[i], err = p.Scan(one[i]); err != nil {
			return err
		}
	}
	return insert(ctx, w, data.City{
		ID: v[0].(int64), Name: v[1].(string), Country: v[2].(string),
		Lat: v[3].(float64), Lon: v[4].(float64), Population: v[5].(int64),
	})
}

func (s *server) upsertMany(ctx context.Context, w wire.DataWriter, parameters []wire.Parameter) error {
	var v [6][]any
	for i, p := range parameters {
		array, err := p.Scan(all[i])
		if err != nil {
			return err
		}
		v[i] = array.([]any)
	}
	var rows []data.City
	for i := range v[0] {
		rows = append(rows, data.City{
			ID: v[0][i].(int64), Name: v[1][i].(string), Country: v[2][i].(string),
			Lat: v[3][i].(float64), Lon: v[4][i].(float64), Population: v[5][i].(int64),
		})
	}
	return insert(ctx, w, rows...)
}

// insert checks rows and adds them to the transaction.
func insert(ctx context.Context, w wire.DataWriter, rows ...data.City) error {
	for _, c := range rows {
		column := ""
		switch {
		case c.Lat < -90 || c.Lat > 90:
			column = "lat"
		case c.Lon < -180 || c.Lon > 180:
			column = "lon"
		case c.Population < 0:
			column = "population"
		default:
			continue
		}
		return failure(codes.CheckViolation, "new row for relation %q violates check constraint %q", table, table+"_"+column+"_check")
	}
	value, _ := wire.GetAttribute(ctx, pending)
	before, _ := value.([]data.City)
	wire.SetAttribute(ctx, pending, append(before, rows...))
	return w.Complete(fmt.Sprintf("INSERT 0 %d", len(rows)))
}
