package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// memoryCommand is the first argument of a child process that measures the memory of one contestant: a peak is only
// that contestant's own in a process that has done nothing else.
const memoryCommand = "memory"

// A memoryTask is what the child is told.
type memoryTask struct {
	Contestant    string
	Workers, Jobs int
	Blocked       bool // each job waits until all workers hold one
}

// A footprint is what the child answers, in bytes.
type footprint struct {
	Start float64 // resident before the run
	Peak  float64 // the most that was ever resident
	Held  float64 // heap and stacks in use when all workers were blocked, after a collection
}

func (f footprint) growth() float64 { return f.Peak - f.Start }

func memoryOf(task memoryTask) (footprint, error) {
	var f footprint
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	spec, err := json.Marshal(task)
	if err != nil {
		return f, err
	}
	child := exec.Command(self, memoryCommand, string(spec))
	child.Stderr = os.Stderr
	out, err := child.Output()
	if err != nil {
		return f, fmt.Errorf("memory of %s: %w", task.Contestant, err)
	}
	return f, json.Unmarshal(out, &f)
}

func memoryChild(w io.Writer, args []string) error {
	var task memoryTask
	if len(args) != 1 {
		return fmt.Errorf("%s: got %d arguments, want a task", memoryCommand, len(args))
	}
	if err := json.Unmarshal([]byte(args[0]), &task); err != nil {
		return err
	}
	f, err := task.measure()
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(f)
}

func (task memoryTask) measure() (footprint, error) {
	var f footprint
	c, err := contestantNamed(task.Contestant)
	if err != nil {
		return f, err
	}
	do := addOne
	if task.Blocked {
		c = c.allAtOnce()
		do = newBarrier(task.Workers, func() { f.Held = max(f.Held, held()) }).work
	}
	f.Start = resident("VmRSS")
	err = c.race(task.Workers, task.Jobs, do)
	f.Peak = resident("VmHWM")
	return f, err
}

// resident asks Linux. Elsewhere it is what the runtime has taken from the system: more than what is resident, but like
// a peak it does not fall.
func resident(field string) float64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range bytes.Lines(status) {
		var kB float64
		if value, ok := strings.CutPrefix(string(line), field+":"); ok {
			if _, err := fmt.Sscan(value, &kB); err == nil {
				return kB * 1024
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.Sys)
}

func held() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// A barrier blocks jobs until as many are in flight as there are workers, then lets all of them go and starts over.
type barrier struct {
	size   int
	onFull func() // runs while all are blocked

	mu      sync.Mutex
	waiting int
	open    chan struct{}
}

func newBarrier(size int, onFull func()) *barrier {
	return &barrier{size: size, onFull: onFull, open: make(chan struct{})}
}

func (b *barrier) work(j int) int {
	if open := b.arrive(); open != nil {
		<-open
	}
	return addOne(j)
}

// arrive returns what to wait for; nil for the last one, who has let the others go.
func (b *barrier) arrive() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting++; b.waiting < b.size {
		return b.open
	}
	b.onFull()
	close(b.open)
	b.open, b.waiting = make(chan struct{}), 0
	return nil
}
