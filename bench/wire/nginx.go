package main

import (
	"context"
	"errors"
	"fmt"
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

// Refusals are logged as errors by nginx: the log starts at what is worse.
const nginxConfig = `daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log crit;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 20; # faults are drawn by the connection: have new ones
    limit_req_zone $binary_remote_addr zone=rate:1m rate=200r/s;
    limit_conn_zone $binary_remote_addr zone=together:1m;
    upstream origin {
        server %[2]s;
        keepalive 64;
    }
    server {
        listen %[1]s;
        location = /ready { return 200; }
        location / {
            %[3]s
            limit_req_status 429;
            limit_conn_status 503;
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
    }
}
`

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
	const file = "nginx.conf"
	config := fmt.Sprintf(nginxConfig, n.address, origin, l.directive)
	if err := os.WriteFile(filepath.Join(n.dir, file), []byte(config), 0o644); err != nil {
		return err
	}
	cmd := exec.Command(path, "-p", n.dir, "-c", file, "-e", "error.log")
	n.process, err = program.Start(ctx, cmd, program.Answers("http://"+n.address+"/ready"))
	return err
}

func (n *nginx) stop() {
	_, _ = n.process.Stop() // fails only if it has ended already
	os.RemoveAll(n.dir)
}
