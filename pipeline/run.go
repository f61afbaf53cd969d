package pipeline

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/paceline-go/paceline/stage"
)

// A run is one call of Run: a goroutine between the caller's two channels and
// a door of the dispatcher. It takes jobs in as the dispatcher has room for
// them and hands results out as the reader takes them, so that
//
//   - jobs inside, or done but not in order yet, are at most window, and twice
//     the door's lead;
//   - while as many results as backlog says wait for the reader, no job is taken;
//   - if the reader may leave, the results channel has room for all that is inside.
//
// Everything in it belongs to that goroutine.
type run[In, Out any] struct {
	pipeline   *Pipeline[In, Out]
	ctx        context.Context
	jobs       <-chan In
	returnRest bool // when the intake is over, return what is still in jobs, instead of leaving it there
	mayLeave   bool // the reader, once the context is done
	lull       lull // of the reader
	starved    starved
	results    chan Result[In, Out]
	door       entrance
	chooser    chooser[In, Out] // of what each job goes through; nil: there is no choice

	ctxDone  <-chan struct{} // nil once it is known
	closing  <-chan struct{} // nil once it is known
	forget   func() bool     // the signal that closes the throttle; nil: a chain does that
	over     error           // why no more jobs are let in; nil: they are
	taken    int             // jobs, ever
	held     int             // jobs that were taken and not handed out
	batch    stage.Batch     // jobs that are about to be submitted
	batched  int
	asking   *job[In, Out] // whose key, cost or weight is being asked for
	done     outbox[In, Out]
	resource string          // of the jobs
	spare    []*job[In, Out] // to be used again
}

// A job is a piece of work with its input and its output.
type job[In, Out any] struct {
	stage.Job
	work     Work[In, Out]
	in       In
	out      Out
	sequence int   // among the jobs of the run
	line     *line // that it stands in; nil: there is one throttle for all
	wish     *wish // of a member of a pool; nil: there is none
}

func (j *job[In, Out]) Attempt(ctx context.Context) (err error) {
	var none Out
	j.out = none // in case of a panic
	j.out, err = j.work(ctx, j.in)
	return err
}

// newRun returns a run whose results channel has room for so many; if it is 0, the reader is
// sure to read on, and a channel that is full stops the intake.
func newRun[In, Out any](ctx context.Context, p *Pipeline[In, Out], jobs <-chan In, room int) *run[In, Out] {
	r := &run[In, Out]{
		pipeline: p,
		ctx:      ctx,
		jobs:     jobs,
		mayLeave: room > 0,
		door:     p.way.enter(ctx, p.share),
		resource: stage.AskedOf(ctx).Resource,
		ctxDone:  ctx.Done(),
		closing:  p.way.Done(),
	}
	r.chooser, _ = r.door.(chooser[In, Out])
	if door, ok := r.door.(*stage.Door); ok {
		if p.ordered {
			door.KeepOrder()
		} else {
			door.BePatient()
		}
	}
	if room == 0 {
		room = r.window()/2 + 8
	}
	r.starved.told = !r.mayLeave || stage.Endless(ctx) // jobs are not from a channel of the user's
	r.results = make(chan Result[In, Out], room)
	if p.ordered {
		r.done.enlarge(r.window() + 2*stage.MaxLead)
	}
	if p.way.nested(ctx) {
		r.returnRest = true
		r.stop(stage.ErrNested)
	}
	return r
}

// window is how many jobs the run may hold, beside those of the door's lead. It
// changes with the throttle's configuration.
func (r *run[In, Out]) window() int { return r.pipeline.way.window() }

// backlog is how many results may wait for the reader before the intake stops.
func (r *run[In, Out]) backlog() int {
	return max(r.window()/2+8, leastBacklog) + 2*r.door.Lead()
}

// room returns how many jobs a run of p holds at most, results that are not read included.
func (p *Pipeline[In, Out]) room() int {
	window := p.way.window()
	return max(window+window/2+leastBacklog+4*stage.MaxLead, leastRoom)
}

// loop moves jobs until the run is finished. When there is nothing to move it
// first lets others run, who may bring something, since going to sleep and being
// woken is what costs most of it.
func (r *run[In, Out]) loop() {
	defer r.leave()
	idle := 0
	for !r.finished() {
		r.watchEnd()
		moved := r.collect()
		moved = r.handOut() || moved
		moved = r.takeIn() || moved
		switch {
		case moved:
			idle = 0
		case r.finished():
		case idle < 1 || idle < manyYields && r.lagging():
			idle++
			runtime.Gosched()
		default:
			idle = 0
			r.wait()
		}
	}
}

