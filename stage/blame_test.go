package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// tooLarge is a refusal that is the job's own, though the service does not say so.
var tooLarge = Overloaded(errors.New("request too large"), 2*second)

// A job that is refused each time while others that started later are accepted uses up
// its attempts; and from when on that is likely, the others do not suffer for it:
// it is told as its own, no pause is kept, and the breaker does not count it.
func TestJobThatIsRefusedForEverUsesUpItsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &listener{limit: 2}
		s := newStand(t, 2, policy(l), retryingBy(controller.Retry{BaseDelay: minute, MaxDelay: minute, Park: true}))
		v := s.open(t.Context())
		v.send(func(context.Context) error { return tooLarge })
		for i := range 1000 {
			v.send(s.work(fmt.Sprint(i), second))
		}
		v.leave(1001)
		lost := 0
		for _, j := range v.jobs {
			if j.Err == nil {
				continue
			}
			if lost++; !exhausted(j.Err) || !errors.Is(j.Err, tooLarge) || j.Attempts != 7 {
				t.Errorf("%d attempts, %v", j.Attempts, j.Err)
			}
		}
		var own []bool
		for _, o := range l.told {
			if o.Verdict == overload {
				own = append(own, o.Own)
			} else if o.Own {
				t.Error("a success is the job's own")
			}
		}
		if got, want := fmt.Sprint(own), "[false false true true true true true]"; lost != 1 || got != want {
			t.Errorf("%d jobs lost, told as own: %s, want %s", lost, got, want)
		}
		pauses := 0
		for _, e := range s.told {
			if pausedAt(e) {
				pauses++
			}
		}
		if pauses != 2 {
			t.Errorf("%d pauses for all, want those of its first two refusals", pauses)
		}
	})
}

func pausedAt(told string) bool {
	var at, kind string
	fmt.Sscan(told, &at, &kind)
	return kind == "paused"
}

// thirsty is work that is refused while others run, as where tokens are counted and small jobs use up
// what flows in.
func (s *stand) thirsty(name string) WorkFunc {
	return func(ctx context.Context) error {
		alone := false
		s.do(func() { alone = s.running == 1 })
		if !alone {
			return Overloaded(io.EOF, 0)
		}
		return s.work(name, 0)(ctx)
	}
}

func TestAJobForWhichTheOthersLeaveTooLittleIsDoneAfterThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := newStand(t, 2, retryingBy(controller.Retry{MaxDelay: 2 * second, Park: true})) // no slot is held, and no backoff is long
		v := s.open(t.Context())
		v.BePatient()
		v.send(s.thirsty("large"))
		for range 300 {
			v.send(s.work("small", second))
		}
		v.leave(301)
		for _, j := range v.jobs {
			if j.Err != nil {
				t.Errorf("%d attempts: %v", j.Attempts, j.Err)
			}
		}
		if passed := time.Since(begin); passed > 170*second {
			t.Errorf("all done after %v, want little more than the 150s of the small ones", passed)
		}
	})
}

// A run that never ends leaves nothing else to do, so such a job is tried after a minute, two, and four.
func TestAJobThatIsSetAsideIsTriedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 20, retryingBy(controller.Retry{}))
		v := s.open(t.Context())
		v.BePatient()
		v.send(func(context.Context) error { return Overloaded(io.EOF, 0) })
		for range 20 * 12 * 60 {
			v.send(s.work("small", second))
		}
		v.leave(20*12*60 + 1)
		lost := 0
		for _, j := range v.jobs {
			if j.Err == nil {
				continue
			}
			if lost++; !exhausted(j.Err) || j.Took < 7*minute || j.Took > 9*minute {
				t.Errorf("%d attempts in %v: %v", j.Attempts, j.Took, j.Err)
			}
		}
		if lost != 1 {
			t.Errorf("%d jobs lost, want the one", lost)
		}
		if got, want := s.toldOfAside(), "set_aside 1m0s, taken_up, set_aside 2m0s, taken_up, set_aside 4m0s, taken_up, given_up"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

// toldOfAside returns the events of jobs that are set aside, with how long they wait.
func (s *stand) toldOfAside() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, e := range s.told {
		switch told := strings.Fields(e); told[1] {
		case "set_aside":
			all = append(all, told[1]+" "+strings.TrimPrefix(told[2], "wait="))
		case "taken_up", "given_up":
			all = append(all, told[1])
		}
	}
	return strings.Join(all, ", ")
}

// As many as may be in flight.
func TestFewJobsAreSetAside(t *testing.T) {
	for full, want := range map[int]bool{3: true, 4: false} {
		s := newStand(t, 4, retryingBy(controller.Retry{}))
		s.do(func() {
			s.retries.aside = make(retryHeap, full)
			door := doorOf(false)
			door.patient = true
			if got := s.maySetAside(&Job{door: door}); got != want {
				t.Errorf("with %d set aside: another one %v, want %v", full, got, want)
			}
			s.retries.aside = nil
		})
	}
}

