package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/examples/etl/data"
	"github.com/paceline-go/paceline/pipeline"
)

// A letter is a job that failed, with all that it takes to send it again.
type letter struct {
	Job      int64  `json:"job"`
	Error    string `json:"error"`
	Attempts int    `json:"attempts"`
}

// letters is a file of dead letters in the making. It takes the place of the one
// before only when the run is over, so that a crash loses none.
type letters struct {
	path string
	file *os.File
	jobs *jobs
}

// jobs are the ids to send, in order, and how many were taken.
type jobs struct {
	seq   iter.Seq[int64]
	taken int
	err   error
}

// each yields the jobs and counts them.
func (j *jobs) each(yield func(int64) bool) {
	for id := range j.seq {
		j.taken++
		if !yield(id) {
			return
		}
	}
}

// letters returns the jobs of a run, and where those go that fail.
func (s settings) letters() (*jobs, *letters, error) {
	if err := command.CheckFile("-dead", s.dead); err != nil {
		return nil, nil, err
	}
	j := new(jobs)
	if s.replay {
		if _, err := os.Stat(s.dead); errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("-replay: there are no dead letters in %s", s.dead)
		}
		j.seq = func(yield func(int64) bool) { j.err = readLetters(s.dead, func(l letter) bool { return yield(l.Job) }) }
	} else {
		cities, err := data.Cities()
		if err != nil {
			return nil, nil, err
		}
		j.seq = func(yield func(int64) bool) {
			for _, c := range cities[:s.cities] {
				if !yield(c.ID) {
					return
				}
			}
		}
	}
	file, err := os.Create(s.dead + ".new")
	if err != nil {
		return nil, nil, err
	}
	return j, &letters{path: s.dead, file: file, jobs: j}, nil
}

func readLetters(path string, take func(letter) bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := json.NewDecoder(bufio.NewReader(file))
	for n := 1; ; n++ {
		var l letter
		err := lines.Decode(&l)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("%s: letter %d: %w", path, n, err)
		case !take(l):
			return nil
		}
	}
}

func (l *letters) write(r pipeline.Result[int64, struct{}]) error {
	return l.put(letter{r.In, r.Err.Error(), r.Attempts})
}

func (l *letters) put(one letter) error { return json.NewEncoder(l.file).Encode(one) }

// keep puts the letters in their place. Those that were to be sent again, but were
// not taken any more, stay.
func (l *letters) keep(replay bool) error {
	if replay {
		skip := l.jobs.taken
		var failed error
		err := readLetters(l.path, func(old letter) bool {
			if skip--; skip < 0 {
				failed = l.put(old)
			}
			return failed == nil
		})
		if err := errors.Join(err, failed); err != nil {
			return err
		}
	}
	if err := l.file.Close(); err != nil {
		return err
	}
	return os.Rename(l.file.Name(), l.path)
}

// discard removes the file if it was not kept.
func (l *letters) discard() {
	l.file.Close()
	os.Remove(l.file.Name()) // it is gone if it was kept
}
