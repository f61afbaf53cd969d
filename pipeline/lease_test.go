package pipeline_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

func leasedLine(t *testing.T, s *service, budgets ...pipeline.Budget) *line {
	return newLine(t, s, pipeline.Config{MaxConcurrency: 8, Policy: pipeline.Leased{}, Budgets: budgets, MaxDispatchInterval: time.Hour})
}

func lend(t *testing.T, p *line, l pipeline.Lease) pipeline.Usage {
	t.Helper()
	u, ok := p.Throttle().Lease(l)
	if !ok {
		t.Fatal("got no usage of a throttle whose policy is Leased")
	}
	return u
}

func limit(n int, every time.Duration) pipeline.Lease {
	return pipeline.Lease{
		Setting: pipeline.Setting{Limit: n, Interval: every},
		Until:   time.Now().Add(time.Minute),
	}
}

// Nothing starts without a lease, nor after its end, and no more than it allows.
func TestNothingStartsWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := always(answer{takes: 100 * time.Millisecond})
		p := leasedLine(t, s)
		results := p.Run(t.Context(), feed(4))
		time.Sleep(time.Second)
		l := limit(1, 300*time.Millisecond)
		l.Until = time.Now().Add(600 * time.Millisecond)
		lend(t, p, l)
		time.Sleep(9 * time.Second)
		if u := lend(t, p, limit(0, 0)); u.Started != 2 || u.Waiting == 0 || len(u.Runs) == 0 || u.HeldBy != pipeline.HeldByLimit {
			t.Errorf("after the lease: got %+v, want 2 attempts started and jobs waiting", u)
		}
		time.Sleep(5 * time.Second)
		lend(t, p, limit(2, 0))
		collect(results)
		starts := s.starts(begin)
		if first := starts[0] - time.Second; first < 0 || first >= 300*time.Millisecond || starts[1]-starts[0] != 300*time.Millisecond {
			t.Errorf("got starts after %v, want the first at a random time in the first interval, so that many do not start at once", starts)
		}
		if starts[2] != 15*time.Second || starts[3] != 15*time.Second {
			t.Errorf("got starts after %v, want two after 15 s", starts[2:])
		}
		if u := lend(t, p, limit(2, 0)); u.Started != 4 || sum(u.Runs) != 2 {
			t.Errorf("at the end: got %+v, want 4 attempts, 2 of them since the last lease", u)
		}
	})
}

func sum(runs []pipeline.Run) (n int) {
	for _, r := range runs {
		n += r.N
	}
	return n
}

// A share of a budget is used up and comes back as the whole would.
func TestALeaseBoundsABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := always(answer{})
		p := leasedLine(t, s, pipeline.Budget{Name: "minute", Tokens: 100, Window: time.Minute, Requests: true})
		results := p.Run(t.Context(), feed(5))
		l := limit(1, 0)
		l.Until = begin.Add(time.Hour)
		l.Budgets = []int64{2}
		lend(t, p, l)
		time.Sleep(90 * time.Second)
		l.Budgets = []int64{0}
		u := lend(t, p, l)
		if n := u.Budgets[0]; n.Used != 2 || n.Next != 1 || u.HeldBy != pipeline.HeldByBudget {
			t.Errorf("got %+v, want 2 used, and 1 that the next attempt needs", u)
		}
		time.Sleep(time.Hour / 2)
		l.Budgets = []int64{1}
		lend(t, p, l)
		collect(results)
		for i, want := range []time.Duration{0, 0, 60, 60, 1890} {
			if at := s.starts(begin)[i]; at != want*time.Second {
				t.Errorf("attempt %d: started after %v, want %ds", i, at, want)
			}
		}
	})
}

// Only a throttle that is Leased takes leases, also when it becomes so later.
func TestALeaseNeedsThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newLine(t, always(answer{}), pipeline.Config{MaxConcurrency: 2})
		if _, ok := p.Throttle().Lease(limit(1, 0)); ok {
			t.Error("got a lease taken by a throttle that decides for itself")
		}
		cfg := p.Throttle().Config()
		cfg.Policy = pipeline.Leased{}
		if err := p.Throttle().Update(cfg); err != nil {
			t.Fatal(err)
		}
		results := p.Run(t.Context(), feed(3))
		synctest.Wait()
		if u := lend(t, p, limit(1, 0)); u.Started != 0 {
			t.Errorf("got %d attempts without a lease, want none", u.Started)
		}
		cfg.Policy = nil
		if err := p.Throttle().Update(cfg); err != nil {
			t.Fatal(err)
		}
		if n := len(collect(results)); n != 3 {
			t.Errorf("got %d results, want 3", n)
		}
	})
}
