package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// A client asks the service, and counts.
type client struct {
	url    string
	http   http.Client
	calls  atomic.Int64
	failed atomic.Int64 // texts of calls that did not fail altogether
	tokens atomic.Int64
}

func newClient(url string) *client { return &client{url: strings.TrimSuffix(url, "/") + path} }

// embed is one call. It says of each text what became of it: invalid ones are
// their own fault, those that failed may be tried again.
func (c *client) embed(ctx context.Context, texts []string) ([]vector, error) {
	c.calls.Add(1)
	body, err := json.Marshal(request{texts})
	if err != nil {
		return nil, pipeline.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, pipeline.Fatal(err)
	}
	res, err := pacehttp.Attempt(&c.http, req, func(res *http.Response) (all response, err error) {
		err = json.NewDecoder(res.Body).Decode(&all)
		return all, err
	})
	if err != nil {
		return nil, err
	}
	pipeline.SlotFrom(ctx).RecordTokens(res.Tokens)
	c.tokens.Add(res.Tokens)
	if len(res.Data) != len(texts) {
		return nil, fmt.Errorf("answer: got %d items, want %d", len(res.Data), len(texts))
	}
	vectors, errs := make([]vector, len(texts)), make([]error, len(texts))
	for i, item := range res.Data {
		vectors[i] = item.Vector
		switch {
		case item.Error == invalid:
			errs[i] = pipeline.Fatal(errors.New(item.Error))
		case item.Error != "":
			errs[i] = errors.New(item.Error)
			c.failed.Add(1)
		}
	}
	return vectors, pipeline.Partial(errs)
}
