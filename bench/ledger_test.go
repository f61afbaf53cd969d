package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/stage"
)

// A job of the soak says who made it and the how many-eth of his it is.
type job struct {
	client, number int
	tokens         int64   // its cost; below 0: nobody has said
	weight         float64 // in calls
	spoilt         spoilage
}

func (j job) String() string { return fmt.Sprintf("%d/%d", j.client, j.number) }

// output is what a success returns.
func (j job) output() int { return 2*j.number + 1 }

// name is a job's in the ledger's books.
type name struct{ client, number int }

func (j job) name() name { return name{j.client, j.number} }

// A fate is what became of a job.
type fate string

const (
	fateSuccess    fate = "success"
	fateExhausted  fate = "gave up retrying"
	fateFatal      fate = "fatal error"
	fateError      fate = "other error"
	fatePanic      fate = "panic"
	fateGoexit     fate = "goexit"
	fateCancelled  fate = "cancelled"
	fateNoTime     fate = "no time before the deadline"
	fateTooDear    fate = "costs more than a budget"
	fateTooHeavy   fate = "weighs more than the burst"
	fateClosed     fate = "throttle closed"
	fateCircuit    fate = "circuit open"
	fateVanished   fate = "caller's goroutine ended"
	fateLeft       fate = "still in the channel"
	fateUnread     fate = "reader left the loop"
	fateUnexpected fate = "unexpected"
)

// errHungUp is the cause of every context that the soak cancels.
var errHungUp = errors.New("the client hung up")

// An entry is a job that has been handed over and not come back.
type entry struct {
	station  *station
	attempts int
	running  bool
	final    bool     // no other attempt may follow
	last     *failure // of the last attempt; nil: it succeeded
}

// A ledger accounts for every job: what was handed over comes back once, as
// often tried as the service has seen it, with what it was last told.
type ledger struct {
	mu       sync.Mutex
	open     map[name]*entry
	closed   map[name]struct{}
	fates    map[fate]int
	faults   map[fault]int
	attempts int
	lost     int
	doubled  int
	wrong    []string
	more     int // that were wrong beyond those
}

func newLedger() *ledger {
	return &ledger{
		open:   make(map[name]*entry),
		closed: make(map[name]struct{}),
		fates:  make(map[fate]int),
		faults: make(map[fault]int),
	}
}

// mostWrong is how much is told of what was wrong.
const mostWrong = 20

// complain notes something that must not be.
func (l *ledger) complain(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.complainLocked(format, args...)
}

func (l *ledger) complainLocked(format string, args ...any) {
	if len(l.wrong) == mostWrong {
		l.more++
		return
	}
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// offer notes that a job is about to be handed over.
func (l *ledger) offer(j job, st *station) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[j.name()] = &entry{station: st}
}

// withdraw notes that it was not handed over after all.
func (l *ledger) withdraw(j job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, j.name())
}

// begin notes that an attempt starts, the first of a job being number 0.
func (l *ledger) begin(j job, number int, f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attempts++
	l.faults[f]++
	e := l.open[j.name()]
	if e == nil {
		l.complainLocked("job %v: attempt %d started after the job had come back", j, number)
		return
	}
	if e.running {
		l.complainLocked("job %v: attempt %d started while another one was running", j, number)
	}
	if e.final {
		l.complainLocked("job %v: attempt %d started after %v", j, number, e.last)
	}
	if number != e.attempts {
		l.complainLocked("job %v: its slot says attempt %d, want %d", j, number, e.attempts)
	}
	e.attempts++
	e.running = true
}

// end notes how an attempt ended.
func (l *ledger) end(j job, last *failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.open[j.name()]; e != nil {
		e.running, e.last = false, last
		e.final = last == nil || last.fault.final()
	}
}

// unknown is the number of attempts of a job that is not told it.
const unknown = -1

// giveBack takes a job that has come back.
func (l *ledger) giveBack(j job, attempts int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.take(j, "came back")
	if e == nil {
		return
	}
	if attempts != unknown && attempts != e.attempts {
		l.complainLocked("job %v: came back with %d attempts, the service saw %d", j, attempts, e.attempts)
	}
	var gaveUp *pipeline.RetriesExhaustedError
	if errors.As(err, &gaveUp) && gaveUp.Attempts != e.attempts {
		l.complainLocked("job %v: gave up after %d attempts, the service saw %d", j, gaveUp.Attempts, e.attempts)
	}
	f := fateOf(err)
	if why := e.contradicts(j, f, err); why != "" {
		l.complainLocked("job %v: %s: came back with %v", j, why, err)
	}
	l.settle(e, f)
}

