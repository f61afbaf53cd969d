package pacejournal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline/internal/codable"
)

// Options are how a journal is opened. The zero value is right for most.
type Options struct {
	// Run names what the results depend on beside the jobs, such as the model, its version
	// and the prompt, or the hash of the input. A journal that was begun with another one
	// is not opened: ErrOtherRun.
	Run string

	// Sync waits for the disk with each commit, so that what was handed out is there after a
	// loss of power, too. Without, it is there whatever happens to the process, and a loss
	// of power may take the last commits.
	// It takes twice as long where results come faster than the disk; see the bench.
	Sync bool

	// Fresh forgets the results that the journal holds, of whichever run and version. What the
	// throttle has learned and used stays. Another file than a journal is left alone.
	Fresh bool
}

// A Journal keeps the results of jobs in a file. Its methods may be called from any
// goroutine. Make one with Open.
type Journal[In, Out any] struct {
	path  string
	key   func(In) string
	id    string // random
	owner *owner
	close func() error
}

// An Entry is what a journal holds of a job.
type Entry[Out any] struct {
	Key      string
	Out      Out
	Err      error     // a *FailedError if the job failed
	Attempts int       // of all runs that did it, refusals included, but for those that ended with the process
	Stored   time.Time // to the millisecond
	Again    bool      // the job failed, and Retry says that it is to be done again
}

// Open opens the journal at path, or begins one if there is no file. It is held until
// Close or until the process is gone: a second one is told ErrLocked.
//
// key names a job: the same job has the same key in every run, and no other one has it. What
// makes it another job, such as the text of a prompt, belongs into the key. Keys are text
// without NUL, of at least one byte; the journal keeps them, twice, so hash long ones. key
// may be called from several goroutines and more than once for a job.
//
// Out is kept as JSON, so it must be of a type that comes back as it went. The error is an
// *Error around ErrLocked, ErrForeign, ErrSchema, ErrOtherRun, ErrFull or ErrReadOnly, or
// says what is wrong with an argument.
func Open[In, Out any](path string, key func(In) string, o Options) (*Journal[In, Out], error) {
	if path == "" {
		return nil, fmt.Errorf("path: got none, want that of a file")
	}
	if key == nil {
		return nil, fmt.Errorf("key: got nil, want a function")
	}
	if err := codable.ComesBack(reflect.TypeFor[Out]()); err != nil {
		return nil, fmt.Errorf("type of results: %w", err)
	}
	s, err := openStore(path, o)
	if err != nil {
		return nil, &Error{path, explain(err)}
	}
	j := &Journal[In, Out]{path: path, key: key, id: s.id, owner: newOwner(s)}
	j.close = sync.OnceValue(j.owner.close)
	go j.owner.loop()
	return j, nil
}

// Close waits until what is being stored is stored, and lets go of the file. Runs that
// are going on end with ErrClosed. A second call does nothing more.
func (j *Journal[In, Out]) Close() error { return j.wrap(j.close()) }

func (j *Journal[In, Out]) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &Error{j.path, explain(err)}
}

// IdempotencyKey returns a name for the work on a job, to be sent along with it: 32
// hexadecimal digits, the same in each attempt of each run with this journal, and another
// one in every other journal and after Fresh. A service that knows such keys does the work
// once, though the job was in flight when the process was killed and is done again. A job
// that is done again after Retry has the same one, too, since it may have been done.
func (j *Journal[In, Out]) IdempotencyKey(in In) string {
	sum := sha256.Sum256([]byte(j.id + j.key(in)))
	return hex.EncodeToString(sum[:16])
}

// Retry has failed jobs done again by the next Each: those with the keys, or without keys
// all. Until then the journal keeps their errors. It returns how many there are newly.
func (j *Journal[In, Out]) Retry(keys ...string) (jobs int64, err error) {
	err = j.owner.write(func(s *store) (err error) {
		jobs, err = s.again(keys)
		return err
	})
	return jobs, j.wrap(err)
}

// page is how many entries are read at once; others get their turn in between.
const page = 256

