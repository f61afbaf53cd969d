package main

import (
	"net/http"

	"github.com/paceline-go/paceline/examples/llm/server"
)

// backend is the server that prompts are sent to.
type backend struct {
	url    string         // as the SDK wants it
	server *server.Server // nil: a real one
	base   *http.Transport
}

// backend starts the embedded server, if that is the one.
func (o options) backend() (*backend, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = o.concurrency
	if !o.embedded() {
		return &backend{url: o.baseURL, base: base}, nil
	}
	s, err := server.Start(o.serverConfig(), nil)
	if err != nil {
		return nil, err
	}
	return &backend{url: o.path(s.URL()), server: s, base: base}, nil
}

// path adds what a provider's SDK expects of a base URL.
func (o options) path(url string) string {
	if o.provider == openAI {
		return url + "/v1"
	}
	return url
}

func (b *backend) close() error {
	b.base.CloseIdleConnections()
	if b.server == nil {
		return nil
	}
	return b.server.Close()
}
