package stage

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/controller"
)

// A gloomy policy takes the service for down from the first failure to the next
// success, and then lets one attempt start every interval.
type gloomy struct {
	Interval time.Duration
	limit    *int // that is in force when the service is not down
}

func (g gloomy) Start(b controller.Bounds) (controller.Law, controller.Setting) {
	g.limit = &b.InitialLimit
	return g, controller.Setting{Limit: b.InitialLimit}
}

func (g gloomy) Next(_ time.Time, o controller.Outcome) controller.Setting {
	if o.Verdict == controller.Succeeded {
		return controller.Setting{Limit: *g.limit}
	}
	return controller.Setting{Limit: 1, Interval: g.Interval, Probing: true}
}

func policy(p controller.Policy) func(*Config) {
	return func(cfg *Config) { cfg.Controller.Policy = p }
}

// down is what a service answers that does not work.
var down = slices.Repeat([]error{io.EOF}, 1000)

// While the policy takes the service for down, it is asked with jobs that have not
// failed yet, though others that failed are due, and hold the only slot.
func TestProbesAreMadeWithFreshJobs(t *testing.T) {
	for _, park := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, 1, policy(gloomy{Interval: 10 * second}),
				retryingBy(controller.Retry{MaxAttempts: 2, Park: park}))
			v := s.open(t.Context())
			v.send(s.work("a", 0, down...))
			synctest.Wait() // the policy has heard of it
			v.send(s.work("b", 0, down...), s.work("c", 0, down...), s.work("d", 0))
			v.leave(4)
			s.started("a 0s", "b 10s", "c 20s", "d 30s", "a 30s", "b 40s", "c 50s")
		})
	}
}

// What is in flight when the service is taken for down, and takes long, does not keep it from being
// asked, as far as there may be more in flight at all.
func TestProbesDoNotWaitForWhatIsInFlight(t *testing.T) {
	for _, c := range []struct {
		most int
		want []string
	}{
		{3, []string{"slow 0s", "long 0s", "bad 0s", "b 10s", "c 20s"}},
		{2, []string{"slow 0s", "bad 0s", "b 10s", "c 20s", "long 20s"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, c.most, policy(gloomy{Interval: 10 * second}), retryingBy(controller.Retry{MaxAttempts: 1}))
			v := s.open(t.Context())
			v.send(s.work("slow", 1000*second))
			if c.most == 3 {
				v.send(s.work("long", 1000*second))
			}
			synctest.Wait()
			v.send(s.work("bad", 0, io.EOF))
			synctest.Wait()
			v.send(s.work("b", 0, io.EOF), s.work("c", 0))
			if c.most == 2 {
				v.send(s.work("long", second))
			}
			v.leave(len(c.want))
			s.started(c.want...)
		})
	}
}

// A probe that starts in the moment in which the service is taken for down is no attempt from before. When it has
// ended, what hangs still does not keep the service from being asked.
func TestProbesDoNotWaitForWhatIsInFlightThoughTheFirstOneStartsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 3, policy(gloomy{}), retryingBy(controller.Retry{MaxAttempts: 1}))
		v := s.open(t.Context())
		v.send(s.work("slow", 1000*second), s.work("long", 1000*second))
		synctest.Wait()
		v.send(s.work("bad", second, io.EOF))
		synctest.Wait()
		time.Sleep(second / 2)
		v.send(s.work("b", second, io.EOF), s.work("c", second, io.EOF), s.work("d", second, io.EOF), s.work("e", second))
		v.leave(7)
		s.started("slow 0s", "long 0s", "bad 0s", "b 1s", "c 2s", "d 3s", "e 4s")
	})
}

// A member of a pool that is down is asked, too, whatever is in flight there.
func TestProbesOfARoamingDoorDoNotWaitForWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 3, policy(gloomy{Interval: 10 * second}), retryingBy(controller.Retry{MaxAttempts: 1}))
		s.Roam()
		v := &visitor{Door: s.OpenRoaming(t.Context(), nil, NewInbox()), stand: s}
		v.send(s.work("slow", 1000*second), s.work("bad", 0, io.EOF))
		synctest.Wait()
		v.Hungry(true)
		time.Sleep(10 * second)
		synctest.Wait()
		if n := v.Vacant(); n != 1 {
			t.Errorf("%d may start when the service is to be asked, want 1", n)
		}
		v.send(s.work("probe", 0))
		v.leave(3)
		s.started("slow 0s", "bad 0s", "probe 10s")
	})
}

