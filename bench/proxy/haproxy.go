package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// haproxy is a proxy by its configuration: rules of the frontend, options of the server, how long a request may wait for it.
type haproxy struct {
	front  string
	server string
	queue  time.Duration
}

// The limit is looked up for each request, so that it can be changed while HAProxy runs.
const lookUpLimit = `http-request set-var(txn.limit) str(limit),map_str_int(limits.map)`

// rateRules look before they count, so that what was refused is not counted.
func rateRules(window, header string) string {
	return `stick-table type ip size 1k expire 1m store http_req_rate(` + window + `)
    ` + lookUpLimit + `
    http-request deny deny_status 429` + header + ` if { src_http_req_rate(entrance),sub(txn.limit) ge 0 }
    http-request track-sc0 src`
}

// strictRules count, then look.
const strictRules = `stick-table type ip size 1k expire 1m store http_req_rate(10s)
    ` + lookUpLimit + `
    http-request track-sc0 src
    http-request deny deny_status 429 if { sc_http_req_rate(0),sub(txn.limit) gt 0 }`

const crowdRules = lookUpLimit + `
    http-request deny deny_status 503 if { be_conn(service),sub(txn.limit) ge 0 }`

const haproxyConfig = `global
    maxconn 2000
    nbthread 1
    stats socket unix@admin.sock mode 600 level admin

defaults
    mode http
    timeout connect 1s
    timeout client 1m
    timeout server 1m
    timeout queue %[4]dms

frontend entrance
    bind %[1]s
    http-request return status 200 if { path /ready }
    %[3]s
    default_backend service

backend service
    server only %[2]s %[5]s
`

const (
	haproxyFile   = "haproxy.cfg"
	haproxyLimits = "limits.map"
	haproxySocket = "admin.sock"
)

func (haproxy) program() string { return "haproxy" }

func (h haproxy) config(at, backend string) string {
	return fmt.Sprintf(haproxyConfig, at, backend, h.front, h.queue.Milliseconds(), h.server)
}

func (h haproxy) write(dir, at, backend string, limit float64) error {
	return errors.Join(
		os.WriteFile(filepath.Join(dir, haproxyFile), []byte(h.config(at, backend)), 0o644),
		os.WriteFile(filepath.Join(dir, haproxyLimits), fmt.Appendf(nil, "limit %.0f\n", limit), 0o644),
	)
}

// args name files without their folder, in which the proxy is started.
func (haproxy) args(string) []string { return []string{"-db", "-f", haproxyFile} }

// change sets the limit through HAProxy's runtime API, which answers nothing but an empty line when all is well.
func (haproxy) change(dir string, limit float64) error {
	conn, err := net.Dial("unix", filepath.Join(dir, haproxySocket))
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "set map %s limit %.0f\n", haproxyLimits, limit); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if said := strings.TrimSpace(string(answer)); said != "" {
		return fmt.Errorf("haproxy: set map: %s", said)
	}
	return nil
}