func TestJobsThatAreSetAsideComeBackWhenTheirRunIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 20, retryingBy(controller.Retry{}))
		ctx, cancel := context.WithCancel(t.Context())
		v := s.open(ctx)
		v.BePatient()
		v.send(func(context.Context) error { return Overloaded(io.EOF, 0) })
		for range 20 * 300 {
			v.send(s.work("small", second))
		}
		aside := 0
		for waited := 0; aside == 0 && waited < 250; waited++ {
			time.Sleep(second)
			s.do(func() { aside = len(s.retries.aside) })
		}
		if told := s.Snapshot().SetAside; aside != 1 || told != 1 {
			t.Errorf("%d jobs are set aside, %d in the snapshot, want one", aside, told)
		}
		cancel()
		v.leave(20*300 + 1)
	})
}

// Somebody waits for a single call, and for each job of a run whose results are in order.
func TestWhatSomebodyWaitsForIsNotSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 20, retryingBy(controller.Retry{}))
		v := s.open(t.Context())
		begin := time.Now()
		v.send(func(context.Context) error { return Overloaded(io.EOF, 0) })
		for range 20 * 60 {
			v.send(s.work("small", second))
		}
		v.leave(20*60 + 1)
		for _, j := range v.jobs {
			if j.Err != nil && j.Took > 50*second {
				t.Errorf("refused for %v, want it given up beside the others: %v", j.Took, j.Err)
			}
		}
		if passed := time.Since(begin); passed > 70*second {
			t.Errorf("all done after %v", passed)
		}
	})
}

// Without the retries that the budget allows, it ends at once.
func TestRefusalThatUsesUpAnAttemptSpendsOfTheRetryBudget(t *testing.T) {
	for budget, want := range map[float64]int{0: 9, 1e-9: 5} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1, retryingBy(controller.Retry{MaxAttempts: 5, Budget: budget}))
			for s.attempts.allowance.Spend() {
			}
			j := &Job{door: doorOf(false)}
			s.do(func() {
				for j.again = true; j.again && j.Attempts < 20; {
					for range 100 {
						s.peers.Accept()
					}
					j.Attempts++
					j.verdict, j.counted, j.again, j.excused, j.Err = overload, overload, true, true, tooLarge
					s.weigh(j)
				}
			})
			if j.Attempts != want || !exhausted(j.Err) {
				t.Errorf("budget %v: ended after %d refusals, want %d: %v", budget, j.Attempts, want, j.Err)
			}
		})
	}
}

// When all are refused, it is nobody's own: all wait until it is over.
func TestRefusalsOfAllAreNobodysOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4, retryingBy(controller.Retry{BaseDelay: second, GiveUpAfter: -1, MaxAttempts: 1}))
		v := s.open(t.Context())
		refused := make([]error, 100)
		for i := range refused {
			refused[i] = Overloaded(io.EOF, 0)
		}
		for i := range 8 {
			v.send(s.work(fmt.Sprint(i), 0, refused...))
		}
		v.leave(8)
		for _, j := range v.jobs {
			if j.Err != nil || j.Attempts != 101 {
				t.Errorf("%d attempts, %v", j.Attempts, j.Err)
			}
		}
	})
}

// What was known of a job is not known of the one that comes after it in its place.
func TestJobThatIsUsedAgainIsInnocent(t *testing.T) {
	var p controller.Peers
	j := &Job{blamed: true}
	for range 10 {
		for range 100 {
			p.Accept()
		}
		p.Refuse(&j.evidence, 0)
	}
	if j.Reset(); j.blamed || j.evidence != (controller.Evidence{}) {
		t.Errorf("blamed %v, %+v", j.blamed, j.evidence)
	}
}

// Two jobs that always fail do not fill the breaker's row with their retries; their
// failures do not end it either.
func TestRetriesOfAJobDoNotFillTheBreakersRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, breakingBy(controller.Breaker{Failures: 3}), retryingBy(controller.Retry{MaxAttempts: 10}))
		v := s.open(t.Context())
		v.send(s.work("bad", second, down...), s.work("worse", second, down...))
		v.leave(2)
		s.opened(t, 0)
		if err := s.Do(t.Context(), s.work("third", 0, Fatal(io.EOF))); err == nil {
			t.Error("no error")
		}
		s.opened(t, 0) // which says nothing
		_ = s.Do(t.Context(), s.work("fourth", 0, io.EOF))
		s.opened(t, 1)
	})
}

// opened checks how often the circuit has opened so far.
func (s *stand) opened(t *testing.T, want int) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := 0
	for _, e := range s.told {
		var at, kind string
		if fmt.Sscan(e, &at, &kind); kind == "circuit_opened" {
			got++
		}
	}
	if got != want {
		t.Errorf("the circuit has opened %d times, want %d", got, want)
	}
}

