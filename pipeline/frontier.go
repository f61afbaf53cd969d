package pipeline

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync/atomic"

	"github.com/paceline-go/paceline/pipeline/internal/codable"
)

// FrontierConfig is how a Frontier holds the jobs of a growing run. The zero value is right
// for a few ten thousand jobs of which none comes twice.
type FrontierConfig[In any] struct {
	// Key names a job. Of those with one name, the first is done, and Submit leaves out the others
	// without an error. nil: all are done. It may be called from several goroutines at once. What is kept of a
	// name is a fingerprint, for as long as the run goes on, which takes some 50 bytes of memory.
	//
	// Example: Key: func(url string) string { return strings.TrimSuffix(url, "/") }.
	Key func(In) string

	// DepthFirst takes the job that was submitted last, and of one call of Submit the first. As many
	// are taken as can run at once, if there is one throttle. false: what was submitted first is
	// taken first, some of it ahead, as by Each.
	DepthFirst bool

	// Memory is how many jobs may wait in memory, at least 1; default 100,000.
	Memory int

	// Spill is where further jobs wait. nil: Submit has no room for them, and returns
	// ErrFrontierFull.
	//
	// Example: Spill: &pipeline.Spill{Dir: "/var/tmp"}.
	Spill *Spill
}

// A Spill keeps waiting jobs in files, as JSON. What is not needed any more is given back, 64 MB at a
// time. The files have no name while they are used, where the system allows that, so that nothing is
// left of them, even after a kill.
type Spill struct {
	// Dir is where the files are; default: that for temporary files. On many systems that one is in
	// memory: then give another.
	Dir string
}

// defaultMemory is how many jobs wait in memory. Chosen: some 10 MB of URLs.
const defaultMemory = 100_000

// Validate returns every fault of c, each a *ConfigError; nil if there is none.
func (c FrontierConfig[In]) Validate() error {
	var faults []error
	if c.Memory < 0 {
		faults = append(faults, &ConfigError{Field: "memory", Value: c.Memory, Reason: "want at least 1, or 0 for the default"})
	}
	if c.Spill != nil {
		if err := codable.ComesBack(reflect.TypeFor[In]()); err != nil {
			faults = append(faults, &ConfigError{Field: "spill", Value: reflect.TypeFor[In]().String(), Reason: err.Error()})
		}
		if dir := c.Spill.Dir; dir != "" {
			if info, err := os.Stat(dir); err != nil || !info.IsDir() {
				faults = append(faults, &ConfigError{Field: "spill.dir", Value: dir, Reason: "want a directory"})
			}
		}
	}
	return errors.Join(faults...)
}

// A Frontier holds the jobs of one growing run: those that were submitted and wait. Make one with
// NewFrontier, and give it to Grow.
type Frontier[In any] struct {
	cfg      FrontierConfig[In]
	begun    atomic.Bool
	open     chan struct{} // closed when Grow's loop has begun
	over     chan struct{} // closed when it has ended
	requests chan func()   // to the owner
	growth   growth[In]    // its owner's; once over, everybody may look
}

// NewFrontier returns a frontier for one run. Its error is that of FrontierConfig.Validate.
func NewFrontier[In any](cfg FrontierConfig[In]) (*Frontier[In], error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Memory == 0 {
		cfg.Memory = defaultMemory
	}
	return &Frontier[In]{cfg: cfg, open: make(chan struct{}), over: make(chan struct{}), requests: make(chan func())}, nil
}

// ErrFrontierFull says that as many jobs wait as FrontierConfig.Memory allows.
var ErrFrontierFull = errors.New("paceline: frontier is full")

// ErrFrontierOver says that a job was submitted when the run takes none: before the loop over the
// results of Grow has begun, or after its intake has ended.
var ErrFrontierOver = errors.New("paceline: frontier takes no jobs")

// ErrSubmitInWork says that work has submitted a job where only the loop over the results may: see
// Frontier.Submit.
var ErrSubmitInWork = errors.New("paceline: submitted in the work: want it in the loop over the results")

// A SubmitError says that a job was not taken, and why: ErrFrontierFull, ErrFrontierOver,
// ErrSubmitInWork, or what went wrong when it was to be written.
type SubmitError struct {
	Index int // of the job, in the call of Submit
	Err   error
}

func (e *SubmitError) Error() string {
	return fmt.Sprintf("paceline: job %d not submitted: %v", e.Index, e.Err)
}

func (e *SubmitError) Unwrap() error { return e.Err }

// A LostError says how many jobs were submitted, and could not be read again from the files that
// they waited in.
type LostError struct {
	Jobs int
	Err  error // the last of the reasons
}

func (e *LostError) Error() string {
	return fmt.Sprintf("paceline: frontier: %d jobs lost: %v", e.Jobs, e.Err)
}

func (e *LostError) Unwrap() error { return e.Err }

// Err returns a *LostError if jobs were lost that waited in files; nil if none was. Ask it after
// the loop.
func (f *Frontier[In]) Err() error {
	var err error
	f.look(func() {
		if f.growth.lost.Jobs > 0 {
			lost := f.growth.lost
			err = &lost
		}
	})
	return err
}

// A FrontierSnapshot is the state of a growing run. Submitted is the sum of Done, Inside, Waiting
// and those that were lost.
type FrontierSnapshot struct {
	Submitted  int64 // jobs that were taken, seeds included
	Duplicates int64 // jobs that were left out, because one with their Key was taken before
	Waiting    int64 // jobs that were not yet given to the pipeline
	Spilled    int64 // of these, the ones in files
	Inside     int64 // jobs that the pipeline has, or whose result is being looked at
	Done       int64 // jobs whose result was handed out
}

// Snapshot returns the state of the run at this moment. All is 0 before it.
func (f *Frontier[In]) Snapshot() (s FrontierSnapshot) {
	f.look(func() { s = f.growth.snapshot() })
	return s
}

// look calls do while nothing changes.
func (f *Frontier[In]) look(do func()) {
	select {
	case <-f.open:
		if f.request(do) != nil {
			do()
		}
	default:
	}
}

// request has the owner call do, and returns when it has. After an error it does not.
func (f *Frontier[In]) request(do func()) error {
	done := make(chan struct{})
	select {
	case f.requests <- func() { do(); close(done) }:
		<-done
		return nil
	case <-f.over:
		return ErrFrontierOver
	}
}

// tell has the owner call do some time soon, before what it is told later. After an error it does not.
func (f *Frontier[In]) tell(do func()) error {
	select {
	case f.requests <- do:
		return nil
	case <-f.over:
		return ErrFrontierOver
	}
}
