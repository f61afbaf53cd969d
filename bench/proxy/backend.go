package main

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/paceline-go/paceline/bench/port"
)

// A request keeps the backend busy for 20 to 100 ms, each time in between as likely as any other.
const (
	leastWork = 20 * time.Millisecond
	mostWork  = 100 * time.Millisecond
	meanWork  = (leastWork + mostWork) / 2
)

// A backend is the server behind the proxy. It has no limit of its own.
type backend struct {
	address string
	server  *http.Server
}

func startBackend() (*backend, error) {
	address, err := port.Free()
	if err != nil {
		return nil, err
	}
	b := &backend{address: address}
	return b, b.comeBack()
}

func work(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(leastWork + rand.N(mostWork-leastWork)):
		_, _ = io.WriteString(w, "done\n") // an error means that the client has gone
	case <-r.Context().Done():
	}
}

// goAway breaks all connections and listens no more.
func (b *backend) goAway() error { return b.server.Close() }

// comeBack listens where it did before.
func (b *backend) comeBack() error {
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		return err
	}
	b.server = &http.Server{Handler: http.HandlerFunc(work)}
	go func(s *http.Server) {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err) // the listener broke, and no figure would be right
		}
	}(b.server)
	return nil
}
