package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/paceline-go/paceline/bench/internal/program"
)

// nginx is a proxy by the limits of its one location.
type nginx struct{ limits string }

func (nginx) program() string { return "nginx" }

func (n nginx) config(at, backend string) string {
	return program.Nginx{Listen: at, Service: backend, Rate: "200r/s", Location: n.limits + program.NginxStatuses}.Config()
}

func (n nginx) write(dir, at, backend string, _ float64) error {
	return os.WriteFile(filepath.Join(dir, program.NginxFile), []byte(n.config(at, backend)), 0o644)
}

func (nginx) args(dir string) []string {
	return program.NginxArgs(dir)
}

func (nginx) change(string, float64) error {
	return errors.New("nginx: its limits cannot be changed while it runs")
}
