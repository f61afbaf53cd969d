package pacenats

import (
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// A Server is a NATS server within this process. Make one with Serve.
type Server struct {
	server *server.Server
}

// Serve starts a NATS server with JetStream in this process, which keeps everything below
// dir. It listens on addr, such as 127.0.0.1:4222, port 0 for a free one; others connect by
// its URL. One that another server has written goes on there.
//
// It is for one machine. Where machines may fail, run a cluster of nats-server, and connect.
func Serve(dir, addr string) (*Server, error) {
	host, port, err := splitAddr(addr)
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: "paceline", Host: host, Port: port, JetStream: true, StoreDir: dir,
		NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
	})
	if err != nil {
		return nil, fmt.Errorf("nats server in %s: %w", dir, err)
	}
	s.Start()
	if !s.ReadyForConnections(startWithin) || !s.JetStreamEnabled() {
		s.Shutdown()
		return nil, fmt.Errorf("nats server at %s, in %s: not ready after %v: is the port taken, or the directory in use?", addr, dir, startWithin)
	}
	return &Server{server: s}, nil
}

// startWithin is how long a server may take to read what it has kept.
const startWithin = 30 * time.Second

// URL returns where clients connect.
func (s *Server) URL() string { return s.server.ClientURL() }

// Close stops the server, once what it has accepted is kept.
func (s *Server) Close() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}
