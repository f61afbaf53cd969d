package controller

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// A vegasPlant works on so many attempts at once, and others wait in it.
type vegasPlant struct {
	servers float64
	mean    float64 // seconds that an attempt takes
	sigma   float64
	load    float64 // share of the attempts that may start which do; 0: all
	refuses float64 // beyond so many in flight; 0: nothing
}

type finish struct {
	at, start float64
	inFlight  int
	verdict   Verdict
}

type finishes []finish

func (f finishes) Len() int           { return len(f) }
func (f finishes) Less(i, k int) bool { return f[i].at < f[k].at }
func (f finishes) Swap(i, k int)      { f[i], f[k] = f[k], f[i] }
func (f *finishes) Push(x any)        { *f = append(*f, x.(finish)) }
func (f *finishes) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

// A vegasRide lets attempts at a plant that changes with time, and returns the mean limit and what
// was done of what it could, after half of it.
func vegasRide(seed uint64, length float64, bounds Bounds, plant func(now float64) vegasPlant) (limit, goodput float64) {
	random := rand.New(rand.NewPCG(seed, 1))
	law, setting := Vegas{}.Start(bounds)
	epoch := time.Unix(0, 0)
	at := func(s float64) time.Time { return epoch.Add(time.Duration(s * float64(time.Second))) }
	var inFlight finishes
	free := make([]float64, 64) // when each server is
	done, could, since, sum := 0.0, 0.0, length/2, 0.0
	now := 0.0
	for now < length {
		p := plant(now)
		most := setting.Limit
		if p.load > 0 {
			most = min(most, int(p.load*p.servers))
		}
		for len(inFlight) < most {
			f := finish{start: now, inFlight: len(inFlight) + 1, verdict: Succeeded}
			if p.refuses > 0 && float64(len(inFlight)) >= p.refuses {
				f.at, f.verdict = now+0.01*p.mean, Overload
			} else {
				first := 0
				for i := range int(p.servers) {
					if free[i] < free[first] {
						first = i
					}
				}
				free[first] = max(free[first], now) + p.mean*math.Exp(p.sigma*random.NormFloat64()-p.sigma*p.sigma/2)
				f.at = free[first]
			}
			heap.Push(&inFlight, f)
		}
		f := heap.Pop(&inFlight).(finish)
		if f.at > since {
			sum += float64(setting.Limit) * (f.at - max(now, since))
			could += p.servers / p.mean * (f.at - max(now, since))
			if f.verdict == Succeeded {
				done++
			}
		}
		now = f.at
		took := time.Duration((f.at - f.start) * float64(time.Second))
		setting = law.Next(at(now), Outcome{Verdict: f.verdict, Start: at(f.start), Took: took, InFlight: f.inFlight, Final: true, Attempt: 1})
	}
	return sum / (length - since), done / could
}

func unchanging(p vegasPlant) func(float64) vegasPlant {
	return func(float64) vegasPlant { return p }
}

var manyAtOnce = Bounds{InitialLimit: 200, MaxLimit: 200, MaxInterval: time.Second}

func TestVegasFindsTheLimitByWhatAttemptsTake(t *testing.T) {
	for _, servers := range []float64{1, 2, 8, 30} {
		for _, sigma := range []float64{0, 0.3, 0.7} {
			for seed := range uint64(5) {
				limit, goodput := vegasRide(seed, 600, manyAtOnce, unchanging(vegasPlant{servers: servers, mean: 0.1, sigma: sigma}))
				if goodput < 0.9 || limit > 1.4*servers+4 {
					t.Errorf("%v servers, sigma %v, seed %d: limit %.1f, goodput %.3f", servers, sigma, seed, limit, goodput)
				}
			}
		}
	}
}

// The limit does not depend on how high it may get, nor on what attempts take.
func TestVegasIsTheSameWhateverTheMaximumAndTheTime(t *testing.T) {
	for _, most := range []int{20, 1000} {
		for _, mean := range []float64{0.001, 10} {
			limit, goodput := vegasRide(1, 6000*mean, Bounds{InitialLimit: most, MaxLimit: most}, unchanging(vegasPlant{servers: 8, mean: mean, sigma: 0.3}))
			if goodput < 0.94 || limit > 13 {
				t.Errorf("most %d, mean %v: limit %.1f, goodput %.3f", most, mean, limit, goodput)
			}
		}
	}
}

func TestVegasFollowsAServiceThatChanges(t *testing.T) {
	for name, then := range map[string]vegasPlant{
		"fewer at once": {servers: 3, mean: 0.1, sigma: 0.3},
		"more at once":  {servers: 30, mean: 0.1, sigma: 0.3},
		"slower":        {servers: 8, mean: 0.4, sigma: 0.3},
		"faster":        {servers: 8, mean: 0.02, sigma: 0.3},
	} {
		limit, goodput := vegasRide(1, 600, manyAtOnce, func(now float64) vegasPlant {
			if now < 150 {
				return vegasPlant{servers: 8, mean: 0.1, sigma: 0.3}
			}
			return then
		})
		if goodput < 0.9 || limit > 1.4*then.servers+3 {
			t.Errorf("%s: limit %.1f, goodput %.3f", name, limit, goodput)
		}
	}
}

// Where the limit is not used up, it says nothing, and does not grow without end.
func TestVegasDoesNotGrowWithoutNeed(t *testing.T) {
	limit, _ := vegasRide(1, 300, manyAtOnce, unchanging(vegasPlant{servers: 8, mean: 0.1, sigma: 0.3, load: 0.5}))
	if limit > 20 {
		t.Errorf("limit %.1f with 4 in flight", limit)
	}
}

func TestVegasGivesWayToRefusals(t *testing.T) {
	limit, goodput := vegasRide(1, 300, manyAtOnce, unchanging(vegasPlant{servers: 30, mean: 0.1, sigma: 0.1, refuses: 10}))
	if limit > 14 || goodput < 8.0/30 {
		t.Errorf("limit %.1f, goodput %.3f of three times what is let in", limit, goodput)
	}
}

func TestVegasStartsWhereItIsTold(t *testing.T) {
	law, s := Vegas{}.Start(Bounds{InitialLimit: 5, MaxLimit: 20})
	if s.Limit != 5 || s.Ceiling != 20 {
		t.Errorf("got %+v, want 5 of 20", s)
	}
	type updater interface {
		Update(Policy, Bounds) (Setting, bool)
	}
	if s, ok := law.(updater).Update(Vegas{}, Bounds{InitialLimit: 3, MaxLimit: 3, MinInterval: time.Second}); !ok || s.Limit != 3 || s.Interval != time.Second {
		t.Errorf("updated to %+v, %v", s, ok)
	}
	if _, ok := law.(updater).Update(AIMD{}, Bounds{MaxLimit: 3}); ok {
		t.Error("goes on as AIMD")
	}
}
