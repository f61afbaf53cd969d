package pacejournal

import (
	"github.com/paceline-go/paceline/pipeline"
)

// A twin is a job that waits for another one with the same key.
type twin[In any] struct {
	in     In
	flight *flight
}

// intake looks up the jobs that come, as many as there are at a time, and sends those to
// the pipeline that are to be done.
func (r *run[In, Out]) intake(feed <-chan In) {
	defer r.takeBack()
	var twins []twin[In]
	over := r.over // nil once it is known
	for feed != nil || len(twins) > 0 {
		var batch []In
		batch, feed = r.receive(feed, twins, over)
		if over != nil && isClosed(over) {
			over = nil
			r.giveBack(r.left(), r.why()) // now, since the iterator may wait for all that it has given
		}
		if r.stopped() {
			for _, t := range twins {
				batch = append(batch, t.in)
			}
			twins = nil
			r.giveBack(batch, r.why())
			continue
		}
		batch, twins = landed(batch, twins)
		twins = r.sort(batch, twins)
	}
}

// receive waits for a job, or until a twin's flight or the run may be over, and returns the jobs that
// are there. When no more come, feed is nil from then on.
func (r *run[In, Out]) receive(feed <-chan In, twins []twin[In], over <-chan struct{}) ([]In, <-chan In) {
	var landed, landedElsewhere, canceled <-chan struct{}
	if len(twins) > 0 {
		landed, landedElsewhere, canceled = r.landed, twins[0].flight.over, r.ctx.Done()
	}
	in := feed
	if len(twins) >= mostAsked {
		in = nil
	}
	var batch []In
	select {
	case job, ok := <-in:
		if !ok {
			return nil, nil
		}
		batch = append(batch, job)
	case <-landed:
		return nil, feed
	case <-landedElsewhere: // in another run
		return nil, feed
	case <-canceled:
		return nil, feed
	case <-over:
		return nil, feed
	}
	for len(batch) < mostAsked {
		select {
		case job, ok := <-feed:
			if !ok {
				return batch, nil
			}
			batch = append(batch, job)
		default:
			return batch, feed
		}
	}
	return batch, feed
}

// landed moves to batch those twins whose flights are over.
func landed[In any](batch []In, twins []twin[In]) ([]In, []twin[In]) {
	waiting := twins[:0]
	for _, t := range twins {
		select {
		case <-t.flight.over:
			batch = append(batch, t.in)
		default:
			waiting = append(waiting, t)
		}
	}
	return batch, waiting
}

// sort hands out what is known of a batch, sends to the pipeline what is to be done, and
// appends to twins what has to wait.
func (r *run[In, Out]) sort(batch []In, twins []twin[In]) []twin[In] {
	ins, keys, done := r.keys(batch)
	answers, err := r.journal.owner.ask(r, keys)
	if err != nil {
		err = r.journal.wrap(err)
		r.cancel(err)
		r.handOutIf(done)
		r.giveBack(ins, err)
		return twins
	}
	var todo []In
	for i, a := range answers {
		switch {
		case a.row != nil:
			res, err := r.journal.known(ins[i], a.row)
			if err != nil {
				res.Err = err
			}
			done = append(done, res)
		case a.flight != nil:
			twins = append(twins, twin[In]{ins[i], a.flight})
		default:
			todo = append(todo, ins[i])
		}
	}
	r.handOutIf(done)
	r.do(todo)
	return twins
}

// keys returns the keys of jobs, and the results of those that have none.
func (r *run[In, Out]) keys(batch []In) (ins []In, keys []string, faulty []Result[In, Out]) {
	ins, keys = batch[:0], make([]string, 0, len(batch))
	for _, in := range batch {
		key, err := r.journal.keyOf(in)
		if err != nil {
			faulty = append(faulty, Result[In, Out]{Result: pipeline.Result[In, Out]{In: in, Err: err}})
			continue
		}
		ins, keys = append(ins, in), append(keys, key)
	}
	return ins, keys, faulty
}

// do sends jobs to the pipeline. Those that it does not take come back.
func (r *run[In, Out]) do(todo []In) {
	for i, in := range todo {
		select {
		case r.todo <- in:
		case <-r.over:
			r.giveBack(todo[i:], r.why())
			return
		}
	}
}

// takeBack gives back what the pipeline has left.
func (r *run[In, Out]) takeBack() {
	close(r.todo)
	<-r.over // until then it may take some
	r.giveBack(r.left(), r.why())
}

// left returns the jobs that the pipeline was to take and takes no more.
func (r *run[In, Out]) left() (all []In) {
	for {
		select {
		case in, ok := <-r.todo:
			if !ok {
				return all
			}
			all = append(all, in)
		default:
			return all
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// giveBack hands out jobs that were not begun.
func (r *run[In, Out]) giveBack(jobs []In, why error) {
	var batch []Result[In, Out]
	for _, in := range jobs {
		batch = append(batch, Result[In, Out]{Result: pipeline.Result[In, Out]{In: in, Err: why}})
	}
	r.handOutIf(batch)
}

func (r *run[In, Out]) handOutIf(batch []Result[In, Out]) {
	if len(batch) > 0 {
		r.out <- batch
	}
}
