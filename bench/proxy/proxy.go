package main

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/paceline-go/paceline/bench/internal/program"
	"github.com/paceline-go/paceline/bench/port"
)

// A proxy can be configured and started.
type proxy interface {
	program() string
	write(dir, at, backend string, limit float64) error // its configuration; addresses are host:port
	args(dir string) []string
	change(dir string, limit float64) error // while it runs in dir
}

// findPrograms returns the paths of the programs that the cases need, by name.
func findPrograms(scenarios []scenario, dirs []string) (map[string]string, error) {
	found := map[string]string{}
	for _, p := range scenarios {
		name := p.proxy.program()
		if found[name] != "" {
			continue
		}
		path := program.Find(name, dirs)
		if path == "" {
			return nil, fmt.Errorf("case %s: program %s not found; install it: apt-get install haproxy nginx-light", p.name, name)
		}
		found[name] = path
	}
	return found, nil
}

// startProxy starts a proxy in dir, in front of backend, and returns when it answers at the URL.
func startProxy(ctx context.Context, p proxy, path, dir, backend string, limit float64) (r *program.Process, url string, err error) {
	at, err := port.Free()
	if err != nil {
		return nil, "", err
	}
	if err := p.write(dir, at, backend, limit); err != nil {
		return nil, "", err
	}
	cmd := exec.Command(path, p.args(dir)...)
	cmd.Dir = dir
	url = "http://" + at + "/"
	r, err = program.Start(ctx, cmd, program.Answers(url+"ready"))
	return r, url, err
}