// One at a time: a probe that takes long is waited for, as before.
func TestOneProbeIsInFlightBesideWhatWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 4, policy(gloomy{Interval: 10 * second}), retryingBy(controller.Retry{MaxAttempts: 1}))
		v := s.open(t.Context())
		v.send(s.work("slow", 100*second))
		synctest.Wait()
		v.send(s.work("bad", 0, io.EOF))
		synctest.Wait()
		v.send(s.work("b", 35*second, io.EOF), s.work("c", 0), s.work("d", 0))
		v.leave(5)
		s.started("slow 0s", "bad 0s", "b 10s", "c 45s", "d 45s")
	})
}

// A half-open circuit is probed in the same way.
func TestHalfOpenCircuitIsProbedWithFreshJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, breakingBy(controller.Breaker{Failures: 1, OpenFor: 10 * second}), retryingBy(controller.Retry{MaxAttempts: 2}))
		v := s.open(t.Context())
		v.send(s.work("a", 0, io.EOF), s.work("b", 0, io.EOF), s.work("c", 0))
		v.leave(3)
		s.started("a 0s", "b 10s", "c 30s", "a 30s", "b 30s")
	})
}

// A fresh job is any that has not failed: also a single call, or another door's.
func TestProbeIsMadeWithACallOrAnotherDoorsJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, policy(gloomy{Interval: 10 * second}), retryingBy(controller.Retry{}))
		v, other := s.open(t.Context()), s.open(t.Context())
		v.send(s.work("bad", 0, down...))
		synctest.Wait()
		go func() {
			if err := s.Do(t.Context(), s.work("call", 0, io.EOF)); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(time.Nanosecond) // it comes first
		other.send(s.work("other", 0))
		other.leave(1)
		v.leave(1)
		got := s.names()[:3]
		slices.Sort(got[1:]) // in turn, in any order
		if !slices.Equal(got, []string{"bad", "call", "other"}) {
			t.Errorf("started %v", got)
		}
	})
}

// A retry is a probe if there is nothing else.
func TestProbeIsARetryIfThereIsNoFreshJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 3, policy(gloomy{Interval: 10 * second}), retryingBy(controller.Retry{MaxAttempts: 3}))
		v := s.open(t.Context())
		v.send(s.work("a", 0, io.EOF, io.EOF))
		v.leave(1)
		s.started("a 0s", "a 10s", "a 20s")
	})
}

// Of retries, the one that can best spare an attempt asks: else some would use up theirs while others wait.
func TestProbesAreMadeWithTheJobThatHasFailedLeast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 3, policy(gloomy{Interval: 10 * second}), retryingBy(controller.Retry{MaxAttempts: 10, BaseDelay: 1, MaxDelay: second}))
		v := s.open(t.Context())
		v.send(s.work("a", 0, io.EOF, io.EOF, io.EOF, io.EOF, io.EOF))
		time.Sleep(35 * second)
		v.send(s.work("b", 0, io.EOF, io.EOF, io.EOF, io.EOF))
		v.leave(2)
		s.started("a 0s", "a 10s", "a 20s", "a 30s", "b 40s", "b 50s", "b 1m0s", "b 1m10s", "a 1m20s", "b 1m30s", "a 1m30s")
	})
}

// Fresh jobs are taken in for probes only until many wait for a retry. Then it is
// their turn, and who uses up its attempts makes room.
func TestJobsThatWaitForARetryWhileTheServiceIsDownAreBounded(t *testing.T) {
	for _, test := range []struct{ limit, want int }{{1, fewProbes}, {fewProbes + 20, fewProbes + 20}} {
		synctest.Test(t, func(t *testing.T) {
			s := newStand(t, test.limit, policy(gloomy{Interval: second}), retryingBy(controller.Retry{MaxAttempts: 2, BaseDelay: 1}))
			v := s.open(t.Context())
			for i := range fewProbes + 200 {
				v.send(s.work(fmt.Sprint(i), 0, down...))
				if i == 0 {
					synctest.Wait() // the first one has failed
				}
			}
			most := 0
			for range fewProbes + 400 {
				s.do(func() { most = max(most, s.retries.len()) })
				time.Sleep(second)
			}
			if most != test.want {
				t.Errorf("limit %d: up to %d jobs wait for a retry, want %d", test.limit, most, test.want)
			}
			v.leave(fewProbes + 200)
			for _, j := range v.jobs {
				if j.Attempts != 2 {
					t.Errorf("%d attempts, want 2", j.Attempts)
				}
			}
		})
	}
}

