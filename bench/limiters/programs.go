package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/paceline-go/paceline/bench/internal/program"
	"github.com/paceline-go/paceline/bench/port"
)

// programLimiters are servers of Debian's, in front of a net/http server.
var programLimiters = []limiter{
	{name: "haproxy", about: "HAProxy, http_req_rate, 429 alone; refused ones are not counted", best: evenly,
		start: haproxy(`http-request deny deny_status 429 if { src_http_req_rate(entrance) ge 50 }
    http-request track-sc0 src`)},
	{name: "haproxy-429", about: "HAProxy, http_req_rate, 429 with retry-after of the window; refused ones count", best: evenly,
		start: haproxy(`http-request track-sc0 src
    http-request return status 429 hdr retry-after SECONDS if { sc_http_req_rate(0) gt 50 }`)},
	{name: "haproxy-reject", about: "HAProxy, http_req_rate, reject: the connection is closed; refused ones count", best: evenly,
		start: haproxy(`http-request track-sc0 src
    http-request reject if { sc_http_req_rate(0) gt 50 }`)},
	{name: "haproxy-tarpit", about: "HAProxy, http_req_rate, tarpit of a window, then 429; refused ones count", best: evenly,
		start: haproxy(`http-request track-sc0 src
    http-request tarpit deny_status 429 if { sc_http_req_rate(0) gt 50 }`)},
	{name: "nginx-nodelay", about: "nginx, limit_req with a burst of a window, nodelay; 503 by default",
		start: nginx("limit_req zone=rate burst=49 nodelay;")},
	{name: "nginx-delay", about: "nginx, limit_req with a burst of a window, which waits; 503 by default", best: evenly,
		start: nginx("limit_req zone=rate burst=49;")},
	{name: "nginx-conn", about: "nginx, limit_conn 4, work of 100 ms; 503 by default", work: shortWork, room: 4, best: fourAtOnce,
		start: nginx("limit_conn together 4;")},
	{name: "vsthrottle", about: "Varnish, vsthrottle 0.20.0: a bucket with a burst of a window; Retry-After is always 5",
		start: varnish(`vsthrottle.is_denied("all", 50, SECONDSs)`)},
	{name: "vsthrottle-block", about: "the same with a ban of a window, while one asks every second", start: varnish(`vsthrottle.is_denied("all", 50, SECONDSs, SECONDSs)`)},
	{name: "mod_evasive", about: "Apache, mod_evasive 1.10.1: 403 for a ban of two windows, which each request begins anew",
		start: apache("evasive", "evasive20", `DOSHashTableSize 97
DOSPageCount 50
DOSPageInterval SECONDS
DOSSiteCount 5000
DOSBlockingPeriod TWICE
DOSLogDir "."`)},
	{name: "mod_qos-events", about: "Apache, mod_qos 11.63: QS_ClientEventLimitCount; 500 and the connection is closed",
		start: apache("qos", "qos", `SetEnvIf Request_URI / limited=yes
QS_ClientEntries 1000
QS_ClientEventLimitCount 50 SECONDS limited`)},
	{name: "mod_qos-conn", about: "Apache, mod_qos 11.63: QS_LocRequestLimit 4, work of 100 ms; 500", work: shortWork, room: 4, best: fourAtOnce,
		start: apache("qos", "qos", `QS_LocRequestLimit / 4`)},
}

// shortWork is how long the service behind works where the number at once is limited.
const shortWork = 100 * time.Millisecond

func fourAtOnce(jobs int, _ time.Duration) time.Duration {
	return time.Duration((jobs+3)/4) * shortWork
}

// backend is the service behind a program.
func backend(work time.Duration) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(work)
		ok(w, r)
	}))
}

// A recipe is how a program is run.
type recipe struct {
	name, install string // of the program
	file, config  string // AT, HOST, PORT, BACKEND, BACKHOST, BACKPORT, DIR and those of a window are filled in
	args          func(dir, at string) []string
}

