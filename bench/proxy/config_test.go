package main

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestHAProxyConfig(t *testing.T) {
	got := haproxy{front: "RULES", server: "maxconn 16", queue: 100 * time.Millisecond}.config("127.0.0.1:81", "127.0.0.1:82")
	const want = `global
    maxconn 2000
    nbthread 1
    stats socket unix@admin.sock mode 600 level admin

defaults
    mode http
    timeout connect 1s
    timeout client 1m
    timeout server 1m
    timeout queue 100ms

frontend entrance
    bind 127.0.0.1:81
    http-request return status 200 if { path /ready }
    RULES
    default_backend service

backend service
    server only 127.0.0.1:82 maxconn 16
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRateRulesDoNotCountWhatIsRefused(t *testing.T) {
	rules := rateRules("10s", " hdr Retry-After 1")
	const want = `stick-table type ip size 1k expire 1m store http_req_rate(10s)
    http-request set-var(txn.limit) str(limit),map_str_int(limits.map)
    http-request deny deny_status 429 hdr Retry-After 1 if { src_http_req_rate(entrance),sub(txn.limit) ge 0 }
    http-request track-sc0 src`
	if rules != want {
		t.Errorf("got\n%s\nwant\n%s", rules, want)
	}
	if strings.Index(strictRules, "track") > strings.Index(strictRules, "deny") {
		t.Errorf("the strict rules count after they have refused:\n%s", strictRules)
	}
}

func TestHAProxyFiles(t *testing.T) {
	dir := t.TempDir()
	if err := (haproxy{}).write(dir, "127.0.0.1:81", "127.0.0.1:82", 200); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir, "limits.map"); got != "limit 200\n" {
		t.Errorf("the map of limits: got %q, want limit 200", got)
	}
	if got, want := read(t, dir, "haproxy.cfg"), (haproxy{}).config("127.0.0.1:81", "127.0.0.1:82"); got != want {
		t.Errorf("the configuration: got\n%s\nwant\n%s", got, want)
	}
}

func TestNginxConfig(t *testing.T) {
	dir := t.TempDir()
	if err := (nginx{limits: "limit_conn together 16;"}).write(dir, "127.0.0.1:81", "127.0.0.1:82", 16); err != nil {
		t.Fatal(err)
	}
	got := read(t, dir, "nginx.conf")
	for _, want := range []string{
		"\n        listen 127.0.0.1:81;\n",
		"\n        server 127.0.0.1:82;\n",
		"\n            limit_conn together 16;\n            limit_req_status 429;\n            limit_conn_status 503;\n",
		"limit_req_zone $binary_remote_addr zone=rate:1m rate=200r/s;",
		"limit_conn_zone $binary_remote_addr zone=together:1m;",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Count(got, "{") != strings.Count(got, "}") {
		t.Errorf("braces do not match in\n%s", got)
	}
	if strings.Contains(got, "%!") {
		t.Errorf("an argument does not fit in\n%s", got)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheLimitIsChangedOverTheSocket(t *testing.T) {
	for _, test := range []struct {
		answer string
		fails  bool
	}{
		{"\n", false},
		{"Unknown map identifier. Please use #<id> or <file>.\n\n", true},
	} {
		asked, err := changeAgainst(t, test.answer)
		if asked != "set map limits.map limit 80\n" {
			t.Errorf("asked %q, want the limit set to 80", asked)
		}
		if (err != nil) != test.fails {
			t.Errorf("answer %q: got error %v, want one: %v", test.answer, err, test.fails)
		}
	}
}

// changeAgainst scenarios HAProxy's side, and returns what was asked.
func changeAgainst(t *testing.T, answer string) (asked string, err error) {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("unix", filepath.Join(dir, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			heard <- err.Error()
			return
		}
		defer conn.Close()
		line, _ := bufio.NewReader(conn).ReadString('\n') // a part is as wrong as an error
		_, _ = conn.Write([]byte(answer))
		heard <- line
	}()
	err = haproxy{}.change(dir, 80)
	return <-heard, err
}
