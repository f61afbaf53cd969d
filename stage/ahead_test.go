package stage

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/controller"
)

// A pulse is the bubble's clock, and goes on by a nanosecond with each attempt:
// all of them are quick, however long it takes to hand them over.
type pulse struct {
	clock.Clock
	beats atomic.Int64
}

func (p *pulse) Now() time.Time                  { return p.Clock.Now().Add(time.Duration(p.beats.Load())) }
func (p *pulse) Since(t time.Time) time.Duration { return p.Now().Sub(t) }

func pulsing(p *pulse) func(*Config) { return func(cfg *Config) { cfg.Clock = p } }

// after returns a job whose attempt ended so, after a while.
func after(d time.Duration, v controller.Verdict) *Job {
	return &Job{door: new(Door), verdict: v, started: second, ended: second + d}
}

func TestOnlyQuickSuccessesInARowAreCounted(t *testing.T) {
	for _, test := range []struct {
		name string
		then *Job
		want int
	}{
		{"another one", after(1, succeeded), 4},
		{"as long as handing it over", after(quick, succeeded), 0},
		{"just below", after(quick-1, succeeded), 4},
		{"of which nobody knows", after(0, succeeded), 0},
		{"failed", after(1, failed), 0},
		{"refused", after(1, overload), 0},
		{"ignored", after(1, ignored), 0},
	} {
		d := &Dispatcher{now: opening}
		for range 3 {
			d.follow(after(2, succeeded))
		}
		d.follow(test.then)
		if d.streak != test.want {
			t.Errorf("%s: %d in a row, want %d", test.name, d.streak, test.want)
		}
	}
}

// How long an attempt takes at least is learned from successes only: a refusal
// may be as quick as it likes.
func TestQuickestIsASuccess(t *testing.T) {
	d, door := &Dispatcher{now: opening}, new(Door)
	for v, took := range map[controller.Verdict]time.Duration{succeeded: second, overload: 1, failed: 1, ignored: 1} {
		j := after(took, v)
		j.door = door
		d.follow(j)
	}
	if got := door.quickest.Least(opening); got != second {
		t.Errorf("at least %v, want 1s", got)
	}
}

func TestNothingIsHandedOverAheadUnlessAllIsWell(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		spoil  func(*Dispatcher)
		want   int
	}{
		{"all is well", func(*Config) {}, func(*Dispatcher) {}, batch},
		{"too few", func(*Config) {}, func(d *Dispatcher) { d.streak-- }, 0},
		{"paced", paced(1), func(*Dispatcher) {}, 0},
		{"a quota of the server", func(*Config) {}, func(d *Dispatcher) {
			d.hint(controller.Hint{Remaining: 1, Reset: minute}, marks{})
		}, 0},
		{"a rate", rated(1e9, 1e9), func(*Dispatcher) {}, 0},
		{"a call", func(*Config) {}, func(d *Dispatcher) { d.calls = 1 }, 0},
		{"workers of before an update", func(*Config) {}, func(d *Dispatcher) { d.enlarge(9) }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newStand(t, 4, test.change).Dispatcher
			d.streak = steady
			test.spoil(d)
			if d.lookAhead(); d.ahead != test.want || d.pool.eager.Load() != (test.want > 0) {
				t.Errorf("%d ahead, want %d", d.ahead, test.want)
			}
			if d.setAppetite(free); d.lead.Load() != int64(test.want) {
				t.Errorf("doors are told of %d", d.lead.Load())
			}
		})
	}
}

// A rehearsal is a door whose attempts have been quick for so long that others
// were handed over ahead. The one that runs waits for its cue.
type rehearsal struct {
	*stand
	*visitor
	cue   chan error
	beats *pulse
	jobs  []*Job
}

const (
	warm = steady + 2*batch // attempts that are quick
	cast = warm + 2*batch   // jobs
)

func rehearse(t *testing.T, ctx context.Context, changes ...func(*Config)) *rehearsal {
	p := &pulse{Clock: clock.Real()}
	r := &rehearsal{stand: newStand(t, 1, append(changes, pulsing(p))...), cue: make(chan error), beats: p}
	r.visitor = r.open(ctx)
	synctest.Wait()
	var works []WorkFunc
	started := 0
	for i := range cast {
		works = append(works, func(context.Context) error {
			r.note(fmt.Sprint(i))
			p.beats.Add(1)
			if started++; started > warm {
				return <-r.cue
			}
			return nil
		})
	}
	r.jobs = r.send(works...)
	synctest.Wait()
	if got := r.Dispatcher.pool.waiting(); got != batch || r.Lead() != MaxLead {
		t.Fatalf("%d attempts are handed over ahead, lead %d", got, r.Lead())
	}
	return r
}