// When the service is back, jobs that back off hold their slots again: more than
// there are, and nothing new starts before one is free.
func TestSlotsThatWereLentAreHeldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 2, policy(gloomy{Interval: second}), retryingBy(controller.Retry{BaseDelay: minute}))
		v := s.open(t.Context())
		v.send(s.work("a", 0, io.EOF), s.work("b", 0, io.EOF))
		synctest.Wait() // of the one that is started second, nothing is known before
		v.send(s.work("c", 0, io.EOF), s.work("d", 0), s.work("e", 0))
		v.leave(5)
		got := s.starts
		s.starts = nil
		slices.Sort(got)
		want := []string{"a 0s", "a 1m0s", "b 0s", "b 1m0s", "c 1m1s", "c 1s", "d 2s", "e 1m0s"}
		if !slices.Equal(got, want) {
			t.Errorf("started %v\n   want %v", got, want)
		}
	})
}

// The intake takes one fresh job in while all slots are held.
func TestIntakeGoesOnWhileProbesAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStand(t, 1, policy(gloomy{Interval: second}), retryingBy(controller.Retry{BaseDelay: minute}))
		v := s.open(t.Context())
		v.send(s.work("bad", 0, io.EOF))
		synctest.Wait()
		if room := v.Room(); room < 1 {
			t.Fatalf("room for %d", room)
		}
		v.send(s.work("fresh", 0))
		v.await(1)
		if s.since() != second {
			t.Errorf("it is back after %v", s.since())
		}
		v.leave(2)
	})
}

// TestRunningNeverExceedsTheLimit whatever is lent while the service is probed, and
// each job comes back once, after at most its attempts.
func TestRunningNeverExceedsTheLimit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(rt, "limit")
		attempts := rapid.IntRange(1, 3).Draw(rt, "attempts")
		park := rapid.Bool().Draw(rt, "park")
		breaks := rapid.Bool().Draw(rt, "breaker")
		bad := rapid.SliceOfN(rapid.IntRange(0, 4), 1, 30).Draw(rt, "failures") // of each job
		refuses := rapid.Bool().Draw(rt, "refuses")
		takes := rapid.SampledFrom([]time.Duration{0, second, 7 * second}).Draw(rt, "takes")
		synctest.Test(t, func(t *testing.T) {
			changes := []func(*Config){
				policy(gloomy{Interval: second}),
				retryingBy(controller.Retry{MaxAttempts: attempts, BaseDelay: 3 * second, Park: park}),
			}
			if breaks {
				changes = append(changes, breakingBy(controller.Breaker{Failures: 2, OpenFor: second, Wait: true}))
			}
			s := newStand(t, limit, changes...)
			v := s.open(t.Context())
			for i, n := range bad {
				errs := slices.Clone(down[:n])
				for k := range errs {
					if refuses && (i+k)%2 == 0 {
						errs[k] = Overloaded(io.EOF, 0)
					}
				}
				work := s.work("job", takes, errs...)
				v.send(func(ctx context.Context) error {
					s.do(func() {
						if s.running > s.setting.Limit && !s.setting.Probing {
							rt.Errorf("%d run, the limit is %d", s.running, s.setting.Limit)
						}
						if s.running > limit {
							rt.Errorf("%d run, the highest limit is %d", s.running, limit)
						}
						if s.retries.len() > fewProbes+limit {
							rt.Errorf("%d wait for a retry", s.retries.len())
						}
					})
					return work(ctx)
				})
			}
			v.leave(len(bad))
			seen := make(map[*Job]bool)
			for i, j := range v.jobs {
				if seen[j] || j.Attempts < 1 || j.Attempts > attempts+4 || !refuses && j.Attempts > attempts {
					rt.Errorf("job %d: %d attempts, back before: %v", i, j.Attempts, seen[j])
				}
				seen[j] = true
			}
			s.do(func() {
				if s.holding != 0 || s.refused != 0 || s.running != 0 || s.jobs != 0 {
					rt.Errorf("%d hold, %d of them refused, %d run, %d are left", s.holding, s.refused, s.running, s.jobs)
				}
			})
		})
	})
}
