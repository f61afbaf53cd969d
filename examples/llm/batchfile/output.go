package batchfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
)

// Line is one of the output file or of the error file.
type Line struct {
	ID       string    `json:"id"`
	CustomID string    `json:"custom_id"`
	Response *Response `json:"response"` // null: there was none
	Error    *Error    `json:"error"`    // null, unless there was no response
}

// Response is what the server said: with status 200 in the output file, with any other in the error file.
type Response struct {
	StatusCode int             `json:"status_code"`
	RequestID  string          `json:"request_id"` // as X-Request-Id told it; "": it told none
	Body       json.RawMessage `json:"body"`
}

// Error says why there is no response.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Answered returns the line of a request to which the server said something. A body that is no JSON becomes a string of it.
func Answered(r Request, status int, requestID string, body []byte) Line {
	raw := json.RawMessage(bytes.TrimSpace(body))
	if !json.Valid(raw) {
		raw, _ = json.Marshal(string(body)) // a string always can be
	}
	return Line{ID: r.id(), CustomID: r.CustomID, Response: &Response{status, requestID, raw}}
}

// Failed returns the line of a request to which nothing was said.
func Failed(r Request, code, message string) Line {
	return Line{ID: r.id(), CustomID: r.CustomID, Error: &Error{code, message}}
}

// id names a line of the output. It is the same each time that the file is written.
func (r Request) id() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", r.Line, r.CustomID))
	return fmt.Sprintf("batch_req_%x", sum[:12])
}