// rest lets everything go on well, and checks that all jobs have come back.
func (r *rehearsal) rest(t *testing.T) {
	close(r.cue)
	r.visitor.leave(cast)
	if len(r.visitor.jobs) != cast {
		t.Errorf("%d jobs came back of %d", len(r.visitor.jobs), cast)
	}
}

// inOrder returns which jobs have started, checking that they did so in order.
func (r *rehearsal) inOrder(t *testing.T) int {
	t.Helper()
	names := r.names()
	for i, name := range names {
		if name != fmt.Sprint(i) {
			t.Fatalf("job %s started in the place of %d", name, i)
		}
	}
	return len(names)
}

// TestWhatIsHandedOverAheadIsTakenBack: what was let through when all was well
// does not start when it has ceased to be, gives back what it reserved, and goes
// back to where it was in the queue.
func TestWhatIsHandedOverAheadIsTakenBack(t *testing.T) {
	token := budgeted(
		controller.Budget{Tokens: 2 * cast, Window: time.Hour, Requests: true},
		controller.Budget{Name: "second", Tokens: 3 * cast, Window: time.Hour, Requests: true},
	)
	open := controller.Breaker{Failures: 1, OpenFor: minute}
	for _, test := range []struct {
		name    string
		change  func(*Config)
		happens func(*rehearsal)
		used    int64 // beside what has started
		more    int   // that start before anybody could know
	}{
		{"the circuit opens", breakingBy(open), func(r *rehearsal) { r.cue <- errService }, 0, 0},
		{"something was recorded", breakingBy(open), func(r *rehearsal) { r.Record(errService, 0, 0); r.cue <- nil }, 1, 0},
		{"the server asks for a pause", func(*Config) {}, func(r *rehearsal) {
			r.Hint(controller.Hint{RetryAfter: minute}, marks{})
			r.cue <- nil
		}, 0, 0},
		{"the server tells what is left of a budget", func(*Config) {}, func(r *rehearsal) {
			r.Hint(controller.Hint{Budget: "second", Remaining: 0, Reset: minute}, marks{}) // it knows nothing of what waits here
			r.cue <- nil
		}, 0, 0},
		{"another configuration", func(*Config) {}, func(r *rehearsal) {
			cfg := r.cfg
			cfg.Controller.Bounds.MinInterval = minute
			r.Update(cfg, func() {})
			r.cue <- nil
		}, 0, 0},
		{"the policy wants an interval", func(cfg *Config) { cfg.Controller.Policy = &whim{} }, func(r *rehearsal) {
			r.cfg.Controller.Policy.(*whim).interval.Store(int64(minute))
			r.cue <- nil
			synctest.Wait()
			r.Snapshot() // which is when the policy is told, of successes
			synctest.Wait()
			r.cue <- nil
		}, 0, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rehearse(t, t.Context(), token, test.change)
				if used := r.Snapshot().Budgets[1].Used; used != warm+1+batch {
					t.Errorf("%d reserved or used, want all that was handed over", used)
				}
				if snap := r.Snapshot(); snap.InFlight != 1 || snap.Waiting != cast-warm-1 {
					t.Errorf("%d in flight, %d wait", snap.InFlight, snap.Waiting)
				}
				test.happens(r)
				synctest.Wait()
				want := warm + 1 + test.more
				if got := r.inOrder(t); got != want {
					t.Errorf("%d attempts started, want %d", got, want)
				}
				if used := r.Snapshot().Budgets[1].Used - test.used; used != int64(want) {
					t.Errorf("%d reserved or used, want %d", used, want)
				}
				time.Sleep(minute - second)
				r.started()
				time.Sleep(second)
				if got := r.names(); !slices.Equal(got, []string{fmt.Sprint(want)}) {
					t.Errorf("then %v started, want %d", got, want)
				}
				r.rest(t)
			})
		})
	}
}

// A whim is a policy that changes its mind about the interval.
type whim struct {
	limit    int
	interval atomic.Int64
}

func (w *whim) Start(b controller.Bounds) (controller.Law, controller.Setting) {
	w.limit = b.InitialLimit
	return w, controller.Setting{Limit: w.limit}
}

func (w *whim) Next(time.Time, controller.Outcome) controller.Setting {
	return controller.Setting{Limit: w.limit, Interval: time.Duration(w.interval.Load())}
}

