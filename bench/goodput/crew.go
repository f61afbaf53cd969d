package main

import (
	"cmp"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"
)

// A task is to run one contestant against one service.
type task struct {
	Family     string
	Number     int    // of the service
	Contestant string // its name
}

// A worker does one task after another.
type worker func(task) (outcome, error)

// here does tasks in this process.
func (p *plan) here(t *testing.T) worker {
	return func(k task) (outcome, error) {
		i := slices.IndexFunc(p.contestants, func(c contestant) bool { return c.name == k.Contestant })
		o := race(t, p.contestants[i], p.prepare(t, k.Family, k.Number))
		o.Number = k.Number
		return o, nil
	}
}

// A crew is a process for each processor. With one processor to itself, a bubble takes half of the time that it takes
// where its goroutines are handed from one to another.
type crew struct {
	workers   []worker
	processes []*exec.Cmd
	tasks     []io.Closer
}

// startCrew starts the processes, which are this program with the same arguments.
func startCrew(args []string) (*crew, error) {
	c := new(crew)
	for range runtime.NumCPU() {
		if err := c.start(args); err != nil {
			c.dismiss()
			return nil, err
		}
	}
	return c, nil
}

func (c *crew) start(args []string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	process := exec.Command(program, append([]string{"-" + workerFlag}, args...)...)
	process.Env = append(os.Environ(), "GOMAXPROCS=1")
	process.Stderr = os.Stderr
	tasks, err := process.StdinPipe()
	if err != nil {
		return err
	}
	outcomes, err := process.StdoutPipe()
	if err != nil {
		return err
	}
	if err := process.Start(); err != nil {
		return err
	}
	in, out := gob.NewEncoder(tasks), gob.NewDecoder(outcomes)
	c.processes, c.tasks = append(c.processes, process), append(c.tasks, tasks)
	c.workers = append(c.workers, func(k task) (o outcome, err error) {
		if err = cmp.Or(in.Encode(k), out.Decode(&o)); err != nil {
			err = fmt.Errorf("%s at service %d of %q: the process that runs it: %w", k.Contestant, k.Number, k.Family, err)
		}
		return o, err
	})
	return nil
}

// dismiss ends the processes.
func (c *crew) dismiss() {
	for i, p := range c.processes {
		_ = c.tasks[i].Close()
		_ = p.Wait() // what it has done is known already
	}
}

// serve does the tasks that come in until there are no more; then the process that gave them has ended, and this one ends, too.
func (p *plan) serve(t *testing.T, in io.Reader, out io.Writer) error {
	tasks := make(chan task)
	go func() {
		for decoder := gob.NewDecoder(in); ; {
			var k task
			if decoder.Decode(&k) != nil {
				os.Exit(0)
			}
			tasks <- k
		}
	}()
	do, outcomes := p.here(t), gob.NewEncoder(out)
	for k := range tasks {
		o, err := do(k)
		if err = cmp.Or(err, outcomes.Encode(o)); err != nil {
			return err
		}
	}
	return nil
}

// runFamily has the workers run every contestant against every service of a family, and returns the outcomes of each
// contestant, in the order of the services.
func (p *plan) runFamily(family string, workers []worker) ([][]outcome, error) {
	numbers := p.numbers(family)
	contestants := p.of(family)
	results := make([][]outcome, len(contestants))
	for i := range results {
		results[i] = make([]outcome, len(numbers))
	}
	total := len(contestants) * len(numbers)
	progress := newProgress(family, total)
	defer progress.end()
	var next atomic.Int64
	var all errgroup.Group
	for _, do := range workers {
		all.Go(func() error {
			for i := next.Add(1) - 1; i < int64(total); i = next.Add(1) - 1 {
				who, which := int(i)%len(contestants), int(i)/len(contestants)
				o, err := do(task{family, numbers[which], contestants[who].name})
				if err != nil {
					next.Store(int64(total)) // the others need not go on
					return err
				}
				results[who][which] = o
				progress.step()
			}
			return nil
		})
	}
	return results, all.Wait()
}

// numbers are those of the services of a family to run.
func (p *plan) numbers(family string) []int {
	if p.only >= 0 {
		return []int{p.only}
	}
	var all []int
	for i := p.from; len(all) < p.services; i++ {
		if p.busiest == 0 || p.service(family, i).size() <= p.busiest {
			all = append(all, i)
		}
	}
	return all
}

// A progress shows how far a family is, if somebody looks on.
type progress struct {
	family string
	total  int
	done   atomic.Int64
	shown  bool
}

func newProgress(family string, total int) *progress {
	info, err := os.Stderr.Stat()
	return &progress{family: family, total: total, shown: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *progress) step() {
	if done := p.done.Add(1); p.shown {
		fmt.Fprintf(os.Stderr, "\r%s: %d of %d ", p.family, done, p.total)
	}
}

func (p *progress) end() {
	if p.shown {
		fmt.Fprintf(os.Stderr, "\r\033[K")
	}
}