// leave ends the run, unless a function of the user's that was asked of a job has ended the goroutine:
// then another one goes on.
func (r *run[In, Out]) leave() {
	if j := r.asking; j != nil {
		r.asking = nil
		j.Err = stage.ErrGoexit
		r.add(j)
		r.submit() // before the lines of those that were taken with it are given up
		go r.loop()
		return
	}
	r.starved.stop()
	r.door.Leave()
	if r.forget != nil {
		r.forget()
	}
	close(r.results)
}

// finished reports whether no more jobs come and all are handed out.
func (r *run[In, Out]) finished() bool { return r.jobs == nil && r.held == 0 }

// watchEnd ends the intake if the context is done or the throttle closed.
func (r *run[In, Out]) watchEnd() {
	select {
	case <-r.ctxDone:
		r.cancel()
	case <-r.closing:
		r.close()
	default:
	}
}

func (r *run[In, Out]) cancel() {
	r.ctxDone = nil
	r.stop(context.Cause(r.ctx))
	r.door.Cancel()
}

// close ends the intake because nothing new is taken any more. If that is by a signal, what stands in
// a line and has not been started comes back.
func (r *run[In, Out]) close() {
	r.closing = nil
	r.stop(ErrClosed)
	if l, ok := r.door.(withdrawer); ok && Interrupted(r.ctx) != nil {
		l.withdraw(ErrClosed)
	}
}

// stop lets no more jobs in.
func (r *run[In, Out]) stop(why error) {
	if r.over != nil {
		return
	}
	r.over = why
	r.door.Stop()
	if !r.returnRest {
		r.jobs = nil
	}
}

// errNoMoreJobs is why a run is over whose jobs channel is closed.
var errNoMoreJobs = errors.New("paceline: no more jobs")

// collect takes back the jobs that are done with.
func (r *run[In, Out]) collect() bool {
	finished := r.door.Finished()
	moved := false
	for j := finished.Pop(); j != nil; j = finished.Pop() {
		r.done.put(j.Work.(*job[In, Out]))
		moved = true
	}
	return moved
}

// handOut gives the reader results for as long as that does not block.
func (r *run[In, Out]) handOut() bool {
	moved := false
	for j := r.done.next(); j != nil; j = r.done.next() {
		select {
		case r.results <- j.result():
			r.handedOut()
			moved = true
		default:
			return moved
		}
	}
	return moved
}

func (j *job[In, Out]) result() Result[In, Out] {
	return Result[In, Out]{
		In: j.in, Out: j.out, Err: j.Err, Key: j.line.key(),
		Attempts: j.Attempts, Refusals: j.Refusals, Waited: j.Waited, Took: j.Took,
	}
}

// handedOut puts the job whose result was handed out aside for the next one.
func (r *run[In, Out]) handedOut() {
	j := r.done.pop()
	var noIn In
	var noOut Out
	j.in, j.out = noIn, noOut
	if j.line != nil {
		j.line = nil
		j.Detach()
	}
	r.spare = append(r.spare, j)
	r.held--
}

// takeIn takes jobs for as long as there is room and that does not block.
func (r *run[In, Out]) takeIn() bool {
	taken := r.taken
	for room := r.room(); room > 0 && r.jobs != nil; room-- {
		select {
		case in, ok := <-r.jobs:
			r.take(in, ok)
			continue
		default:
		}
		break
	}
	r.submit()
	return r.taken > taken
}

// room returns how many jobs may be taken now.
func (r *run[In, Out]) room() int {
	if r.jobs == nil || r.done.next() != nil || r.lagging() {
		return 0
	}
	room := r.space()
	if r.mayLeave {
		room = min(room, r.unclaimed())
	}
	if r.over == nil {
		room = min(room, r.door.Room())
	}
	return room
}

// unclaimed returns how many more jobs the results channel has room for.
func (r *run[In, Out]) unclaimed() int { return cap(r.results) - len(r.results) - r.held }

