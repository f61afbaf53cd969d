package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/paceline-go/paceline/examples/llm/batchfile"
	"github.com/paceline-go/paceline/examples/llm/tokens"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// batch is a file of OpenAI's Batch API, whose requests are the jobs.
type batch struct {
	errors string // the file for them
	bad    []batchfile.Line
}

// readBatch returns the jobs of a Batch file, or of the standard input if its name is "-".
func readBatch(o options, count *tokens.Counter) (*batch, []job, error) {
	file := io.ReadCloser(os.Stdin)
	if o.batch != "-" {
		var err error
		if file, err = os.Open(o.batch); err != nil {
			return nil, nil, fmt.Errorf("-batch: %w", err)
		}
		defer file.Close()
	}
	good, bad, err := batchfile.Read(file)
	if err != nil {
		return nil, nil, fmt.Errorf("-batch: %s: %w", o.batch, err)
	}
	if len(good)+len(bad) == 0 {
		return nil, nil, fmt.Errorf("-batch: %s: got no line, want at least one", o.batch)
	}
	if o.limit > 0 && len(good) > o.limit {
		good = good[:o.limit]
	}
	jobs := make([]job, len(good))
	for i := range good {
		r := &good[i]
		in, out := estimate(count, r, o.maxTokens)
		// The journal keeps the sum of a request, to know it again, in the place of a prompt.
		sum := sha256.Sum256(append([]byte(r.URL+" "), r.Body...))
		jobs[i] = job{prompt: prompt{ID: r.CustomID, Text: fmt.Sprintf("%x", sum[:16])}, sample: 1, input: in, most: out, request: r}
	}
	return &batch{o.errors, bad}, jobs, nil
}

// estimate returns the tokens that a request may use: those of its texts, and the longest answers that it allows. A chat that bounds
// them not is taken for one of -max-tokens.
func estimate(count *tokens.Counter, r *batchfile.Request, most int64) (input, output int64) {
	var body struct {
		Messages            []struct{ Role string }
		N                   int64
		MaxTokens           int64 `json:"max_tokens"`
		MaxCompletionTokens int64 `json:"max_completion_tokens"`
		MaxOutputTokens     int64 `json:"max_output_tokens"`
	}
	var all struct{ Messages, Instructions, Input, Prompt any }
	_ = json.Unmarshal(r.Body, &body) // what cannot be read is the server's to refuse
	_ = json.Unmarshal(r.Body, &all)
	said := make([]tokens.Message, max(1, len(body.Messages)))
	said[0].Text = strings.Join(texts(nil, []any{all.Messages, all.Instructions, all.Input, all.Prompt}), "\n")
	input = count.Chat(said...)
	if r.URL == "/v1/embeddings" {
		return input, 0
	}
	return input, max(1, body.N) * cmp.Or(max(0, body.MaxCompletionTokens), max(0, body.MaxTokens), max(0, body.MaxOutputTokens), most)
}

// texts appends the strings within a value.
func texts(all []string, value any) []string {
	switch v := value.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, part := range v {
			all = texts(all, part)
		}
	case map[string]any:
		for name, part := range v {
			if name != "image_url" { // which is not counted by its letters
				all = texts(all, part)
			}
		}
	}
	return all
}

// batchAsker sends the requests of a Batch file as they are.
func batchAsker(o options, baseURL string, client *http.Client) asker {
	base := strings.TrimSuffix(baseURL, "/")
	return func(ctx context.Context, j job) (answer, error) {
		url := base + strings.TrimPrefix(j.request.URL, "/v1") // which the base URL has, as the SDKs want it
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(j.request.Body))
		if err != nil {
			return answer{}, pipeline.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+o.key)
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return answer{}, loss(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return answer{}, loss(err)
		}
		if res.StatusCode != http.StatusOK {
			return answer{}, batchRefusal(res, body)
		}
		return batchAnswer(res, body)
	}
}

// batchAnswer reads what was used of an answer: chats and completions name it otherwise than responses do.
func batchAnswer(res *http.Response, body []byte) (answer, error) {
	var said struct {
		Usage struct {
			Prompt     int64 `json:"prompt_tokens"`
			Completion int64 `json:"completion_tokens"`
			Input      int64 `json:"input_tokens"`
			Output     int64 `json:"output_tokens"`
		}
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return answer{}, loss(fmt.Errorf("got an answer that is no JSON: %w", err))
	}
	u := said.Usage
	return answer{
		PromptTokens: cmp.Or(u.Prompt, u.Input), AnswerTokens: cmp.Or(u.Completion, u.Output),
		RequestID: res.Header.Get("X-Request-Id"), Body: body,
	}, nil
}

// batchRefusal is the error of another status. Another row may name another model, so that only what is said of the key ends the run.
func batchRefusal(res *http.Response, body []byte) error {
	var said struct {
		Error struct {
			Message string
			Code    any
		}
	}
	_ = json.Unmarshal(body, &said) // a proxy may say something else
	err := &serverError{status: res.StatusCode, text: said.Error.Message, requestID: res.Header.Get("X-Request-Id"), body: body}
	switch {
	case res.StatusCode == http.StatusUnauthorized, said.Error.Code == "insufficient_quota":
		return pipeline.Fatal(&setupError{err})
	case res.StatusCode == http.StatusForbidden, res.StatusCode == http.StatusNotFound:
		return pipeline.Fatal(err)
	}
	return pacehttp.Mark(err, res)
}

// failed is the line of the error file for a job that failed: what the server said last, or that it said nothing.
func (b *batch) failed(res result) batchfile.Line {
	if said := new(serverError); errors.As(res.Err, &said) {
		return batchfile.Answered(*res.In.request, said.status, said.requestID, said.body)
	}
	return batchfile.Failed(*res.In.request, "request_failed", fmt.Sprintf("after %s: %v", plural(res.Attempts, "attempt"), res.Err))
}

// write writes the error file: bad lines, and what failed.
func (b *batch) write(failures []result) error {
	return writeLines("-errors", b.errors, func(write func(any) error) error {
		for _, l := range b.bad {
			if err := write(l); err != nil {
				return err
			}
		}
		for _, f := range failures {
			if err := write(b.failed(f)); err != nil {
				return err
			}
		}
		return nil
	})
}
