package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// nginx is a proxy by the limits of its one location.
type nginx struct{ limits string }

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
    limit_req_zone $binary_remote_addr zone=rate:1m rate=200r/s;
    limit_conn_zone $binary_remote_addr zone=together:1m;
    upstream service {
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
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
    }
}
`

const nginxFile = "nginx.conf"

func (nginx) program() string { return "nginx" }

func (n nginx) config(at, backend string) string {
	return fmt.Sprintf(nginxConfig, at, backend, n.limits)
}

func (n nginx) write(dir, at, backend string, _ float64) error {
	return os.WriteFile(filepath.Join(dir, nginxFile), []byte(n.config(at, backend)), 0o644)
}

func (nginx) args(dir string) []string {
	return []string{"-p", dir, "-c", nginxFile, "-e", "error.log"}
}

func (nginx) change(string, float64) error {
	return errors.New("nginx: its limits cannot be changed while it runs")
}
