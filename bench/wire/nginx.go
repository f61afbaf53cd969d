package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/paceline-go/paceline/bench/internal/program"
	"github.com/paceline-go/paceline/bench/port"
)

// A limit is one of nginx's.
type limit struct{ name, about, directive string }

var limits = []limit{
	{"rate", "nginx, `limit_req` with `rate=200r/s burst=20 nodelay`, else 429", "limit_req zone=rate burst=20 nodelay;"},
	{"concurrency", "nginx, `limit_conn`: 8 requests at once, else 503", "limit_conn together 8;"},
}

func findNginx(dirs []string) (string, error) {
	if path := program.Find("nginx", dirs); path != "" {
		return path, nil
	}
	return "", errors.New("program nginx not found; install it: apt-get install nginx-light")
}

// An nginx is one that runs.
type nginx struct {
	address string
	dir     string
	process *program.Process
}

// startNginx starts one in front of an origin, and returns when it answers.
func startNginx(ctx context.Context, path string, l limit, origin string) (*nginx, error) {
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		return nil, err
	}
	n := &nginx{dir: dir}
	if err := n.start(ctx, path, l, origin); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return n, nil
}

func (n *nginx) start(ctx context.Context, path string, l limit, origin string) (err error) {
	if n.address, err = port.Free(); err != nil {
		return err
	}
	config := program.Nginx{
		Listen: n.address, Service: origin, Rate: "200r/s",
		HTTP:     "keepalive_requests 20; # faults are drawn by the connection: have new ones",
		Location: l.directive + program.NginxStatuses,
	}.Config()
	if err := os.WriteFile(filepath.Join(n.dir, program.NginxFile), []byte(config), 0o644); err != nil {
		return err
	}
	cmd := exec.Command(path, program.NginxArgs(n.dir)...)
	n.process, err = program.Start(ctx, cmd, program.Answers("http://"+n.address+"/ready"))
	return err
}

func (n *nginx) stop() {
	_, _ = n.process.Stop() // fails only if it has ended already
	os.RemoveAll(n.dir)
}