// A retry that succeeds ends the row as any success does, and a probe counts though
// its job has failed before.
func TestBreakerCountsRetriesThatSucceedAndProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, breakingBy(controller.Breaker{Failures: 2, OpenFor: 10 * second}), retryingBy(controller.Retry{MaxAttempts: 4}))
		v := s.open(t.Context())
		v.send(s.work("a", 0, io.EOF)) // its retry succeeds
		v.await(1)
		v.send(s.work("b", 0, io.EOF, nil)) // so that this is the first of a row
		v.await(2)
		s.opened(t, 0)
		s.Record(io.EOF, 0, 0)
		v.send(s.work("c", 0, io.EOF, io.EOF))
		v.leave(3)
		s.opened(t, 2) // by c, and by its probe
	})
}

// With Counts it is the first error of a job that counts.
func TestOfAJobTheFirstErrorThatCountsDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		counts := func(err error) bool { return errors.Is(err, errService) }
		s := newStand(t, 1, breakingBy(controller.Breaker{Failures: 2, Counts: counts}), retryingBy(controller.Retry{MaxAttempts: 5}))
		v := s.open(t.Context())
		v.send(s.work("bad", 0, io.EOF, errService, errService, errService, errService))
		v.leave(1)
		s.opened(t, 0)
		s.Record(errService, 0, 0)
		s.opened(t, 1)
	})
}

// What is found out of a refusal goes into its outcome, and no further.
func TestWeighedRefusalIsNoSignForTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, retryingBy(controller.Retry{MaxAttempts: 100}))
		j := &Job{door: doorOf(false)}
		refuse := func(excused bool) {
			for range 100 {
				s.peers.Accept()
			}
			j.verdict, j.counted, j.again, j.excused = overload, overload, true, excused
			s.weigh(j)
		}
		s.do(func() {
			for range 10 {
				refuse(true)
				if want := map[bool]controller.Verdict{false: overload, true: ignored}[j.own]; j.counted != want {
					t.Errorf("own %v, counted as %v", j.own, j.counted)
				}
			}
			failures := j.failures
			if refuse(false); j.failures != failures { // judge has counted it: it timed out
				t.Errorf("%d attempts used up by one", j.failures-failures)
			}
			if j.verdict = failed; j.own {
				if s.weigh(j); j.own {
					t.Error("a failure is taken for a refusal")
				}
			}
			j, s.running = &Job{door: doorOf(false)}, 100 // which end before anything else
			for range 100 {
				refuse(true)
			}
			if s.running = 0; j.own {
				t.Error("attempts that had started before count as accepted")
			}
		})
	})
}

// A single call that is refused for ever ends in the same way.
func TestCallThatIsRefusedForEverUsesUpItsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, retryingBy(controller.Retry{BaseDelay: minute, MaxDelay: minute}))
		answer := make(chan error, 1)
		go func() {
			answer <- s.Do(t.Context(), WorkFunc(func(context.Context) error { return tooLarge }))
		}()
		for range 100 {
			for range 100 {
				s.Record(nil, 0, 0)
			}
			time.Sleep(30 * second)
		}
		e := new(RetriesExhaustedError)
		if err := <-answer; !errors.As(err, &e) || !errors.Is(err, tooLarge) || e.Attempts != 7 {
			t.Errorf("got %v", err)
		}
		if snap := s.Snapshot(); snap.Failed != 1 || snap.Waiting != 0 || snap.InFlight != 0 {
			t.Errorf("%+v", snap)
		}
	})
}

// Jobs that are refused for ever and hold all the slots do not keep the others from
// their work: one is tried to see whose fault it is, and once that is likely, they
// hold no slots any more.
func TestJobsThatAreRefusedForEverDoNotHoldAllSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, retryingBy(controller.Retry{BaseDelay: 10 * second, MaxDelay: 10 * second}))
		v := s.open(t.Context())
		refused := Overloaded(io.EOF, 0)
		bad := func(context.Context) error { return refused }
		v.send(bad, bad)
		for i := range 100 {
			v.send(s.work(fmt.Sprint(i), second))
		}
		v.await(100)
		if s.since() > 70*second { // the first 30 s one after another, then two at a time
			t.Errorf("the good ones took %v", s.since())
		}
		v.leave(102)
	})
}

// While all are refused, as many are tried as may wait for a retry, and no more.
func TestWhileAllAreRefusedFewAreTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newStand(t, 2, retryingBy(controller.Retry{BaseDelay: minute, MaxDelay: minute}))
		v := s.open(ctx)
		for i := range fewProbes + 50 {
			v.send(s.work(fmt.Sprint(i), 0, Overloaded(io.EOF, 0)))
		}
		synctest.Wait()
		if n := len(s.names()); n != fewProbes {
			t.Errorf("%d were tried, want %d", n, fewProbes)
		}
		cancel()
		v.Cancel()
		v.leave(100)
	})
}
