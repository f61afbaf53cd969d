package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/paceline-go/paceline/examples/llm/batchfile"
	"github.com/paceline-go/paceline/pipeline/pacejournal"
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

// answers are the output: a journal, which has each answer as soon as it came, and the file that is written from it at the end of a
// run, however it ends.
type answers struct {
	path    string // of the file
	model   string
	journal *pacejournal.Journal[job, answer]
}

// anew says what to do when the output is not that of this run.
const anew = "name another -out, or begin anew with -fresh"

// openAnswers opens the journal of a file. Earlier runs must have asked the same model.
func openAnswers(o options) (*answers, error) {
	journal := o.out + ".journal"
	if _, err := os.Stat(journal); errors.Is(err, os.ErrNotExist) && !o.fresh {
		if info, err := os.Stat(o.out); err == nil && info.Size() > 0 {
			return nil, fmt.Errorf("-out: %s: got a file without its journal, want one of an earlier run, or none; %s", o.out, anew)
		}
	}
	j, err := pacejournal.Open[job, answer](journal, job.key, pacejournal.Options{Run: o.name(), Fresh: o.fresh})
	if err != nil {
		if errors.Is(err, pacejournal.ErrOtherRun) || errors.Is(err, pacejournal.ErrForeign) {
			err = fmt.Errorf("%w; %s", err, anew)
		}
		return nil, fmt.Errorf("-out: %w", err)
	}
	if _, err := j.Retry(); err != nil { // prompts that failed get another try in each run
		return nil, errors.Join(err, j.Close())
	}
	return &answers{o.out, o.name(), j}, nil
}

// count returns how many of the jobs are answered. The prompts must be those of before.
func (a *answers) count(jobs []job) (n int, err error) {
	for r, err := range a.journal.Results(slices.Values(jobs)) {
		switch {
		case err != nil:
			return 0, err
		case r.Err != nil:
			continue
		case r.Out.Prompt != r.In.Text:
			return 0, fmt.Errorf("-out: %s: got another %s for %q than before; %s", a.path, r.In.noun(), r.In.ID, anew)
		}
		n++
	}
	return n, nil
}

// write writes the answers to jobs into the file, in their order.
func (a *answers) write(jobs []job) error {
	return writeLines("-out", a.path, func(write func(any) error) error { return a.each(jobs, write) })
}

// writeLines writes a JSONL file. The new one takes the place of the old one at once, so that no moment is without one of them.
func writeLines(flag, path string, each func(write func(any) error) error) error {
	whole := path + ".new"
	file, err := os.Create(whole)
	if err != nil {
		return fmt.Errorf("%s: %w", flag, err)
	}
	out := bufio.NewWriter(file)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	err = each(lines.Encode)
	if err = errors.Join(err, out.Flush(), file.Close()); err == nil {
		err = os.Rename(whole, path)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", flag, path, err)
	}
	return nil
}

func (a *answers) each(jobs []job, do func(any) error) error {
	for r, err := range a.journal.Results(slices.Values(jobs)) {
		if err != nil {
			return err
		}
		if r.Err != nil {
			continue
		}
		if r.In.request != nil {
			if err := do(batchfile.Answered(*r.In.request, http.StatusOK, r.Out.RequestID, r.Out.Body)); err != nil {
				return err
			}
			continue
		}
		if err := do(record{
			ID: r.In.ID, Sample: r.In.sample, Model: cmp.Or(r.Out.Model, a.model), Prompt: r.In.Text, Answer: r.Out.Text, Finish: r.Out.Finish,
			PromptTokens: r.Out.PromptTokens, AnswerTokens: r.Out.AnswerTokens, Attempts: r.Attempts,
		}); err != nil {
			return err
		}
	}
	return nil
}
