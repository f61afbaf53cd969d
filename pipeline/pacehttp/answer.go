package pacehttp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/paceline-go/paceline/pipeline"
)

// An answer is the ResponseWriter of a handler, and what it has written.
type answer struct {
	http.ResponseWriter
	status int // 0: none yet
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) { // others are not the last word
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(p)
}

// ReadFrom lets files be sent without copying, where the ResponseWriter can.
func (a *answer) ReadFrom(from io.Reader) (int64, error) {
	a.begin()
	return io.Copy(a.ResponseWriter, from)
}

func (a *answer) begin() {
	if a.status == 0 {
		a.status = http.StatusOK
	}
}

// Flush is for handlers that do not use an http.ResponseController.
func (a *answer) Flush() {
	a.begin()
	_ = http.NewResponseController(a.ResponseWriter).Flush()
}

// Hijack is too.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(a.ResponseWriter).Hijack()
}

// Unwrap is for an http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// err returns what the answer tells of the handler: nil if it did what it was asked for.
func (a *answer) err(ctx context.Context) error {
	if ctx.Err() != nil { // nobody wants it any more
		return ctx.Err()
	}
	if a.status < 400 {
		return nil
	}
	err := fmt.Errorf("%w with %d", errAnswered, a.status)
	switch {
	case a.status == http.StatusServiceUnavailable:
		return pipeline.Overloaded(err, 0)
	case a.status >= 500:
		return err
	}
	return pipeline.Fatal(err) // that was quick, and says nothing
}