// Who comes after takes turns with those that wait, not with all that they have
// handed over ahead.
func TestNewcomersDoNotWaitForWhatWasHandedOverAhead(t *testing.T) {
	for name, come := range map[string]func(*rehearsal) (leave func()){
		"door": func(r *rehearsal) func() {
			v := r.open(r.stand.t.Context())
			v.send(r.work("new", 0))
			return func() { v.leave(1) }
		},
		"call": func(r *rehearsal) func() {
			done := make(chan error)
			go func() { done <- r.Do(r.stand.t.Context(), r.work("new", 0)) }()
			return func() { <-done }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rehearse(t, t.Context())
				r.names()
				leave := come(r)
				synctest.Wait()
				r.cue <- nil
				synctest.Wait()
				select { // the door's turn, or the newcomer's
				case r.cue <- nil:
				default:
				}
				if got := r.names(); !slices.Contains(got, "new") {
					t.Errorf("%v started before the newcomer", got)
				}
				close(r.cue)
				leave()
				r.visitor.leave(cast)
			})
		})
	}
}

func TestWhatIsTakenBackOfACancelledDoorComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		r := rehearse(t, ctx, breakingBy(controller.Breaker{Failures: 1, OpenFor: time.Hour}))
		cancel(errCancel)
		r.Cancel()
		synctest.Wait()
		r.cue <- errService
		r.rest(t)
		if r.since() >= second {
			t.Errorf("came back after %v", r.since())
		}
		for i, j := range r.jobs {
			if want := (i <= warm); (j.Attempts == 1) != want || i > warm && j.Err != errCancel {
				t.Fatalf("job %d: %d attempts, %v", i, j.Attempts, j.Err)
			}
		}
	})
}

// A retry that is taken back is tried again when all is well again.
func TestRetryThatIsTakenBackIsMadeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rehearse(t, t.Context(), retryingBy(controller.Retry{BaseDelay: minute, Park: true}),
			breakingBy(controller.Breaker{Failures: 1, OpenFor: 10 * minute}))
		r.cue <- Transient(Fatal(errService))
		synctest.Wait()
		s := r.Snapshot()
		if s.Circuit != controller.BreakerOpen || s.Retries != 0 {
			t.Errorf("%+v", s)
		}
		r.rest(t)
		failed := r.jobs[warm]
		if failed.Err != nil || failed.Attempts != 2 || r.Snapshot().Retries != 1 {
			t.Errorf("%d attempts, %v, %d retries", failed.Attempts, failed.Err, r.Snapshot().Retries)
		}
	})
}

// The method takeBack by itself: each attempt goes back to where it came from.
func TestTakeBackReturnsAttemptsToWhereTheyCameFrom(t *testing.T) {
	s := newStand(t, 4)
	d := s.Dispatcher
	d.awake.Store(true) // no goroutine: the test is the dispatcher
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	open, over := &Door{dispatcher: d, ctx: t.Context()}, &Door{dispatcher: d, ctx: ctx, canceled: true}
	d.doors = []*Door{open, over}
	fresh, next, retry, gone := &Job{door: open}, &Job{door: open}, &Job{door: open, again: true}, &Job{door: over}
	waiting := &Job{door: open}
	open.queue.push(waiting)
	for _, j := range []*Job{fresh, retry, gone, next} {
		d.running++
		d.jobs++
		j.door.admitted++
		d.gate.pass(d.now, j, 0)
		d.pool.put(j)
	}
	d.pool.tail.Store(d.pool.filled) // published, with no worker there
	d.takeBack()
	var queued []*Job
	for j := open.queue.first; j != nil; j = j.next {
		queued = append(queued, j)
	}
	if !slices.Equal(queued, []*Job{fresh, next, waiting}) {
		t.Errorf("%d jobs in the queue, or in another order", len(queued))
	}
	if d.retries.parked.head() != retry || d.retries.parked.Len() != 1 {
		t.Error("the retry is not among the retries")
	}
	if over.back.newest != gone || !errors.Is(gone.Err, context.Canceled) {
		t.Errorf("the cancelled one is not on its way back: %v", gone.Err)
	}
	if d.running != 0 || open.admitted != 1 || over.admitted != 1 || d.jobs != 3 {
		t.Errorf("%d running, %d and %d admitted, %d jobs", d.running, open.admitted, over.admitted, d.jobs)
	}
}

