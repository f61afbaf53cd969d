// Package program runs servers of other people's, on loopback.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Dirs are where programs are looked for. Debian has servers' programs in folders that are not in every user's path.
func Dirs() []string {
	return append(filepath.SplitList(os.Getenv("PATH")), "/usr/local/sbin", "/usr/sbin")
}

// Find returns the path of a program, "" if it is in none of the folders.
func Find(name string, dirs []string) string {
	for _, dir := range dirs {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

// A Process is a program that runs.
type Process struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{} // closed when it has
}

// startupTime is how long a program may take until it answers.
const startupTime = 20 * time.Second

// Start starts a command and returns when ready says that it answers. ready is asked again until then, and must
// not take long.
func Start(ctx context.Context, cmd *exec.Cmd, ready func(context.Context) bool) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &p.stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // what it says on its way out is in stderr
		close(p.ended)
	}()
	if err := p.await(ctx, ready); err != nil {
		_, _ = p.Stop() // that it did not come up is what matters
		return nil, fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err)
	}
	return p, nil
}

func (p *Process) await(ctx context.Context, ready func(context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startupTime)
	defer cancel()
	for !ready(ctx) {
		select {
		case <-p.ended:
			return fmt.Errorf("ended at once: %s", strings.TrimSpace(p.stderr.String()))
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// Stop ends the program and returns the processor time that it used.
func (p *Process) Stop() (time.Duration, error) {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-p.ended:
	case <-time.After(startupTime):
		_ = p.cmd.Process.Kill() // fails only if it has ended meanwhile
		<-p.ended
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), nil
}

// Answers reports whether a GET of the URL is answered with 200, for Start.
func Answers(url string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false
		}
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	}
}

// Listens reports whether somebody listens at an address, for Start: nothing is sent, so nothing is counted.
func Listens(address string) func(context.Context) bool {
	return func(ctx context.Context) bool {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}
}
