package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/pipeline"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

func TestEachRowIsStoredOrRefusedForWhatItIs(t *testing.T) {
	for _, driver := range []string{"pgx", "sql"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			server, err := startServer(2)
			if err != nil {
				t.Fatal(err)
			}
			defer server.close()
			var stdout, stderr bytes.Buffer
			if status := run([]string{"-dsn", server.dsn, "-driver", driver, "-batch", "20"}, &stdout, &stderr); status != 0 {
				t.Fatalf("got status %d, want 0: %s%s", status, &stdout, &stderr)
			}
			cities, err := data.Cities()
			if err != nil {
				t.Fatal(err)
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if len(server.rows) != len(cities) {
				t.Errorf("%d rows in the table, want %d", len(server.rows), len(cities))
			}
			for _, c := range cities {
				if server.rows[c.ID] != c {
					t.Errorf("row %d: got %+v, want %+v", c.ID, server.rows[c.ID], c)
				}
			}
			if server.refused == 0 {
				t.Error("no connection was refused, so the test has shown nothing")
			}
			for _, want := range []string{"stored    8,000 rows", "dead      -1 Beyond the Pole", "dead      -2 Nowhere"} {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("got %q, want it to say %q", &stdout, want)
				}
			}
		})
	}
}

func TestTheSumOfTheCallsIsRight(t *testing.T) {
	sum := summary{calls: pipeline.AttemptCounts{Succeeded: 161, Overloaded: 4, Failed: 7, Ignored: 1}, limit: 10, took: time.Second}
	var out bytes.Buffer
	sum.print(&out)
	_, calls, _ := strings.Cut(out.String(), "calls")
	calls, _, _ = strings.Cut(calls, ";")
	var numbers []int
	for _, digits := range regexp.MustCompile(`\d+`).FindAllString(calls, -1) {
		n, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, n)
	}
	if len(numbers) != 5 || numbers[0] != 173 || numbers[1]+numbers[2]+numbers[3]+numbers[4] != 173 {
		t.Errorf("got %q, want parts that make up the 173 calls", calls)
	}
}

func TestWhatAnErrorOfPostgreSQLMeans(t *testing.T) {
	for code, want := range map[string]pipeline.Verdict{
		"23514": pipeline.Ignored, "22003": pipeline.Ignored, "42P01": pipeline.Ignored,
		"53300": pipeline.Overload, "57P03": pipeline.Overload,
		"40001": pipeline.Failed, "40P01": pipeline.Failed, "XX000": pipeline.Failed,
	} {
		err := mark(fmt.Errorf("insert: %w", &pgconn.PgError{Code: code}))
		if got := pipeline.Classify(err); got != want {
			t.Errorf("%s: got %v, want %v", code, got, want)
		}
	}
	if mark(nil) != nil || pipeline.Classify(mark(errors.New("reset"))) != pipeline.Failed {
		t.Error("got another verdict for no error, or for one without a code")
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"flags alone":          {"now"},
		`-driver: got "mysql"`: {"-driver", "mysql"},
		"-batch: got 0":        {"-batch", "0"},
		"-concurrency: got -1": {"-concurrency", "-1"},
	} {
		var stderr bytes.Buffer
		if status := run(args, io.Discard, &stderr); status != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%q: got status %d and %q, want 2 and %q", args, status, &stderr, want)
		}
	}
}

func TestADatabaseThatCannotBeHadIsSaidWithItsFlag(t *testing.T) {
	for _, dsn := range []string{"none", "postgres://127.0.0.1:1/none"} {
		for _, driver := range []string{"pgx", "sql"} {
			var stderr bytes.Buffer
			if status := run([]string{"-driver", driver, "-dsn", dsn}, io.Discard, &stderr); status != 1 || !strings.HasPrefix(stderr.String(), "sink: -dsn: ") {
				t.Errorf("%s, %s: got status %d and %q, want 1, and the flag named", driver, dsn, status, &stderr)
			}
		}
	}
}
