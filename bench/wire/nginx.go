package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

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

// programDirs are where programs are looked for. Debian has servers' programs in folders that are not in every user's path.
func programDirs() []string {
	return append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin")
}

func findNginx(dirs []string) (string, error) {
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, "nginx")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("program nginx not found; install it: apt-get install nginx-light")
}

// An nginx is one that runs.
type nginx struct {
	address string
	dir     string
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	ended   chan struct{} // closed when it has
}

// startNginx starts one in front of an origin, and returns when it answers.
func startNginx(ctx context.Context, program string, l limit, origin string) (*nginx, error) {
	dir, err := os.MkdirTemp("", "wire")
	if err != nil {
		return nil, err
	}
	n := &nginx{dir: dir, ended: make(chan struct{})}
	if err := n.start(ctx, program, l, origin); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return n, nil
}

func (n *nginx) start(ctx context.Context, program string, l limit, origin string) error {
	var err error
	if n.address, err = port.Free(); err != nil {
		return err
	}
	const file = "nginx.conf"
	config := fmt.Sprintf(nginxConfig, n.address, origin, l.directive)
	if err := os.WriteFile(filepath.Join(n.dir, file), []byte(config), 0o644); err != nil {
		return err
	}
	n.cmd = exec.Command(program, "-p", n.dir, "-c", file, "-e", "error.log")
	n.cmd.Stderr = &n.stderr
	if err := n.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = n.cmd.Wait() // what it says on its way out is in stderr
		close(n.ended)
	}()
	if err := n.awaitAnswer(ctx); err != nil {
		n.kill()
		return fmt.Errorf("nginx: %w", err)
	}
	return nil
}

func (n *nginx) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.address+"/ready", nil)
		if err != nil {
			return err
		}
		req.Close = true
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-n.ended:
			return fmt.Errorf("ended at once: %s", strings.TrimSpace(n.stderr.String()))
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (n *nginx) kill() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended already
	select {
	case <-n.ended:
	case <-time.After(10 * time.Second):
		_ = n.cmd.Process.Kill()
		<-n.ended
	}
}

func (n *nginx) stop() {
	n.kill()
	os.RemoveAll(n.dir)
}