func fromRecipe(r recipe) starter {
	return func(ctx context.Context, h *house, o order) (*site, error) {
		path := program.Find(r.name, h.dirs)
		if path == "" {
			return nil, &missing{r.name, "apt-get install " + r.install}
		}
		dir, err := os.MkdirTemp(h.dir, o.name)
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(dir, 0o755); err != nil { // some serve as another user
			return nil, err
		}
		at, err := port.Free()
		if err != nil {
			return nil, err
		}
		b := backend(o.work)
		if err := os.WriteFile(filepath.Join(dir, r.file), []byte(r.filled(dir, at, b.Listener.Addr().String(), o)), 0o644); err != nil {
			b.Close()
			return nil, err
		}
		cmd := exec.Command(path, r.args(dir, at)...)
		cmd.Dir = dir
		p, err := program.Start(ctx, cmd, program.Listens(at))
		if err != nil {
			b.Close()
			return nil, err
		}
		return &site{url: "http://" + at + "/", stop: func() { _, _ = p.Stop(); b.Close() }}, nil
	}
}

func (r recipe) filled(dir, at, behind string, o order) string {
	host, port, _ := strings.Cut(behind, ":")
	seconds := int(o.window.Seconds())
	return strings.NewReplacer("AT", at, "BACKHOST", host, "BACKPORT", port, "BACKEND", behind, "FOLDER", dir,
		"SECONDS", fmt.Sprint(seconds), "TWICE", fmt.Sprint(2*seconds), "RATE", fmt.Sprint(perWindow/seconds)).Replace(r.config)
}

func haproxy(rules string) starter {
	return fromRecipe(recipe{name: "haproxy", install: "haproxy", file: "haproxy.cfg", config: `global
    nbthread 1

defaults
    mode http
    timeout connect 1s
    timeout client 1m
    timeout server 1m
    timeout tarpit SECONDSs

frontend entrance
    bind AT
    stick-table type ip size 1k expire 1m store http_req_rate(SECONDSs)
    ` + rules + `
    default_backend service

backend service
    server only BACKEND
`, args: func(string, string) []string { return []string{"-db", "-f", "haproxy.cfg"} }})
}

func nginx(limits string) starter {
	return fromRecipe(recipe{name: "nginx", install: "nginx-light", file: program.NginxFile,
		config: program.Nginx{Listen: "AT", Service: "BACKEND", Rate: "RATEr/s", Location: limits}.Config(),
		args:   func(dir, _ string) []string { return program.NginxArgs(dir) },
	})
}

func varnish(denied string) starter {
	return fromRecipe(recipe{name: "varnishd", install: "varnish varnish-modules gcc", file: "limit.vcl", config: `vcl 4.1;
import vsthrottle;
backend service { .host = "BACKHOST"; .port = "BACKPORT"; }
sub vcl_recv {
    if (` + denied + `) {
        return (synth(429));
    }
    return (pass);
}
`, args: func(dir, at string) []string {
		return []string{"-F", "-j", "none", "-a", at, "-f", filepath.Join(dir, "limit.vcl"), "-n", filepath.Join(dir, "work")}
	}})
}

// apache has one process, so that there is one table. mod_qos needs a library that Debian's Apache does not load any more.
func apache(module, load, limits string) starter {
	const modules = "/usr/lib/apache2/modules/"
	more := ""
	if module == "qos" {
		more = "LoadFile libpcre.so.3\n"
	}
	start := fromRecipe(recipe{name: "apache2", install: "apache2 libapache2-mod-" + module, file: "apache.conf", config: `ServerRoot "FOLDER"
ServerName localhost
Listen AT
PidFile "FOLDER/apache.pid"
ErrorLog "FOLDER/error.log"
LoadModule mpm_event_module ` + modules + `mod_mpm_event.so
LoadModule authz_core_module ` + modules + `mod_authz_core.so
LoadModule setenvif_module ` + modules + `mod_setenvif.so
LoadModule proxy_module ` + modules + `mod_proxy.so
LoadModule proxy_http_module ` + modules + `mod_proxy_http.so
` + more + `LoadModule ` + load + `_module ` + modules + `mod_` + load + `.so
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadsPerChild 64
MaxRequestWorkers 64
ProxyPass / http://BACKEND/
` + limits + "\n", args: func(dir, _ string) []string {
		return []string{"-D", "FOREGROUND", "-f", filepath.Join(dir, "apache.conf")}
	}})
	return func(ctx context.Context, h *house, o order) (*site, error) {
		if _, err := os.Stat(modules + "mod_" + load + ".so"); err != nil {
			return nil, &missing{"mod_" + module, "apt-get install libapache2-mod-" + module}
		}
		return start(ctx, h, o)
	}
}
