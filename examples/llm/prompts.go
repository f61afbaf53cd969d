package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/paceline-go/paceline/examples/llm/batchfile"
	"github.com/paceline-go/paceline/examples/llm/tokens"
)

//go:embed data/prompts.jsonl
var embeddedPrompts []byte

// prompt is a line of the input.
type prompt struct {
	ID   string `json:"id"`
	Text string `json:"prompt"`
}

// system is what the model is told beside the prompt.
const system = "Answer in at most 100 words."

// job is one answer that is wanted.
type job struct {
	prompt
	sample  int                // 1, 2, …
	input   int64              // tokens
	most    int64              // tokens of the answer
	request *batchfile.Request // of a Batch file; nil: the prompt is put into one
}

// key tells answers apart in the journal.
func (j job) key() string {
	if j.request != nil {
		return j.ID
	}
	return fmt.Sprintf("%s, answer %d", j.ID, j.sample)
}

// noun is what a job is called.
func (j job) noun() string {
	if j.request != nil {
		return "request"
	}
	return "prompt"
}

// readPrompts returns the prompts of a file, or those that are embedded, and what they are called.
func readPrompts(path string) (all []prompt, name string, err error) {
	name, data := path, embeddedPrompts
	if path == "" {
		name = "embedded prompts"
	} else if data, err = os.ReadFile(path); err != nil {
		return nil, name, fmt.Errorf("-prompts: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark
	seen := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for n := 1; lines.Scan(); n++ {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var p prompt
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			return nil, name, fmt.Errorf(`-prompts: %s, line %d: got %s, want {"id": "…", "prompt": "…"}: %w`, name, n, short(lines.Text()), err)
		}
		switch {
		case p.ID == "" || p.Text == "":
			return nil, name, fmt.Errorf(`-prompts: %s, line %d: got %s, want {"id": "…", "prompt": "…"}`, name, n, short(lines.Text()))
		case seen[p.ID]:
			return nil, name, fmt.Errorf("-prompts: %s, line %d: got id %q, want one that no other line has", name, n, p.ID)
		}
		seen[p.ID] = true
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, name, fmt.Errorf("-prompts: %s: got none, want at least one", name)
	}
	return all, name, lines.Err()
}

// short is the beginning of a line, as it can be shown.
func short(line string) string {
	const most = 60
	if len(line) > most {
		line = line[:most] + "…"
	}
	return fmt.Sprintf("%+q", line)
}

// promptJobs returns the jobs of the prompts, and where these are from.
func (o options) promptJobs(count *tokens.Counter) (all []job, from string, err error) {
	prompts, name, err := readPrompts(o.prompts)
	if err != nil {
		return nil, "", err
	}
	return o.jobs(prompts, count), fmt.Sprintf("%s, %s, %s each", plural(len(prompts), "prompt"), name, plural(o.samples, "answer")), nil
}

// singleJobs are the embedded prompts, to be asked one by one.
func (o options) singleJobs(count *tokens.Counter) ([]job, error) {
	prompts, _, err := readPrompts("")
	o.samples, o.limit = 1, 0
	return o.jobs(prompts, count), err
}

// jobs returns what is to be done: each prompt once, then each a second time, and so on.
func (o options) jobs(prompts []prompt, count *tokens.Counter) []job {
	inputs := make([]int64, len(prompts))
	for i, p := range prompts {
		inputs[i] = count.Chat(tokens.Message{Role: "system", Text: system}, tokens.Message{Role: "user", Text: p.Text})
	}
	var all []job
	for sample := 1; sample <= o.samples; sample++ {
		for i, p := range prompts {
			if o.limit > 0 && len(all) == o.limit {
				return all
			}
			all = append(all, job{prompt: p, sample: sample, input: inputs[i], most: o.maxTokens})
		}
	}
	return all
}
