package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacepage"
)

// servePage serves a page of the keys, if one is wanted, until end is called.
func (s settings) servePage(pool *pipeline.Pool[string], out io.Writer) (end func(), err error) {
	if s.page == "" {
		return func() {}, nil
	}
	listener, err := command.Listen("-page", s.page)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background()) // it is there until all have drained
	server := &http.Server{Handler: pacepage.Keys(ctx, pool.Snapshot), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(out, "the page: http://%s/\n", listener.Addr())
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(out, "the page has ended:", err)
		}
	})
	return func() {
		cancel()
		server.Close()
		serving.Wait()
	}, nil
}