// An attempt that is taken back gives its turn back, too: the interval is that from
// the attempt before, and not from a start that never was.
func TestWhatIsTakenBackKeepsItsTurn(t *testing.T) {
	const ms = time.Millisecond
	var first *Job
	for _, test := range []struct {
		name    string
		happens func(*Dispatcher)
		want    []time.Duration // when the two start
	}{
		{"slower", func(d *Dispatcher) { d.set(controller.Setting{Limit: 4, Interval: 800 * ms}) }, []time.Duration{1700 * ms, 2500 * ms}},
		{"a lower limit", func(d *Dispatcher) { d.set(controller.Setting{Limit: 3, Interval: 100 * ms}) }, []time.Duration{second, 1100 * ms}},
		{"a lower limit, and faster", func(d *Dispatcher) { d.set(controller.Setting{Limit: 3, Interval: 50 * ms}) }, []time.Duration{second, 1050 * ms}},
		{"a quota that is used up", func(d *Dispatcher) {
			d.hint(controller.Hint{Remaining: 0, Reset: 700 * ms}, marks{})
		}, []time.Duration{1700 * ms, 1800 * ms}},
		{"a quota that it knows is used up", func(d *Dispatcher) {
			d.hint(controller.Hint{Remaining: 0, Reset: 700 * ms}, first.mark)
		}, []time.Duration{1700 * ms, 1800 * ms}},
		{"a pause", func(d *Dispatcher) { d.hint(controller.Hint{RetryAfter: second}, marks{}) }, []time.Duration{2 * second, 2100 * ms}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStand(t, 4)
			d := s.Dispatcher
			d.awake.Store(true) // no goroutine: the test is the dispatcher
			door := &Door{dispatcher: d, ctx: t.Context()}
			d.doors = []*Door{door}
			begin := d.now
			d.setting.Interval = 100 * ms
			d.pace()
			enter := func() *Job {
				j := &Job{door: door, Ask: Ordinary}
				d.jobs++
				door.queue.push(j)
				return j
			}
			starts := func() time.Duration { // when the next one does
				for d.dispatch(); d.pool.waiting() == 0; d.dispatch() {
					d.now = d.now.Add(max(d.gate.pacer.Wait(d.now), d.gate.pause(d.now)))
				}
				return d.now.Sub(begin)
			}
			takes := func() { // a worker does
				if j, more := d.pool.pop(); j == nil || more {
					t.Fatal("not one attempt in the pool")
				}
			}
			first = enter()
			next := enter()
			d.now = begin.Add(900 * ms)
			starts()
			takes()
			if at := starts(); at != second {
				t.Fatalf("let through at %v", at)
			}
			test.happens(d)
			if d.pool.waiting() > 0 || door.queue.first != next {
				t.Fatal("it was not taken back")
			}
			enter()
			for i, want := range test.want {
				if at := starts(); at != want {
					t.Errorf("attempt %d starts at %v, want %v", i, at, want)
				}
				takes()
			}
		})
	}
}

// What the longer interval would not have held up stays where it is.
func TestWhatALongerIntervalAllowsTooIsNotTakenBack(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name   string
		growth []time.Duration // of the interval, by and by
		kept   bool
	}{
		{"by as much as was left", []time.Duration{400 * ms}, true},
		{"by more", []time.Duration{401 * ms}, false},
		{"by as much in two steps", []time.Duration{200 * ms, 200 * ms}, true},
		{"by more in two steps", []time.Duration{200 * ms, 201 * ms}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStand(t, 4, paced(100*ms))
			d := s.Dispatcher
			d.awake.Store(true) // no goroutine: the test is the dispatcher
			door := &Door{dispatcher: d, ctx: t.Context()}
			d.doors = []*Door{door}
			let := func() {
				door.queue.push(&Job{door: door, Ask: Ordinary})
				d.dispatch()
			}
			let()
			d.pool.pop()
			d.now = d.now.Add(500 * ms) // the next one has been due for 400 ms
			let()
			for _, by := range test.growth {
				d.set(controller.Setting{Limit: 4, Interval: d.interval + by})
			}
			if kept := d.pool.waiting() == 1; kept != test.kept {
				t.Errorf("kept %v, want %v", kept, test.kept)
			}
		})
	}
}

// It was held back by the interval, and is not less so for being taken back.
func TestWhatIsTakenBackWasHeldBackByTheInterval(t *testing.T) {
	s := newStand(t, 4, paced(second))
	d := s.Dispatcher
	d.awake.Store(true) // no goroutine: the test is the dispatcher
	door := &Door{dispatcher: d, ctx: t.Context()}
	d.doors = []*Door{door}
	var jobs []*Job
	for range 2 {
		jobs = append(jobs, &Job{door: door, Ask: Ordinary})
		door.queue.push(jobs[len(jobs)-1])
	}
	d.dispatch()
	d.pool.pop()
	d.now = d.now.Add(second)
	d.dispatch()
	d.set(controller.Setting{Limit: 3, Interval: second})
	if d.pool.waiting() > 0 {
		t.Fatal("it was not taken back")
	}
	d.dispatch()
	if jobs[0].paced || !jobs[1].paced || d.pool.waiting() != 1 {
		t.Errorf("held back: %v and %v, want the second; %d let through", jobs[0].paced, jobs[1].paced, d.pool.waiting())
	}
}
