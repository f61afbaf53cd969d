package stage

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/controller"
)

// A customer is a dispatcher that draws on commons, as far as they can see: it
// can be nudged. It tries whenever it is, and when its time has come.
type customer struct {
	Dispatcher
	wants int64     // 0: nothing
	since int       // how many reservations had been made when it first asked
	asked bool      // since it wants something
	retry time.Time // when to ask again
}

// A reserved is a reservation that counts, or will until it is settled.
type reserved struct {
	at     time.Time
	tokens int64
	in     []controller.Reservation // nil: it is settled
}

// A market is commons with customers, and a record of what was reserved.
type market struct {
	*Commons
	now       time.Time
	customers []*customer
	made      []*reserved
}

func drawMarket(t *rapid.T) *market {
	m := &market{now: time.Unix(0, 0)}
	var budgets []controller.Budget
	for range rapid.IntRange(1, 3).Draw(t, "budgets") {
		budgets = append(budgets, controller.Budget{
			Tokens: rapid.Int64Range(10, 40).Draw(t, "tokens"),
			Window: time.Duration(rapid.IntRange(1, 20).Draw(t, "window")) * time.Second,
		})
	}
	m.Commons = NewCommons(budgets)
	for range rapid.IntRange(1, 5).Draw(t, "customers") {
		c := new(customer)
		c.awake.Store(true) // a nudge must not start it
		m.customers = append(m.customers, c)
	}
	return m
}

// ask has a customer try to get what it wants.
func (m *market) ask(t *rapid.T, c *customer) {
	c.nudged.Store(false)
	if c.wants == 0 {
		return
	}
	if !c.asked {
		c.asked, c.since = true, len(m.made)
	}
	costs, to := make([]int64, len(m.budgets)), make([]controller.Reservation, len(m.budgets))
	for i := range costs {
		costs[i] = c.wants
	}
	overtakes := false
	m.with(m.now, func(l *ledger, _ time.Time) { overtakes = len(l.queue) > 0 && l.queue[0] != &c.Dispatcher })
	_, ok, wait, budget := m.reserve(m.now, &c.Dispatcher, costs, controller.Use{}, to)
	if !ok {
		if wait < 0 || budget < 0 || budget >= len(m.budgets) {
			t.Fatalf("wait %v for budget %d", wait, budget)
		}
		if wait > 0 {
			c.retry = m.now.Add(wait)
		}
		return
	}
	if overtakes {
		t.Fatal("it was not its turn")
	}
	if n := len(m.made) - c.since; n > len(m.customers)-1 {
		t.Fatalf("%d reservations were made while it waited, by %d others", n, len(m.customers)-1)
	}
	m.made = append(m.made, &reserved{at: m.now, tokens: c.wants, in: to})
	c.wants, c.asked, c.retry = 0, false, time.Time{}
}

// serve lets customers ask as long as they have a reason to.
func (m *market) serve(t *rapid.T) {
	for again := true; again; {
		again = false
		for _, c := range m.customers {
			if c.nudged.Load() || c.wants > 0 && !c.asked || c.retry.Equal(m.now) {
				c.retry = time.Time{}
				m.ask(t, c)
				again = true
			}
		}
	}
}

// check looks for a budget that is overdrawn, and for a customer who is free to
// go and does not know.
func (m *market) check(t *rapid.T) {
	for _, b := range m.budgets {
		sum := int64(0)
		for _, r := range m.made {
			if m.now.Sub(r.at) < b.Window {
				sum += r.tokens
			}
		}
		if sum > b.Tokens {
			t.Fatalf("%d tokens within %v, budget %d", sum, b.Window, b.Tokens)
		}
	}
	m.with(m.now, func(l *ledger, now time.Time) {
		for _, c := range m.customers {
			if c.asked != slices.Contains(l.queue, &c.Dispatcher) {
				t.Fatalf("waits: %v, in the queue: %v", c.asked, !c.asked)
			}
		}
		if len(l.queue) == 0 {
			return
		}
		first := m.customers[slices.IndexFunc(m.customers, func(c *customer) bool { return &c.Dispatcher == l.queue[0] })]
		wait := time.Duration(0)
		for _, w := range l.windows {
			wait = max(wait, w.Wait(now, first.wants))
		}
		if wait == 0 {
			t.Fatalf("the first in the queue has not been told that it may go")
		}
		if first.retry.IsZero() || first.retry.After(now.Add(wait)) {
			t.Fatalf("the first in the queue comes at %v, could at %v", first.retry, now.Add(wait))
		}
	})
}

// TestCommonsServeEveryoneInTurn: nobody is overtaken by another more than once,
// the one whose turn it is knows when it can go, and no budget is overdrawn.
func TestCommonsServeEveryoneInTurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawMarket(t)
		dearest := m.budgets[0].Tokens
		for _, b := range m.budgets {
			dearest = min(dearest, b.Tokens)
		}
		whoever := rapid.IntRange(0, len(m.customers)-1)
		t.Repeat(map[string]func(*rapid.T){
			"want": func(t *rapid.T) {
				c := m.customers[whoever.Draw(t, "who")]
				if c.wants == 0 {
					c.wants = rapid.Int64Range(1, dearest).Draw(t, "tokens")
				}
			},
			"give up": func(t *rapid.T) {
				c := m.customers[whoever.Draw(t, "who")]
				c.now = m.now
				m.withdraw(&c.Dispatcher)
				c.wants, c.asked, c.retry = 0, false, time.Time{}
			},
			"settle for less": func(t *rapid.T) {
				if len(m.made) == 0 {
					return
				}
				r := rapid.SampledFrom(m.made).Draw(t, "which")
				if r.in == nil {
					return
				}
				used := rapid.Int64Range(0, r.tokens).Draw(t, "used")
				m.settle(m.now, r.in, use{tokens: used})
				r.in, r.tokens = nil, used
			},
			"time passes": func(t *rapid.T) {
				m.now = m.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
				for _, c := range m.customers {
					if !c.retry.IsZero() && !c.retry.After(m.now) {
						c.nudged.Store(true) // its alarm rings, a little late
					}
				}
			},
			"": func(t *rapid.T) {
				m.serve(t)
				m.check(t)
			},
		})
	})
}