// leave takes a job that was found in its channel after the intake had ended.
func (l *ledger) leave(j job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.take(j, "was left in the channel")
	if e == nil {
		return
	}
	if e.attempts > 0 {
		l.complainLocked("job %v: was left in the channel, but tried %d times", j, e.attempts)
	}
	l.settle(e, fateLeft)
}

// vanish takes a job whose caller's goroutine was ended by the work.
func (l *ledger) vanish(j job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.take(j, "vanished"); e != nil {
		l.settle(e, fateVanished)
	}
}

// take strikes a job off the open ones.
func (l *ledger) take(j job, how string) *entry {
	e := l.open[j.name()]
	if e == nil {
		if _, ok := l.closed[j.name()]; ok {
			l.doubled++
		}
		l.complainLocked("job %v: %s, but had come back before or never been handed over", j, how)
		return nil
	}
	l.close(j.name())
	if e.running {
		l.complainLocked("job %v: %s while an attempt was running", j, how)
	}
	return e
}

func (l *ledger) close(n name) {
	delete(l.open, n)
	l.closed[n] = struct{}{}
}

func (l *ledger) settle(e *entry, f fate) {
	l.fates[f]++
	e.station.book(e, f)
}

// abandon takes the jobs of a client who has left the loop over their results.
func (l *ledger) abandon(client int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, e := range l.open {
		if n.client != client {
			continue
		}
		l.close(n)
		if e.running {
			l.complainLocked("job %d/%d: ran on when its loop had been left", n.client, n.number)
		}
		l.settle(e, fateUnread)
	}
}

// miss counts the jobs of a client as lost that are open when none may be.
func (l *ledger) miss(client int, when string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n, e := range l.open {
		if n.client == client {
			l.close(n)
			l.lost++
			l.complainLocked("job %d/%d of %s: lost, tried %d times: %s", n.client, n.number, e.station.name, e.attempts, when)
		}
	}
}

// fateOf tells the fate from the error that a job came back with.
func fateOf(err error) fate {
	var (
		failed    *failure
		exhausted *pipeline.RetriesExhaustedError
		panicked  *pipeline.PanicError
		tooDear   *pipeline.CostError
		tooHeavy  *pipeline.WeightError
		circuit   *pipeline.CircuitOpenError
	)
	errors.As(err, &failed)
	switch {
	case err == nil:
		return fateSuccess
	case errors.As(err, &tooDear):
		return fateTooDear
	case errors.As(err, &tooHeavy):
		return fateTooHeavy
	case errors.As(err, &circuit):
		return fateCircuit
	case errors.Is(err, stage.ErrGoexit):
		return fateGoexit
	case errors.As(err, &panicked):
		return fatePanic
	case errors.Is(err, pipeline.ErrClosed):
		return fateClosed
	case errors.Is(err, errHungUp), errors.Is(err, context.Canceled):
		return fateCancelled
	case errors.As(err, &exhausted):
		return fateExhausted
	case errors.Is(err, context.DeadlineExceeded):
		return fateNoTime
	case failed == nil:
		return fateUnexpected
	case failed.fault == fatalError:
		return fateFatal
	}
	return fateError
}

// contradicts tells what is wrong with an error that a job came back with.
func (e *entry) contradicts(j job, f fate, err error) string {
	switch {
	case f == fateUnexpected:
		return "an error of nobody's"
	case e.attempts == 0:
		return e.neverTried(j, f)
	case (err == nil) != (e.last == nil):
		return fmt.Sprintf("its last attempt ended with %v", e.last)
	case err == nil, e.last.fault == exits && f == fateGoexit:
		return ""
	}
	var told *failure
	if !errors.As(err, &told) || told != e.last {
		return fmt.Sprintf("its last attempt ended with %v", e.last)
	}
	return ""
}

// neverTried tells why a job that was not tried cannot have the fate.
func (e *entry) neverTried(j job, f fate) string {
	switch f {
	case fateCancelled, fateNoTime, fateTooDear, fateTooHeavy:
		return ""
	case fateClosed:
		if e.station.isClosed() {
			return ""
		}
	case fateCircuit:
		if j.client >= firstCaller {
			return ""
		}
	case fatePanic, fateGoexit:
		if j.spoilt != sound {
			return ""
		}
	}
	return "it was never tried"
}
