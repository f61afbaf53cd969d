package main

import (
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// A plant is a server that works on so many requests at once. Others wait in it, first in, first out, as they do
// for a pool of connections to a database, and nobody has told those in front of it how many that is. It looks
// whether a client is still there only before it begins with its request.
type plant struct {
	places chan struct{}
	mean   time.Duration
	spread float64 // sigma of the lognormal time that a request takes

	mu     sync.Mutex
	random *rand.Rand
	wasted int // requests done for clients who had gone
}

func newPlant(places int, mean time.Duration, spread float64, seed uint64) *plant {
	return &plant{places: make(chan struct{}, places), mean: mean, spread: spread, random: rand.New(rand.NewPCG(seed, 1))}
}

// capacity is how many requests it does in a second.
func (p *plant) capacity() float64 { return float64(cap(p.places)) / p.mean.Seconds() }

// takes draws how long a request takes.
func (p *plant) takes() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(float64(p.mean) * math.Exp(p.spread*p.random.NormFloat64()-p.spread*p.spread/2))
}

func (p *plant) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case p.places <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	time.Sleep(p.takes())
	<-p.places
	if r.Context().Err() != nil {
		p.mu.Lock()
		p.wasted++
		p.mu.Unlock()
	}
	w.WriteHeader(http.StatusOK)
}

// alone is the 99th percentile of what requests take when none has to wait.
func (p *plant) alone() time.Duration {
	const quantile = 2.3263 // of the normal distribution
	return time.Duration(float64(p.mean) * math.Exp(p.spread*quantile-p.spread*p.spread/2))
}
