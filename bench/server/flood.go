package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A flood is requests that come at random, whatever becomes of those before: more than the server can do.
type flood struct {
	places int
	mean   time.Duration
	spread float64
	load   float64 // times the capacity
	urgent float64 // share of the requests
	leaves time.Duration
	warmUp time.Duration
	length time.Duration // after that
	seed   uint64
}

// A tally is what has become of requests that came after the warm-up.
type tally struct {
	came, served, refused, gone, urgentCame, urgentServed int
	waits                                                 []time.Duration // until those that were served were, sorted
	capacity                                              float64         // of the server, in the whole time
	alone                                                 time.Duration   // 99th percentile of what a request takes without load
	slowest                                               float64         // 99th percentile of waits, in alone
	wasted                                                int             // done for who had gone
}

// add takes another tally, but for its waits.
func (t *tally) add(o tally) {
	t.came, t.served, t.refused, t.gone = t.came+o.came, t.served+o.served, t.refused+o.refused, t.gone+o.gone
	t.urgentCame, t.urgentServed = t.urgentCame+o.urgentCame, t.urgentServed+o.urgentServed
	t.capacity, t.wasted, t.slowest = t.capacity+o.capacity, t.wasted+o.wasted, max(t.slowest, o.slowest)
}

func (t *tally) goodput() float64 { return float64(t.served) / t.capacity }

func (t *tally) urgent() float64 { return float64(t.urgentServed) / float64(max(t.urgentCame, 1)) }

func (t *tally) others() float64 {
	return float64(t.served-t.urgentServed) / float64(max(t.came-t.urgentCame, 1))
}

// pour lets the flood come to a door.
func (f flood) pour(t *testing.T, d door) (sum tally) {
	synctest.Test(t, func(*testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		p := newPlant(f.places, f.mean, f.spread, f.seed)
		handler := d.open(ctx, p)
		random := rand.New(rand.NewPCG(f.seed, 2))
		sum.capacity, sum.alone = p.capacity()*f.length.Seconds(), p.alone()
		var mu sync.Mutex
		var all sync.WaitGroup
		begin := time.Now()
		for {
			time.Sleep(time.Duration(random.ExpFloat64() / (p.capacity() * f.load) * float64(time.Second)))
			at := time.Since(begin)
			if at > f.warmUp+f.length {
				break
			}
			urgent := random.Float64() < f.urgent
			all.Go(func() {
				ctx, leave := context.WithTimeout(ctx, f.leaves)
				defer leave()
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
				if urgent {
					r.Header.Set(urgentField, "1")
				}
				came := time.Now()
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				if at < f.warmUp {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				sum.came++
				if urgent {
					sum.urgentCame++
				}
				switch {
				case r.Context().Err() != nil:
					sum.gone++
				case w.Code != http.StatusOK:
					sum.refused++
				default:
					sum.served++
					sum.waits = append(sum.waits, time.Since(came))
					if urgent {
						sum.urgentServed++
					}
				}
			})
		}
		all.Wait()
		cancel()
		sum.wasted = p.wasted
		slices.Sort(sum.waits)
		if n := len(sum.waits); n > 0 {
			sum.slowest = float64(sum.waits[n*99/100]) / float64(sum.alone)
		}
	})
	return sum
}
