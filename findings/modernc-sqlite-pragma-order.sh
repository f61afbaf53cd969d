#!/usr/bin/env bash
# modernc.org/sqlite v1.61.1 (Go module), SQLite's driver in Go.
#
# The _pragma parameters of a data source name are not run in the order in which they are given, but in that of the
# alphabet (busy_timeout first). By SQLite's manual (wal.html, section 8), a WAL database needs no shared memory if
# locking_mode is EXCLUSIVE before the first access: journal_mode(WAL) after locking_mode(EXCLUSIVE) does that in a program,
# but not in a name, where journal_mode opens the log first. So there is a file of shared memory, and where there can be none,
# as on a disk that is full, the database does not open.
#
# Seen, the files of a WAL database while it is open for the second time:
#   by the name: two.db two.db-shm two.db-wal
#   by PRAGMA:   one.db one.db-wal
#
# Needs Go. Ends with 1 if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export GOFLAGS=-mod=mod

cat >main.go <<'GO'
package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite"
)

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// files opens a database twice, and returns its files while it is open.
func files(path, parameters string, pragmas ...string) string {
	var found []string
	for range 2 {
		db, err := sql.Open("sqlite", "file:"+path+parameters)
		must(err)
		db.SetMaxOpenConns(1)
		for _, pragma := range pragmas {
			_, err := db.Exec("PRAGMA " + pragma)
			must(err)
		}
		_, err = db.Exec("CREATE TABLE IF NOT EXISTS numbers (n INTEGER); INSERT INTO numbers VALUES (1)")
		must(err)
		found, err = filepath.Glob(path + "*")
		must(err)
		must(db.Close())
	}
	return strings.Join(found, " ")
}

func main() {
	name := files("two.db", "?_pragma=locking_mode(EXCLUSIVE)&_pragma=journal_mode(WAL)")
	statement := files("one.db", "", "locking_mode = EXCLUSIVE", "journal_mode = WAL")
	fmt.Println("by the name:", name)
	fmt.Println("by PRAGMA:  ", statement)
	if name != "two.db two.db-shm two.db-wal" || statement != "one.db one.db-wal" {
		os.Exit(1)
	}
}
GO
go mod init finding 2>/dev/null
go get modernc.org/sqlite@v1.61.1 2>/dev/null
go run .
