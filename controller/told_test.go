package controller

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A quotaServer is one that says what is left of its quota. Its answers overtake each
// other.
type quotaServer interface {
	// arrive takes an attempt of n and returns what it says.
	arrive(now time.Time, n int64) (accepted bool, h Hint)
	// granted returns how much might have been used until then.
	granted(now time.Time) float64
}

// fixedWindow is whole again at each turn.
type fixedWindow struct {
	limit, left int64
	length      time.Duration
	turn        time.Time
}

func (w *fixedWindow) arrive(now time.Time, n int64) (bool, Hint) {
	for !now.Before(w.turn.Add(w.length)) {
		w.turn, w.left = w.turn.Add(w.length), w.limit
	}
	accepted := n <= w.left
	if accepted {
		w.left -= n
	}
	return accepted, Hint{Limit: w.limit, Remaining: w.left, Reset: w.turn.Add(w.length).Sub(now)}
}

func (w *fixedWindow) granted(now time.Time) float64 {
	return float64(w.limit) * math.Floor(now.Sub(t0).Seconds()/w.length.Seconds())
}

// continuousBucket flows back all the time.
type continuousBucket struct {
	limit int64
	rate  float64 // per second
	left  float64
	at    time.Time
}

func (b *continuousBucket) arrive(now time.Time, n int64) (bool, Hint) {
	b.left, b.at = min(b.left+b.rate*now.Sub(b.at).Seconds(), float64(b.limit)), now
	accepted := float64(n) <= b.left+1e-6
	if accepted {
		b.left -= float64(n)
	}
	full := time.Duration(math.Ceil((float64(b.limit) - b.left) / b.rate * 1e9))
	return accepted, Hint{Limit: b.limit, Remaining: int64(max(b.left, 0)), Reset: full}
}

func (b *continuousBucket) granted(now time.Time) float64 {
	return float64(b.limit) + b.rate*now.Sub(t0).Seconds()
}

// A ride is a client that starts whatever Told lets through.
type ride struct {
	server   quotaServer
	latency  func() time.Duration
	cost     func() int64
	round    time.Duration // of Reset, up
	budget   string        // "": of requests
	inFlight int           // at most
	lasts    time.Duration
}

type ridden struct{ started, refused, used int64 }

type quotaAnswer struct {
	at   time.Time
	mark Mark
	hint Hint

	accepted bool
}

type quotaAnswers []quotaAnswer

func (a quotaAnswers) Len() int           { return len(a) }
func (a quotaAnswers) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a quotaAnswers) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *quotaAnswers) Push(x any)        { *a = append(*a, x.(quotaAnswer)) }
func (a *quotaAnswers) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (r ride) run() (out ridden) {
	var (
		told Told
		due  quotaAnswers
		now  = t0
		next = r.cost()
	)
	use := func(n int64) Use {
		if r.budget == "" {
			return Use{Requests: n}
		}
		return Use{Requests: 1, Tokens: n}
	}
	for now.Before(t0.Add(r.lasts)) {
		for len(due) > 0 && !due[0].at.After(now) {
			a := heap.Pop(&due).(quotaAnswer)
			if a.hint.Reset > 0 {
				told.Hint(now, a.hint, a.mark)
			}
			if a.accepted {
				told.Succeed(a.mark)
			}
		}
		wait := told.Wait(now, use(next))
		if wait == 0 && len(due) < r.inFlight {
			mark := told.Start(now, use(next))
			accepted, h := r.server.arrive(now, next)
			out.started++
			if accepted {
				out.used += next
			} else {
				out.refused++
			}
			took := r.latency()
			if r.round > 0 {
				h.Reset = (h.Reset + r.round - 1).Truncate(r.round)
			}
			h.Budget, h.Reset = r.budget, h.Reset-took // as Slot.Hint has it
			heap.Push(&due, quotaAnswer{now.Add(took), mark, h, accepted})
			next = r.cost()
			continue
		}
		then := t0.Add(r.lasts)
		if len(due) > 0 && due[0].at.Before(then) {
			then = due[0].at
		}
		if wait > 0 && now.Add(wait).Before(then) {
			then = now.Add(wait)
		}
		now = then
	}
	return out
}

// spreads returns a latency that is lognormal.
func spreads(random *rand.Rand, mean time.Duration, sigma float64) func() time.Duration {
	return func() time.Duration {
		return time.Duration(float64(mean) * math.Exp(sigma*random.NormFloat64()-sigma*sigma/2))
	}
}

// TestWhatIsToldIsUsedUpAndNeverOverdrawn: a client that is alone and knows nothing but
// what the server says is never refused, and uses nearly all that there is.
func TestWhatIsToldIsUsedUpAndNeverOverdrawn(t *testing.T) {
	for _, latency := range []time.Duration{5 * ms, 300 * ms, 2 * time.Second, 20 * time.Second} {
		for _, sigma := range []float64{0, 0.4} {
			for _, round := range []time.Duration{0, ms, time.Second} {
				for name, server := range map[string]func() quotaServer{
					"window": func() quotaServer {
						return &fixedWindow{limit: 300, left: 300, length: time.Minute, turn: t0}
					},
					"bucket": func() quotaServer { return &continuousBucket{limit: 300, rate: 5, left: 300, at: t0} },
					"tokens by the window": func() quotaServer {
						return &fixedWindow{limit: 30000, left: 30000, length: time.Minute, turn: t0}
					},
					"tokens by the bucket": func() quotaServer { return &continuousBucket{limit: 30000, rate: 500, left: 30000, at: t0} },
				} {
					t.Run(fmt.Sprintf("%s, %v ± %v, rounded to %v", name, latency, sigma, round), func(t *testing.T) {
						random := rand.New(rand.NewPCG(1, uint64(latency)))
						r := ride{server: server(), latency: spreads(random, latency, sigma), round: round, inFlight: 200, lasts: 20 * time.Minute}
						r.cost = func() int64 { return 1 }
						if name[0] == 't' {
							r.budget = "tokens"
							r.cost = func() int64 { return 50 + random.Int64N(100) }
						}
						out := r.run()
						if out.refused > 0 {
							t.Errorf("%d of %d refused", out.refused, out.started)
						}
						if share := float64(out.used) / r.server.granted(t0.Add(r.lasts)); share < 0.98 {
							t.Errorf("%.1f%% used", 100*share)
						}
					})
				}
			}
		}
	}
}