// All returns all that the journal holds, in the order in which it was stored. It may be
// read while a run goes on. An error is the last that comes.
func (j *Journal[In, Out]) All() iter.Seq2[Entry[Out], error] {
	return func(yield func(Entry[Out], error) bool) {
		for last := int64(0); ; {
			var rows []row
			if err := j.owner.read(func(s *store) (err error) {
				rows, err = s.after(last, page)
				return err
			}); err != nil {
				yield(Entry[Out]{}, j.wrap(err))
				return
			}
			for _, r := range rows {
				e, err := entry[Out](&r)
				if !yield(e, j.wrap(err)) || err != nil {
					return
				}
				last = r.id
			}
			if len(rows) < page {
				return
			}
		}
	}
}

func entry[Out any](r *row) (Entry[Out], error) {
	e := Entry[Out]{Key: r.key, Attempts: r.attempts, Stored: time.UnixMilli(r.stored), Again: r.again}
	if r.err != nil {
		e.Err = &FailedError{*r.err}
	}
	if r.result != nil {
		if err := guard(func() error { return json.Unmarshal(r.result, &e.Out) }); err != nil {
			return e, fmt.Errorf("job %q: got a result of another type, want %T: %w", r.key, e.Out, err)
		}
	}
	return e, nil
}

// Results returns what the journal holds of jobs, in their order, and does none. Jobs of
// which it holds nothing are left out. An error is the last that comes.
func (j *Journal[In, Out]) Results(jobs iter.Seq[In]) iter.Seq2[Result[In, Out], error] {
	return func(yield func(Result[In, Out], error) bool) {
		for batch := range pages(jobs) {
			if !j.results(batch, yield) {
				return
			}
		}
	}
}

func (j *Journal[In, Out]) results(batch []In, yield func(Result[In, Out], error) bool) (more bool) {
	keys, found, err := j.find(batch)
	if err != nil {
		yield(Result[In, Out]{}, err)
		return false
	}
	for i, key := range keys {
		r, ok := found[key]
		if !ok {
			continue
		}
		if res, err := j.known(batch[i], &r); !yield(res, err) || err != nil {
			return false
		}
	}
	return true
}

// Left returns how many of jobs are still to be done by Each: those of which the journal holds nothing, and those that
// Retry is to have done again. It is for Config.TotalJobs, which counts what goes through the throttle:
//
//	cfg.TotalJobs, err = journal.Left(slices.Values(rows))
//
// Several jobs with one key count as several, though one is done.
func (j *Journal[In, Out]) Left(jobs iter.Seq[In]) (n int, err error) {
	for batch := range pages(jobs) {
		keys, found, err := j.find(batch)
		if err != nil {
			return 0, err
		}
		for _, key := range keys {
			if r, ok := found[key]; !ok || r.again {
				n++
			}
		}
	}
	return n, nil
}

// pages returns jobs, as many at once as are looked up together. A page is good until the next one.
func pages[In any](jobs iter.Seq[In]) iter.Seq[[]In] {
	return func(yield func([]In) bool) {
		var batch []In
		for in := range jobs {
			if batch = append(batch, in); len(batch) == page {
				if !yield(batch) {
					return
				}
				batch = batch[:0]
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// find returns the keys of jobs, and what the journal holds of them.
func (j *Journal[In, Out]) find(batch []In) (keys []string, found map[string]row, err error) {
	keys = make([]string, len(batch))
	for i, in := range batch {
		if keys[i], err = j.keyOf(in); err != nil {
			return nil, nil, err
		}
	}
	err = j.owner.read(func(s *store) (err error) {
		found, err = s.find(keys)
		return err
	})
	return keys, found, j.wrap(err)
}

// known returns the result of a job that is in the journal.
func (j *Journal[In, Out]) known(in In, r *row) (Result[In, Out], error) {
	res := Result[In, Out]{Known: true, Stored: true}
	e, err := entry[Out](r)
	res.In, res.Out, res.Err, res.Attempts = in, e.Out, e.Err, e.Attempts
	return res, j.wrap(err)
}