// lagging reports whether the reader has to read before more jobs are taken. If he may
// leave, nothing tells when he does.
func (r *run[In, Out]) lagging() bool {
	return r.mayLeave && r.jobs != nil && (len(r.results) >= r.backlog() || r.unclaimed() <= 0)
}

// space returns how many more jobs the run may hold.
func (r *run[In, Out]) space() int {
	window := r.window() + r.door.Aside()
	if r.pipeline.ordered {
		r.done.enlarge(window + 2*stage.MaxLead)
	}
	return window + 2*r.door.Lead() - r.held
}

// take takes what was received from jobs.
func (r *run[In, Out]) take(in In, ok bool) {
	if !ok {
		r.jobs = nil
		r.submit()
		r.stop(errNoMoreJobs)
		return
	}
	j := r.newJob(in)
	if r.over != nil {
		j.Err = r.over
		r.done.put(j)
		return
	}
	if r.pipeline.cost != nil || r.pipeline.costs != nil || r.pipeline.weight != nil || r.chooser != nil {
		r.asking = j
		j.Err = r.ask(j)
		r.asking = nil
	}
	r.add(j)
}

// add puts a job among those that are about to be submitted.
func (r *run[In, Out]) add(j *job[In, Out]) {
	r.batch.Add(&j.Job)
	r.batched++
}

func (r *run[In, Out]) newJob(in In) *job[In, Out] {
	var j *job[In, Out]
	if last := len(r.spare) - 1; last >= 0 {
		j, r.spare = r.spare[last], r.spare[:last]
		j.Reset()
	} else {
		j = &job[In, Out]{work: r.pipeline.work}
		j.Work, j.Ask = j, stage.Ordinary
		j.Resource = r.resource
		if parts := r.pipeline.parts; parts != nil {
			j.Parts = func(err error) (completed, failed int64) { return parts(j.in, err) }
		}
	}
	j.in, j.sequence = in, r.taken
	r.taken++
	r.held++
	return j
}

// ask calls the user's functions; their panic is the job's error.
func (r *run[In, Out]) ask(j *job[In, Out]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = stage.NewPanicError(v)
		}
	}()
	if r.chooser != nil {
		if err := r.chooser.choose(j); err != nil {
			return err
		}
	}
	if cost := r.pipeline.cost; cost != nil {
		j.Cost = max(cost(j.in), -1) // any negative cost is the same mistake
	}
	if costs := r.pipeline.costs; costs != nil {
		j.Expect(costs(j.in))
	}
	if weight := r.pipeline.weight; weight != nil {
		j.Weight = weight(j.in)
	}
	return nil
}

// submit sends the jobs that were taken to the dispatcher.
func (r *run[In, Out]) submit() {
	if r.batched > 0 {
		r.door.Submit(r.batch, r.batched)
		r.batch, r.batched = stage.Batch{}, 0
	}
}

// wait sleeps until there is something to do.
func (r *run[In, Out]) wait() {
	jobs := r.jobs
	if r.room() <= 0 {
		jobs = nil
	}
	var results chan<- Result[In, Out]
	var result Result[In, Out]
	if j := r.done.next(); j != nil {
		results, result = r.results, j.result()
	}
	lagging := r.lagging()
	// Whatever else keeps the intake shut, a result or the reader will open it.
	hungry := jobs == nil && r.jobs != nil && results == nil && !lagging && r.space() > 0
	if !r.door.Sleep(hungry) {
		return
	}
	defer r.door.Awake()
	var look <-chan time.Time
	if lagging {
		timer := r.lull.timer()
		defer timer.Stop()
		look = timer.C
	}
	var starved <-chan time.Time
	if jobs != nil && r.held == 0 && r.taken > 0 {
		starved = r.starved.since(r.taken)
	}
	select {
	case <-starved:
		if r.starved.over(r.taken, len(r.results) == 0) {
			r.door.NotClosed()
		}
	case <-look:
		if r.lull.stuck(r.held + len(r.results)) {
			r.door.NotRead()
		}
		r.lull.looked(!r.lagging())
	case results <- result:
		r.handedOut()
	case in, ok := <-jobs:
		r.door.Awake()
		r.collect() // if it was woken as well: what is asked of the job now may block
		r.take(in, ok)
		r.submit()
	case <-r.door.Wake():
	case <-r.ctxDone:
		r.cancel()
	case <-r.closing:
		r.close()
	}
}
