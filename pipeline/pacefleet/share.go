package pacefleet

import (
	"math"
	"time"
)

// divide returns the share of each member, in order.
func (d *leader) divide(now time.Time) []share {
	n := len(d.order)
	shares := make([]share, n)
	slots := d.slots()
	turn := d.slotTurn.next(now, slots, n, fewEach)
	wants := make([]float64, n)
	for i, m := range d.order {
		wants[i] = m.busy
		if slots >= n {
			wants[i] = max(wants[i], 1) // who has nothing to do may get work
		}
		if m.report.Hungry.Limit {
			wants[i] = math.Inf(1)
		}
	}
	parts := divide(float64(slots), wants)
	spread(float64(slots), parts)
	limits, over := d.escrow(now, int64(slots), integers(parts, turn), (*follower).heldLimit, turn)
	d.scarce = over || slots < fewEach*n
	for i, limit := range limits {
		shares[i].Limit = int(limit)
	}
	d.dividePace(shares)
	for b := range d.budgets {
		for i, tokens := range d.divideBudget(now, b) {
			shares[i].Budgets = append(shares[i].Budgets, tokens)
		}
	}
	return shares
}

// Where there are less than fewEach slots for each, or less than a token, who gets one more
// than others changes each turnEvery, and with it who gets any. Chosen: a turn is a few round
// trips of reports.
const (
	fewEach   = 4
	turnEvery = time.Second
)

// slots returns how many attempts may be in flight. While it is the pace that holds all up,
// far below the limit, each process gets a slot, if MaxConcurrency allows, so that none has
// to wait for its turn.
func (d *leader) slots() int {
	inFlight := 0
	for _, m := range d.order {
		inFlight += m.report.InFlight
	}
	limit := d.setting.Limit
	switch {
	case d.setting.Interval == 0 || d.setting.Probing || inFlight > limit*3/4:
		d.loose = false
	case inFlight < limit/2:
		d.loose = true
	}
	if d.loose {
		return max(limit, min(len(d.order), d.bounds.MaxLimit))
	}
	return limit
}

// A turn is whose it is to get one more than others, where there are few for each.
type turn struct {
	first int
	since time.Time
}

// next returns the first of n that get one more, which changes now and then.
func (t *turn) next(now time.Time, whole, n, few int) int {
	if n == 0 || whole >= few*n || whole%n == 0 {
		return 0
	}
	if now.Sub(t.since) >= turnEvery {
		t.first, t.since = t.first+whole%n, now
	}
	return t.first % n
}

// dividePace divides the pace among those that have a slot to use it.
func (d *leader) dividePace(shares []share) {
	if d.setting.Interval == 0 {
		return
	}
	pace := 1 / d.setting.Interval.Seconds()
	var of []int
	var wants []float64
	for i, m := range d.order {
		if shares[i].Limit == 0 {
			continue
		}
		want := max(m.rate*headroom, pace/float64(4*len(d.order))) // who has nothing to do may get work
		if h := m.report.Hungry; h.Pace || h.Limit && m.report.InFlight < shares[i].Limit {
			want = math.Inf(1)
		}
		of, wants = append(of, i), append(wants, want)
	}
	paces := divide(pace, wants)
	spread(pace, paces)
	for k, i := range of {
		shares[i].Interval = longestInterval
		if paces[k] > 0 {
			shares[i].Interval = min(time.Duration(float64(time.Second)/paces[k]), longestInterval)
		}
	}
}

const (
	headroom        = 1.5       // times the pace that is used by who is not held up
	longestInterval = time.Hour // between the dispatches of one process
)

// A budget's shares are what is used and what may be used until shares can change.
const (
	ahead     = 3 * time.Second  // of what is used at the present pace
	shortSpan = 10 * time.Second // in windows up to this, all is divided: it is back soon
	reserve   = 100              // one of so many tokens is kept for those who cannot hear the leader
)

// divideBudget returns each member's share of a budget.
func (d *leader) divideBudget(now time.Time, b int) []int64 {
	budget := d.budgets[b]
	whole := budget.Tokens - budget.Tokens/reserve - d.gone[b].Used(now)
	n := len(d.order)
	wants := make([]float64, n)
	for i, m := range d.order {
		used, spent := float64(m.report.used(b)), m.spending[b]*ahead.Seconds()
		wants[i] = used + spent + float64(budget.Tokens)/float64(100*n)
		if m.report.Hungry.Budget {
			wants[i] = max(wants[i], used+float64(m.report.next(b)), used+float64(budget.Tokens)/float64(2*n))
		}
	}
	parts := divide(float64(max(whole, 0)), wants)
	if budget.Window <= shortSpan {
		spread(float64(max(whole, 0)), parts)
	}
	held := func(m *follower) int64 { return m.heldBudget(b) }
	turn := d.turns[b].next(now, int(max(whole, 0)), n, 1)
	granted, _ := d.escrow(now, whole, integers(parts, turn), held, turn)
	return granted
}

// escrow returns how much of its target each member may be granted now. The sum of what
// they hold, whether they have heard of it or not, never exceeds the whole: less is granted
// at once, more only of what nobody holds (O'Neil, The escrow transactional method, 1986). over:
// they hold more now.
func (d *leader) escrow(now time.Time, whole int64, targets []int64, held func(*follower) int64, turn int) (granted []int64, over bool) {
	free := whole
	for _, m := range d.order {
		free -= held(m)
	}
	if now.Before(d.frozen) {
		free = 0
	}
	over = free < 0
	granted = make([]int64, len(targets))
	for k := range targets {
		i := (turn + k) % len(targets)
		has := held(d.order[i])
		granted[i] = targets[i]
		if more := targets[i] - has; more > 0 {
			more = max(min(more, free), 0)
			granted[i], free = has+more, free-more
		}
	}
	return granted, over
}
