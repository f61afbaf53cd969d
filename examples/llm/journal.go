package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// record is a line of the output.
type record struct {
	ID           string `json:"id"`
	Sample       int    `json:"sample"`
	Model        string `json:"model"`
	Prompt       string `json:"prompt"`
	Answer       string `json:"answer"`
	Finish       string `json:"finish_reason"`
	PromptTokens int64  `json:"prompt_tokens"`
	AnswerTokens int64  `json:"answer_tokens"`
	Attempts     int    `json:"attempts"`
}

// journal is the output: a line for each answer. Each is written at once and as a whole, so that a program that is killed leaves half a
// line at most, at the end; the next run cuts that off.
type journal struct {
	path string
	file *os.File
	done map[key]string // the prompt of each answer that is there
}

// openJournal opens a file that may hold answers of earlier runs, which must have been given by the same model.
func openJournal(path string, fresh bool, model string) (*journal, error) {
	mode := os.O_RDWR | os.O_CREATE
	if fresh {
		mode |= os.O_TRUNC
	}
	file, err := os.OpenFile(path, mode, 0o644)
	if err != nil {
		return nil, fmt.Errorf("-out: %w", err)
	}
	j := &journal{path: path, file: file, done: map[key]string{}}
	whole, err := j.read(model)
	if err == nil {
		err = errors.Join(file.Truncate(whole), seek(file, whole))
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("answers: %s: %w", path, err)
	}
	return j, nil
}

func seek(file *os.File, to int64) error {
	_, err := file.Seek(to, io.SeekStart)
	return err
}

// read takes in what is there, and returns where the last whole line ends.
func (j *journal) read(model string) (whole int64, err error) {
	lines := bufio.NewReader(j.file)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return 0, err
		}
		whole += int64(len(line))
		var r record
		if err := json.Unmarshal(bytes.TrimSpace(line), &r); err != nil || r.ID == "" || r.Sample < 1 {
			return 0, fmt.Errorf("line %d: want an answer; name another -out, or begin anew with -fresh", n)
		}
		if r.Model != model {
			return 0, fmt.Errorf("line %d: got an answer of %s, want those of %s; name another -out, or begin anew with -fresh", n, r.Model, model)
		}
		j.done[key{r.ID, r.Sample}] = r.Prompt
	}
}

// left returns the jobs that have no answer yet.
func (j *journal) left(jobs []job) ([]job, error) {
	var left []job
	for _, job := range jobs {
		prompt, done := j.done[job.key()]
		if done && prompt != job.Text {
			return nil, fmt.Errorf("answers: %s: got another prompt for %q than before; name another -out, or begin anew with -fresh",
				j.path, job.ID)
		}
		if !done {
			left = append(left, job)
		}
	}
	return left, nil
}

func (j *journal) add(r record) error {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("answers: %s: %w", j.path, err)
	}
	return nil
}

// sort closes the file, and puts the answers into the order of the jobs. They are out of it only if one was left for a later run, and others
// behind it were not. Answers that nobody asks for any more come last.
func (j *journal) sort(jobs []job) error {
	rank := make(map[key]int, len(jobs))
	for i, job := range jobs {
		rank[job.key()] = i
	}
	closed := j.close() // no more will be written, and some systems do not replace an open file
	data, err := os.ReadFile(j.path)
	if err = errors.Join(closed, err); err != nil {
		return fmt.Errorf("answers: %w", err)
	}
	type ranked struct {
		rank int
		line []byte
	}
	var lines []ranked
	for line := range bytes.Lines(data) {
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("answers: %s, line %d: %w", j.path, len(lines)+1, err)
		}
		at, wanted := rank[key{r.ID, r.Sample}]
		if !wanted {
			at = len(jobs)
		}
		lines = append(lines, ranked{at, line})
	}
	byRank := func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) }
	if slices.IsSortedFunc(lines, byRank) {
		return nil
	}
	slices.SortStableFunc(lines, byRank)
	var sorted bytes.Buffer
	for _, l := range lines {
		sorted.Write(l.line)
	}
	whole := j.path + ".sorted" // which takes the other's place at once, so that no moment is without one of them
	if err := os.WriteFile(whole, sorted.Bytes(), 0o644); err != nil {
		return fmt.Errorf("answers: %w", err)
	}
	if err := os.Rename(whole, j.path); err != nil {
		return fmt.Errorf("answers: %w", err)
	}
	return nil
}

func (j *journal) close() error { return j.file.Close() }
