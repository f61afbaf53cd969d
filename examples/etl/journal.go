package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
)

// journal keeps what the service answered, so that no run asks for it again.
type journal = pacejournal.Journal[record, service.Answer]

// anew says what to do when the journal is not that of this input.
const anew = "name another -db, or begin anew with -fresh"

// openJournal opens the journal beside the database. It is that of one input, by
// its content: rows of different ones would make the count at the end meaningless.
func openJournal(o options, found survey) (*journal, error) {
	path := o.db + ".journal"
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && !o.fresh {
		if info, err := os.Stat(o.db); err == nil && info.Size() > 0 {
			return nil, fmt.Errorf("database %s: got one without its journal, want one of an earlier run, or none; %s", o.db, anew)
		}
	}
	id := func(rec record) string { return rec.id }
	j, err := pacejournal.Open[record, service.Answer](path, id, pacejournal.Options{Run: "input with the SHA-256 " + found.sha256, Fresh: o.fresh})
	if err != nil {
		if errors.Is(err, pacejournal.ErrOtherRun) || errors.Is(err, pacejournal.ErrForeign) {
			err = fmt.Errorf("%w; %s", err, anew)
		}
		return nil, err
	}
	if _, err := j.Retry(); err != nil { // rows that failed get another try in each run
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}
