package pacefleet_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacefleet"
)

// A plant is a service with a token bucket, which counts.
type plant struct {
	rate, burst float64
	takes       time.Duration

	mu       sync.Mutex
	tokens   float64
	last     time.Time
	accepted []time.Time
	by       map[int]int // accepted, by process
	refused  int
}

// refusal is how long one takes.
const refusal = 5 * time.Millisecond

var errTooMany = errors.New("too many requests")

func (p *plant) work(who int) pipeline.Work[int, int] {
	return func(ctx context.Context, in int) (int, error) {
		p.mu.Lock()
		now := time.Now()
		if p.last.IsZero() {
			p.tokens = p.burst
		} else {
			p.tokens = min(p.tokens+p.rate*now.Sub(p.last).Seconds(), p.burst)
		}
		p.last = now
		ok := p.tokens >= 1 || p.rate == 0
		if ok {
			p.tokens--
			p.accepted = append(p.accepted, now)
			p.by[who]++
		} else {
			p.refused++
		}
		p.mu.Unlock()
		if !ok {
			time.Sleep(refusal)
			return 0, pipeline.Overloaded(errTooMany, 0)
		}
		time.Sleep(p.takes)
		return in, nil
	}
}

// reset begins to count anew.
func (p *plant) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted, p.by, p.refused = nil, make(map[int]int), 0
}

// forget begins to count anew who is accepted.
func (p *plant) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by = make(map[int]int)
}

// of returns how many were accepted of a process.
func (p *plant) of(who int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.by[who]
}

// counts returns how many were accepted and refused.
func (p *plant) counts() (accepted, refused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accepted), p.refused
}

// mostIn returns how many were accepted at most in any window.
func (p *plant) mostIn(window time.Duration) (most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := 0
	for i, at := range p.accepted {
		for at.Sub(p.accepted[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// jain returns Jain's index of the shares of processes.
func (p *plant) jain(n int) float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum, squares := 0., 0.
	for i := range n {
		x := float64(p.by[i])
		sum += x
		squares += x * x
	}
	return sum * sum / (float64(n) * squares)
}

// A process is a member with a pipeline that always has work.
type process struct {
	*pacefleet.Member
	who       int
	cfg       pipeline.Config
	transport *transport
	stop      context.CancelFunc
	done      chan struct{}
}

func start(t *testing.T, net *network, p *plant, who int, cfg pipeline.Config) *process {
	t.Helper()
	tr := &transport{net}
	m, err := pacefleet.Join(t.Context(), tr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	pr := &process{Member: m, who: who, cfg: cfg, transport: tr, stop: cancel, done: make(chan struct{})}
	line := pipeline.Attach(m.Throttle(), p.work(who))
	go func() {
		defer close(pr.done)
		for range line.Each(ctx, slices.Values(make([]int, 1<<20))) {
		}
	}()
	return pr
}

func (pr *process) config() pipeline.Config { return pr.cfg }

func startAll(t *testing.T, net *network, p *plant, n int, cfg pipeline.Config) (all []*process) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			pr := start(t, net, p, i, cfg)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, pr)
		})
	}
	wg.Wait()
	return all
}

func stopAll(t *testing.T, all []*process) {
	for _, pr := range all {
		pr.stop()
		<-pr.done
		if err := pr.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
