package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// answer is what a model said, as the journal keeps it.
type answer struct {
	Prompt       string // that it answers
	Text         string
	Finish       string // why it ended there
	PromptTokens int64
	AnswerTokens int64
	Member       string          `json:",omitempty"` // of a pool, that was asked
	Model        string          `json:",omitempty"` // the same: its model, as answers have it
	RequestID    string          `json:",omitempty"` // to a request of a Batch file
	Body         json.RawMessage `json:",omitempty"` // the same: all that the server said
}

// asker asks a model for one answer, once. Its error says what became of the attempt: Overloaded, Fatal, or worth another try.
type asker func(ctx context.Context, j job) (answer, error)

// newAsker returns the asker of a provider, which records what was used.
func newAsker(o options, baseURL string, base *http.Transport) asker {
	return recording(o, sdkAsker(o, baseURL, base))
}

func sdkAsker(o options, baseURL string, base *http.Transport) asker {
	// A transport without a throttle of its own: the requests are sent in the slots of a pipeline, which hears what the headers say.
	client := &http.Client{Transport: &pacehttp.Transport{Base: base}}
	if o.batch != "" {
		return batchAsker(o, baseURL, client)
	}
	if o.provider == anthropics {
		return anthropicAsker(o, baseURL, client)
	}
	return openAIAsker(o, baseURL, client)
}

// newSingleAsker returns that of single prompts, also beside a Batch file.
func newSingleAsker(o options, baseURL string, base *http.Transport) asker {
	o.batch = ""
	return newAsker(o, baseURL, base)
}

// recording is the pipeline's work: one attempt at one job.
func recording(o options, ask asker) asker {
	return func(ctx context.Context, j job) (answer, error) {
		a, err := ask(ctx, j)
		a.Prompt = j.Text
		slot := pipeline.SlotFrom(ctx)
		var lost *lostError
		switch {
		case err == nil:
			recordAll(slot, o.usage(a.PromptTokens, a.AnswerTokens))
		case errors.As(err, &lost):
			recordAll(slot, o.costs(j)) // it may have been answered: nobody knows what it used
		}
		return a, err
	}
}

// lostError says that no answer came, or half of one, so that what was used is not known.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// serverError is what a server said instead of an answer.
type serverError struct {
	status int
	text   string
	err    error // the SDK's

	requestID string // to a request of a Batch file
	body      []byte // the same
}

func (e *serverError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))) + ": " + e.text
}

func (e *serverError) Unwrap() error { return e.err }

// setupError says that a request was refused for what it says of the caller or the model: the next one will be too.
type setupError struct{ *serverError }

func (e *setupError) Unwrap() error { return e.serverError }

// refusal marks the error of a response other than 200, with what the server said: a text for people, and a word for programs.
func refusal(err error, res *http.Response, text, code string) error {
	if code != "" {
		text += " (" + code + ")"
	}
	said := &serverError{status: res.StatusCode, text: text, err: err}
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden, res.StatusCode == http.StatusNotFound,
		code == "insufficient_quota": // OpenAI's, with 429: there is no money left
		return pipeline.Fatal(&setupError{said})
	}
	return pacehttp.Mark(said, res)
}

// loss marks the error of an attempt without a response, or whose response was not whole.
func loss(err error) error {
	var network *net.OpError
	if errors.As(err, &network) && network.Op == "dial" {
		return pacehttp.Mark(err, nil) // nothing was sent
	}
	return pacehttp.Mark(&lostError{err}, nil)
}

// errCut is what a stream that is cut between two parts comes to: to the SDKs, it has ended.
var errCut = fmt.Errorf("the answer ended early: %w", io.ErrUnexpectedEOF)
