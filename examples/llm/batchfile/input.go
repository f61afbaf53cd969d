// Package batchfile reads and writes the files of OpenAI's Batch API: the file of requests, and those of answers and of errors.
//
// The format is that of "Batch" in OpenAI's API reference (the request input object and the request output object,
// https://platform.openai.com/docs/api-reference/batch) and of its guide (https://platform.openai.com/docs/guides/batch), as copies of both
// told it in November 2026. The answers may come in any order: the custom_id says what a line belongs to.
package batchfile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Request is a line of the input.
type Request struct {
	CustomID string          `json:"custom_id"` // no other line has it
	Method   string          `json:"method"`    // POST
	URL      string          `json:"url"`       // one of URLs
	Body     json.RawMessage `json:"body"`      // what is sent, an object

	Line int `json:"-"` // of the file, from 1
}

// URLs are the endpoints that a request may name.
var URLs = []string{"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"}

// Codes of what is wrong with a line of the input.
const (
	InvalidJSON     = "invalid_json_line"
	MissingField    = "missing_required_parameter"
	InvalidMethod   = "invalid_method"
	InvalidURL      = "invalid_url"
	InvalidBody     = "invalid_body"
	DuplicateID     = "duplicate_custom_id"
	StreamRequested = "streaming_not_supported"
)

// Read returns the requests of a file, and for each line that is none a line of the error file. Blank lines are passed over. The error
// is the reader's.
func Read(file io.Reader) (good []Request, bad []Line, err error) {
	seen := map[string]int{}
	lines := bufio.NewReader(file)
	for n := 1; err == nil; n++ {
		var text []byte
		if text, err = lines.ReadBytes('\n'); n == 1 {
			text = bytes.TrimPrefix(text, []byte("\ufeff")) // a byte order mark
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		r := Request{Line: n}
		fault := r.parse(text)
		if first, known := seen[r.CustomID]; fault == nil && known {
			fault = &Error{DuplicateID, fmt.Sprintf("custom_id: got %q, which line %d has; want one that no other line has", r.CustomID, first)}
		}
		if fault != nil {
			fault.Message = fmt.Sprintf("line %d: %s", n, fault.Message)
			bad = append(bad, Failed(r, fault.Code, fault.Message))
			continue
		}
		seen[r.CustomID] = n
		good = append(good, r)
	}
	if err == io.EOF {
		err = nil
	}
	return good, bad, err
}

// parse says what is wrong with a line.
func (r *Request) parse(text []byte) *Error {
	if err := json.Unmarshal(text, r); err != nil {
		return &Error{InvalidJSON, fmt.Sprintf("got %s, want an object with custom_id, method, url and body: %v", short(text), err)}
	}
	var body struct {
		Stream bool `json:"stream"`
	}
	switch {
	case r.CustomID == "":
		return &Error{MissingField, "custom_id: got none, want one that no other line has"}
	case r.Method != http.MethodPost:
		return &Error{InvalidMethod, fmt.Sprintf("method: got %q, want POST", r.Method)}
	case !slices.Contains(URLs, r.URL):
		return &Error{InvalidURL, fmt.Sprintf("url: got %q, want one of %s", r.URL, strings.Join(URLs, ", "))}
	case len(r.Body) == 0 || string(r.Body) == "null":
		return &Error{MissingField, "body: got none, want what is to be sent"}
	case r.Body[0] != '{':
		return &Error{InvalidBody, fmt.Sprintf("body: got %s, want an object", short(r.Body))}
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		return &Error{InvalidBody, "body: stream: got something else than true or false"}
	}
	if body.Stream {
		return &Error{StreamRequested, "body: stream: got true, want false: a file has whole answers"}
	}
	return nil
}

// short is the beginning of a text, as it can be shown.
func short(text []byte) string {
	const most = 60
	if len(text) > most {
		return fmt.Sprintf("%+q", text[:most]) + "…"
	}
	return fmt.Sprintf("%+q", text)
}
