package pacejournal

import (
	"fmt"
	"slices"
)

// An owner is the goroutine that the database belongs to. Requests that wait when it
// comes to them are one transaction: the slower the disk, the more of them.
type owner struct {
	store    *store
	requests chan request
	closing  chan struct{} // closed when no more requests are taken
	gone     chan struct{} // closed when the database is closed
	err      error         // of closing it; read after gone

	flights map[string]*flight // jobs that are being done, by key
}

// A request is something to do to the database.
type request struct {
	write bool // it changes something
	do    func(*store) error
	after func(error) // when it is committed, or has failed; must not block
}

// A flight is a job that is being done.
type flight struct {
	run  any           // that does it
	over chan struct{} // closed when it is stored, or let go of
}

func newOwner(s *store) *owner {
	return &owner{
		store:    s,
		requests: make(chan request),
		closing:  make(chan struct{}),
		gone:     make(chan struct{}),
		flights:  map[string]*flight{},
	}
}

func (o *owner) loop() {
	defer close(o.gone)
	for {
		select {
		case first := <-o.requests:
			o.commit(o.gather(first))
		case <-o.closing:
			o.err = o.store.close()
			return
		}
	}
}

// gather takes all requests that wait.
func (o *owner) gather(first request) []request {
	all := []request{first}
	for {
		select {
		case next := <-o.requests:
			all = append(all, next)
		default:
			return all
		}
	}
}

// commit makes requests one transaction, if one is needed: if one fails, all do.
func (o *owner) commit(all []request) {
	do := func() error {
		for _, r := range all {
			if err := r.do(o.store); err != nil {
				return err
			}
		}
		return nil
	}

	var err error
	if slices.ContainsFunc(all, func(r request) bool { return r.write }) {
		err = o.store.transact(do)
	} else {
		err = do()
	}
	for _, r := range all {
		r.after(err)
	}
}

// send hands over a request. After an error, none of its functions is called.
func (o *owner) send(r request) error {
	select {
	case o.requests <- r:
		return nil
	case <-o.closing:
		return ErrClosed
	}
}

// read and write hand over a request and wait until it is done.
func (o *owner) read(do func(*store) error) error  { return o.call(request{do: do}) }
func (o *owner) write(do func(*store) error) error { return o.call(request{do: do, write: true}) }

func (o *owner) call(r request) error {
	done := make(chan error, 1)
	r.after = func(err error) { done <- err }
	if err := o.send(r); err != nil {
		return err
	}
	return <-done
}

// An answer says what is to become of a job: it is known if row is not nil, another one
// with its key is being done if flight is not nil, or else it is to be done.
type answer struct {
	row    *row
	flight *flight
}

// ask looks jobs up. Those that are to be done count as being done, by run, from now on.
func (o *owner) ask(run any, keys []string) ([]answer, error) {
	answers := make([]answer, len(keys))
	var found map[string]row
	done := make(chan error, 1)
	err := o.send(request{
		do: func(s *store) (err error) {
			found, err = s.find(keys)
			return err
		},
		after: func(err error) {
			if err == nil {
				o.answer(run, keys, found, answers)
			}
			done <- err
		},
	})
	if err != nil {
		return nil, err
	}
	return answers, <-done
}

func (o *owner) answer(run any, keys []string, found map[string]row, answers []answer) {
	for i, key := range keys {
		if r, ok := found[key]; ok && !r.again {
			answers[i].row = &r
		} else if f := o.flights[key]; f != nil {
			answers[i].flight = f
		} else {
			o.flights[key] = &flight{run, make(chan struct{})}
		}
	}
}

// expect returns an error if one of the jobs is not being done.
func (o *owner) expect(keys []string) error {
	for _, key := range keys {
		if o.flights[key] == nil {
			return fmt.Errorf("key of a job: got %q after the work, want the same as before: work must not change it", key)
		}
	}
	return nil
}

// land notes that a job is not being done any more.
func (o *owner) land(key string) {
	if f := o.flights[key]; f != nil {
		close(f.over)
		delete(o.flights, key)
	}
}

// landAll notes that a run does nothing any more.
func (o *owner) landAll(run any) {
	for key, f := range o.flights {
		if f.run == run {
			o.land(key)
		}
	}
}

// close is called once.
func (o *owner) close() error {
	close(o.closing)
	<-o.gone
	return o.err
}
