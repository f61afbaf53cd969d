package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
)

// A crew is the worker processes.
type crew struct {
	url, service   string
	stdout, stderr io.Writer
	all            []*process
}

// A process is one worker.
type process struct {
	cmd   *exec.Cmd
	leads atomic.Bool
	ended chan struct{}
}

// start starts a worker.
func (c *crew) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p := &process{cmd: exec.Command(self, "work", "-url", c.url, "-service", c.service), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), workerMark+"=1")
	p.cmd.SysProcAttr = ownGroup() // Ctrl-C is for the whole; it tells the workers
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start a worker: %w", err)
	}
	go func() {
		defer close(p.ended)
		lines(out, func(line string) { p.leads.Store(strings.HasPrefix(line, leads)) })
	}()
	c.all = append(c.all, p)
	return nil
}

// workerMark is set in the environment of workers, so that a test's program knows what it is.
const workerMark = "PACELINE_FLEET_WORKER"

func (c *crew) alive() (n int) {
	for _, p := range c.all {
		select {
		case <-p.ended:
		default:
			n++
		}
	}
	return n
}

// leader names the process that leads.
func (c *crew) leader() string {
	if i := c.leading(); i >= 0 {
		return fmt.Sprintf("process %d", c.all[i].cmd.Process.Pid)
	}
	return "not known"
}

func (c *crew) leading() int {
	for i, p := range c.all {
		if p.leads.Load() {
			return i
		}
	}
	return -1
}

// kill kills a worker, or the leader, with SIGKILL, and starts another.
func (c *crew) kill(leader bool) (what string, err error) {
	i, what := c.leading(), "the leader"
	if i < 0 || !leader {
		i, what = pick(len(c.all)), "a worker"
	}
	p := c.all[i]
	if p.leads.Load() {
		what = "the leader"
	}
	p.cmd.Process.Kill()
	<-p.ended
	p.cmd.Wait()
	c.all = append(c.all[:i], c.all[i+1:]...)
	return fmt.Sprintf("%s, process %d", what, p.cmd.Process.Pid), c.start()
}

// stop has all workers finish what they have taken.
func (c *crew) stop() error {
	for _, p := range c.all {
		p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range c.all {
		<-p.ended
		p.cmd.Wait()
	}
	return nil
}
