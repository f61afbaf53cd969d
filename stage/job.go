package stage

import (
	"context"
	"math"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// Work is what a job does.
type Work interface {
	// Attempt does it once. ctx is done when the job's door is cancelled or
	// the attempt's time is over.
	Attempt(ctx context.Context) error
}

// Unknown is the cost of a job that nobody estimated.
const Unknown int64 = math.MinInt64

// An Ask is what a job wants of the budgets and the rate.
type Ask struct {
	Cost   int64   // tokens that it is expected to use, or Unknown
	Weight float64 // how many calls it counts for

	Resource string // of a server's quotas; empty: not known
}

// Ordinary is the ask of a job that nobody has said anything of.
var Ordinary = Ask{Cost: Unknown, Weight: 1}

// A Job is one piece of work on its way through the stages. It has one owner
// at a time: its door, the dispatcher or a worker. A door that got a job back
// may Reset and use it again.
//
// Its fields stand in the order of how often they are looked at, because with
// short work a job costs as much as the memory that it moves from one processor
// to another.
type Job struct {
	Work Work
	Ask

	next     *Job // in the list that the job is in
	prev     *Job // in the queue that the job is in
	door     *Door
	scope    *scope
	started  time.Duration // when its last attempt started, since the throttle's epoch
	message  message
	queued   bool     // in a queue
	returned Returned // set by the dispatcher when the job comes back

	// Set by the dispatcher when an attempt starts.
	probe    bool  // of the circuit
	holding  bool  // keeps its slot while backing off
	once     bool  // never tried again
	paced    bool  // the interval held it back
	blamed   bool  // a failure of it has counted for the circuit
	alone    bool  // what its last refusal asks for is for it alone; set when the attempt has ended
	own      bool  // its last refusal is its own; set when the attempt has ended
	charged  bool  // its line has paid for the attempt
	owed     bool  // it was its turn in a lobby because of the floor
	inFlight int32 // attempts, this one included
	outages  int32 // of the dispatcher's, when it started

	// Set by the worker when an attempt ends.
	verdict  controller.Verdict // for the policy
	counted  controller.Verdict // for the breaker
	again    bool               // try it again
	wrong    bool               // it has nothing to show; only looked at before anything has succeeded
	busy     bool               // it was refused by a service that has too much to do, …
	trouble  bool               // … which says so outright
	skipped  bool               // it did not start after all
	spared   bool               // the service did no work for it
	uncalled bool               // the work has not called the service
	hedge    bool               // made beside another attempt of its job
	left     bool               // nobody wants it any more: it has neither failed nor succeeded
	spent    bool               // it was told that a resource of the server's is used up
	seq      int64              // attempts that had begun when this one did, itself included
	ended    time.Duration
	tokens   int64         // that the attempt recorded, or Unknown
	hinted   time.Duration // by its slot: not before

	generation int           // of the circuit
	mark       marks         // for hints
	first      claim         // on the first budget
	taken      time.Duration // when it was submitted
	began      time.Duration // when its first attempt started

	// Set when the job comes back.
	Attempts int           // that were started
	Refusals int           // of these, which used up none of the job's attempts
	Waited   time.Duration // from Submit to the first attempt
	Took     time.Duration // from the first attempt's start to the last one's end
	Err      error

	// Parts returns how many jobs that this one stands for have succeeded, and how many have
	// failed, when it comes back with err; nil: it is one.
	Parts func(err error) (completed, failed int64)

	retrying
	Named   *Named                   // that it is expected to use beside the Cost; nil: not known
	further []claim                  // on further budgets
	common  []controller.Reservation // from the commons
	request func()                   // of a message to the dispatcher that is no job
}

// retrying is what is known of a job that is tried more than once.
type retrying struct {
	failures   int                 // attempts that used up one of the job's
	excused    bool                // the last attempt used up none
	aside      bool                // it waits for another attempt until there is nothing else to do
	tried      bool                // it was set aside before its last attempt
	refusedAt  time.Duration       // when it was first refused; 0: never
	evidence   controller.Evidence // whether refusals are its own
	retryAfter time.Duration       // not before
	due        time.Time           // when it is tried again
	place      int                 // among those that back off, from 1; 0: it does not
}

// count adds what has become of j, which comes back with err.
func (j *Job) count(s *controller.Status, err error) {
	switch {
	case j.Parts != nil:
		completed, failed := j.Parts(err)
		s.Completed += completed
		if !j.left {
			s.Failed += failed
		}
	case err != nil && j.left:
	case err == nil:
		s.Completed++
	default:
		s.Failed++
	}
}

// Reset makes j a job that has not been submitted, with the same Work and Ask.
func (j *Job) Reset() {
	j.Err, j.Attempts, j.Refusals, j.Waited, j.Took = nil, 0, 0, 0, 0
	j.left = false
	j.again, j.skipped, j.blamed, j.failures, j.refusedAt = false, false, false, 0, 0
	j.evidence, j.aside, j.tried = controller.Evidence{}, false, false
}

// Detach lets go of the dispatcher that j came back from, so that a job which waits to be used
// again keeps none.
func (j *Job) Detach() { j.door, j.scope = nil, nil }

// message says why a job is in the dispatcher's mailbox.
type message uint8

const (
	submitted message = iota // by its door
	ended                    // an attempt of it
	requested                // no job, but a function for the dispatcher to call
)

// A Batch is a list of jobs on its way to somebody else. Its zero value is
// empty.
type Batch struct {
	newest, oldest *Job
}

// Add puts a job into the batch.
func (b *Batch) Add(j *Job) {
	if b.newest == nil {
		b.oldest = j
	}
	j.next = b.newest
	b.newest = j
}

// Empty reports whether nothing was added.
func (b *Batch) Empty() bool { return b.newest == nil }

// Jobs empties the batch and returns its jobs in the order in which they were added.
func (b *Batch) Jobs() List {
	var first *Job
	for j := b.newest; j != nil; {
		next := j.next
		if j == b.oldest {
			next = nil
		}
		j.next, first, j = first, j, next
	}
	*b = Batch{}
	return List{first}
}

// A List is a list of jobs in the order in which they were sent.
type List struct{ first *Job }

// Pop takes the first job off the list; it returns nil when there is none.
func (l *List) Pop() *Job {
	j := l.first
	if j != nil {
		l.first, j.next = j.next, nil
	}
	return j
}

// Each calls f with each job of the list.
func (l *List) Each(f func(*Job)) {
	for j := l.first; j != nil; j = j.next {
		f(j)
	}
}

// Empty reports whether the list has no job.
func (l *List) Empty() bool { return l.first == nil }

// A queue is a list of jobs, first in, first out, which may also leave it from the
// middle. Its zero value is empty.
type queue struct {
	first, last *Job
}

func (q *queue) push(j *Job) {
	j.queued, j.prev = true, q.last
	if q.first == nil {
		q.first = j
	} else {
		q.last.next = j
	}
	q.last = j
}

// putFirst moves the jobs of front to the front of q.
func (q *queue) putFirst(front *queue) {
	if front.first == nil {
		return
	}
	front.last.next = q.first
	if q.first == nil {
		q.last = front.last
	} else {
		q.first.prev = front.last
	}
	q.first = front.first
	*front = queue{}
}

func (q *queue) each(f func(*Job)) {
	for j := q.first; j != nil; j = j.next {
		f(j)
	}
}

// removeAll takes the jobs that are unwanted out of the queue.
func (q *queue) removeAll(unwanted func(*Job) bool) (removed []*Job) {
	var wanted queue
	for q.first != nil {
		if j := q.pop(); unwanted(j) {
			removed = append(removed, j)
		} else {
			wanted.push(j)
		}
	}
	*q = wanted
	return removed
}

func (q *queue) pop() *Job {
	j := q.first
	q.remove(j)
	return j
}

// remove takes out a job that is in q.
func (q *queue) remove(j *Job) {
	if j.prev == nil {
		q.first = j.next
	} else {
		j.prev.next = j.next
	}
	if j.next == nil {
		q.last = j.prev
	} else {
		j.next.prev = j.prev
	}
	j.queued, j.next, j.prev = false, nil, nil
}
