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

// A proxy can be configured and started.
type proxy interface {
	program() string
	write(dir, at, backend string, limit float64) error // its configuration; addresses are host:port
	args(dir string) []string
	change(dir string, limit float64) error // while it runs in dir
}

// programDirs are where programs are looked for. Debian has servers' programs in folders that are not in every user's path.
func programDirs() []string {
	return append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin")
}

// findPrograms returns the paths of the programs that the cases need, by name.
func findPrograms(scenarios []scenario, dirs []string) (map[string]string, error) {
	found := map[string]string{}
	for _, p := range scenarios {
		name := p.proxy.program()
		if found[name] != "" {
			continue
		}
		path := findProgram(name, dirs)
		if path == "" {
			return nil, fmt.Errorf("case %s: program %s not found; install it: apt-get install haproxy nginx-light", p.name, name)
		}
		found[name] = path
	}
	return found, nil
}

func findProgram(name string, dirs []string) string {
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

// A process is a proxy that runs.
type process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan error // holds one, when it has
	url    string
}

// startupTime is how long a proxy may take until it answers.
const startupTime = 10 * time.Second

// startProxy starts a proxy in dir, in front of backend, and returns when it answers.
func startProxy(ctx context.Context, p proxy, path, dir, backend string, limit float64) (*process, error) {
	at, err := port.Free()
	if err != nil {
		return nil, err
	}
	if err := p.write(dir, at, backend, limit); err != nil {
		return nil, err
	}
	r := &process{cmd: exec.Command(path, p.args(dir)...), ended: make(chan error, 1), url: "http://" + at + "/"}
	r.cmd.Dir, r.cmd.Stderr = dir, &r.stderr
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { r.ended <- r.cmd.Wait() }()
	if err := r.awaitAnswer(ctx); err != nil {
		_, _ = r.stop() // that it did not come up is what matters
		return nil, fmt.Errorf("%s: %w", p.program(), err)
	}
	return r, nil
}

func (r *process) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startupTime)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"ready", nil)
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
		case err := <-r.ended:
			r.ended <- err
			return fmt.Errorf("ended at once: %s", strings.TrimSpace(r.stderr.String()))
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the proxy and returns the processor time that it used.
func (r *process) stop() (time.Duration, error) {
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-r.ended:
	case <-time.After(startupTime):
		_ = r.cmd.Process.Kill() // fails only if it has ended meanwhile
		<-r.ended
	}
	return r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime(), nil
}
