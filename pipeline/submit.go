package pipeline

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/paceline-go/paceline/stage"
)

// Submit adds jobs to the run. It may be called in two places, and from any goroutine:
//
//   - in the loop over the results of Grow: the jobs are taken at once;
//   - in the work, with its context: they are taken when this attempt succeeds. What an attempt
//     has submitted that fails is forgotten, so the one that follows may submit the same again, and
//     no job is there twice. If the job fails for good, its result says so, and none of them is done.
//
// Submit never waits for room, so a run that is full everywhere goes on. If there is no room,
// or a job cannot be written, the error tells it: one *SubmitError for each job that was not taken,
// joined. The other jobs of the call were taken. Returned by work, it is Fatal.
//
// Jobs of which the Key was seen before are left out without an error. One attempt may submit no
// more than FrontierConfig.Memory jobs.
//
// Use the context of the work itself: with that of a call of another throttle, made by the
// work, the jobs are taken when that call succeeds. Work may not submit in a run through a journal,
// which does not do the jobs that it knows, nor in one of a Batch, where many jobs share an attempt:
// ErrSubmitInWork. The loop may.
func (f *Frontier[In]) Submit(ctx context.Context, jobs ...In) error {
	mustHave("Submit", ctx != nil, "context")
	if len(jobs) == 0 {
		return nil
	}
	select {
	case <-f.open:
	default:
		return failed(len(jobs), ErrFrontierOver)
	}
	var slot *stage.Slot
	switch where, _ := ctx.Value(workOf[In]{f}).(place); where {
	case inLoop:
	case inWork:
		slot = SlotFrom(ctx)
	case inWorkOnlyLoop:
		return failed(len(jobs), ErrSubmitInWork)
	}
	all := make([]submission[In], len(jobs))
	for i, job := range jobs {
		all[i] = submission[In]{job: job, print: f.growth.print(job)}
	}
	err := f.request(func() { f.growth.submit(f, slot, all) })
	if encode(all) && err == nil {
		err = f.request(func() { f.growth.submit(f, slot, all) })
	}
	if err != nil {
		return failed(len(jobs), err)
	}
	var errs []error
	for i := range all {
		if all[i].err != nil {
			errs = append(errs, &SubmitError{i, all[i].err})
		}
	}
	return Fatal(errors.Join(errs...))
}

// failed returns the error of a call of which no job was taken.
func failed(jobs int, err error) error {
	errs := make([]error, jobs)
	for i := range errs {
		errs[i] = &SubmitError{i, err}
	}
	return Fatal(errors.Join(errs...))
}

// workOf is the key of what a context of a run says of where it is.
type workOf[In any] struct{ *Frontier[In] }

// A place is where a job is submitted.
type place int

const (
	inLoop         place = iota
	inWork               // of a run in which it may submit
	inWorkOnlyLoop       // of a run in which only the loop may
)

// encode makes records of the jobs that need one, on the goroutine of their owner, whose code may
// be called for it. It reports whether there are any.
func encode[In any](all []submission[In]) (any bool) {
	for i := range all {
		s := &all[i]
		if !s.encode {
			continue
		}
		if s.record, s.err = json.Marshal(s.job); s.err == nil {
			any = true
		}
	}
	return any
}

// submit takes what it can of a call's jobs, in the owner. Those that need a record are left for a second time.
func (g *growth[In]) submit(f *Frontier[In], slot *stage.Slot, all []submission[In]) {
	if slot != nil && g.staged[slot] == nil {
		g.staged[slot] = new([]submission[In])
		if !slot.OnVerdict(func(v Verdict) {
			_ = f.tell(func() { g.commit(slot, v == Succeeded) })
		}) {
			delete(g.staged, slot)
			for i := range all {
				all[i].err = errAttemptOver
			}
			return
		}
	}
	for i := range all {
		s := &all[i]
		if slot == nil {
			s = &all[g.turn(i, len(all))]
		}
		g.submitOne(slot, s)
	}
}

func (g *growth[In]) submitOne(slot *stage.Slot, s *submission[In]) {
	if s.err != nil || s.placed && !s.encode {
		return
	}
	staged := -1
	if slot != nil {
		staged = len(*g.staged[slot])
	}
	s.placed, s.encode = true, false
	g.place(s, staged)
	switch {
	case s.err != nil, s.encode:
	case s.known:
		g.duplicates++
	case slot != nil:
		g.stage(slot, *s)
	default:
		g.admit(s)
	}
}

var errAttemptOver = errors.New("the attempt has ended")
