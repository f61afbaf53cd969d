package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"
	"go.uber.org/goleak"

	"github.com/paceline-go/paceline/pipeline"
)

var (
	soakFor  = flag.Duration("soak", time.Minute, "how long TestSoak lasts, in virtual `time`")
	realFor  = flag.Duration("real", 500*time.Millisecond, "how long TestSoakInRealTime lasts, in real `time`")
	soakSeed = flag.Uint64("seed", 0, "of the soak: what clients and services do, though not how goroutines take turns; 0: random")
)

// TestSoak mixes every fault for a while in virtual time, and accounts for every
// job.
func TestSoak(t *testing.T) {
	s := newSoak(*soakFor)
	s.scale, s.exact, s.patience = 1, true, 6*time.Hour
	begun := time.Now()
	synctest.Test(t, func(*testing.T) { s.run() })
	s.conclude(t, time.Since(begun))
}

// TestSoakInRealTime does the same in real time, in which all durations are a
// two-hundredth, for the race detector to watch.
func TestSoakInRealTime(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s := newSoak(*realFor)
	s.scale, s.grace, s.patience = 0.005, 2*time.Second, 2*time.Minute
	begun := time.Now()
	s.run()
	s.conclude(t, time.Since(begun))
}

// A soak is everything that goes on for a while at once.
type soak struct {
	seed     uint64
	length   time.Duration
	scale    float64       // of all durations but length, patience and grace
	patience time.Duration // for the jobs that are inside in the end
	exact    bool          // time stands still while anything moves
	grace    time.Duration // how late an attempt may be seen to start

	ledger *ledger
	seen   *sightings
	over   chan struct{}

	mu       sync.Mutex
	stations []*station // that ever were
}

func newSoak(length time.Duration) *soak {
	seed := *soakSeed
	for seed == 0 {
		seed = rand.Uint64()
	}
	return &soak{seed: seed, length: length, ledger: newLedger(), seen: newSightings()}
}

// Who is who among the clients. The rest of them are no clients, but have dice.
const (
	pipelines   = 9
	keyedLines  = 6
	callers     = 5
	holders     = 5
	recorders   = 3
	firstCaller = pipelines + keyedLines // those before it have pipelines
	passerBy    = firstCaller + callers + holders + recorders
	nobody      = 1000
)

// sites is how many throttles there are at a time, those of the keys apart. The
// last one has pipelines only.
const sites = 3

// run lasts as long as the soak.
func (s *soak) run() {
	s.over = make(chan struct{}) // here, because it belongs to the bubble
	var all conc.WaitGroup
	var plain []*site
	for i := range sites {
		plain = append(plain, s.open(i, &all))
	}
	keys := s.openKeys(&all)
	s.populate(plain, keys, &all)

	time.Sleep(s.length)
	close(s.over)
	s.await(&all)
	for _, st := range s.stations {
		st.audit(s.patience)
	}
	s.rest()
}

// rest gives callbacks that block the time to return.
func (s *soak) rest() { time.Sleep(s.scaled(time.Minute)) }

// populate lets the clients loose.
func (s *soak) populate(plain, keys []*site, all *conc.WaitGroup) {
	number := 0
	add := func(n int, sites []*site, live func(*client)) {
		for i := range n {
			c := &client{soak: s, number: number, site: sites[i%len(sites)]}
			number++
			all.Go(func() { live(c) })
		}
	}
	add(pipelines, plain, (*client).live)
	add(keyedLines, keys, (*client).live)
	shared := append(plain[:sites-1:sites-1], keys...)
	add(callers, shared, (*client).call)
	add(holders, shared, (*client).hold)
	add(recorders, shared, (*client).record)
}

// await waits until everybody is done, and says who is not.
func (s *soak) await(all *conc.WaitGroup) {
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(s.patience):
		s.tellOfStandstill()
		<-done // or a deadlock, with all the stacks
	}
}

// tellOfStandstill tells what is known when nobody gets any further, and may
// never be able to tell it later.
func (s *soak) tellOfStandstill() {
	for client := range passerBy + 1 {
		s.ledger.miss(client, "everything stands still")
	}
	fmt.Fprintf(os.Stderr, "seed %d: not done %v after the end\n", s.seed, s.patience)
	for _, wrong := range s.ledger.wrong {
		fmt.Fprintln(os.Stderr, wrong)
	}
	for _, st := range s.stations {
		if now := st.throttle.Snapshot(); now.State != pipeline.Closed {
			fmt.Fprintf(os.Stderr, "%s: %+v\n", st.name, now)
		}
	}
}

func (s *soak) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// pause waits, at most until the soak is over.
func (s *soak) pause(d time.Duration) {
	select {
	case <-s.over:
	case <-time.After(d):
	}
}

func (s *soak) scaled(d time.Duration) time.Duration { return time.Duration(s.scale * float64(d)) }

// open opens a site with a service and a throttle, which are changed all the
// time.
func (s *soak) open(number int, all *conc.WaitGroup) *site {
	site, service := new(site), &service{soak: s}
	all.Go(func() { service.weather(s.dice(nobody, number, 0)) })
	d := s.dice(nobody, number, 1)
	site.station.Store(s.newStation(d, fmt.Sprintf("throttle %d", number), service))
	all.Go(func() { s.update(site, s.dice(nobody, number, 2)) })
	all.Go(func() { s.replace(site, d) })
	return site
}

// newStation makes a throttle.
func (s *soak) newStation(d *dice, name string, service *service) *station {
	st := &station{soak: s, name: name, service: service, mood: s.dice(nobody, nobody, int(d.Int32()))}
	cfg := st.listen(d.config())
	throttle, err := pipeline.NewThrottle(cfg)
	if err != nil {
		panic(err)
	}
	st.throttle = throttle
	st.expect(cfg)
	st.settle(cfg)
	s.enlist(st)
	return st
}

func (s *soak) enlist(st *station) {
	s.seen.throttles.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stations = append(s.stations, st)
}

// listen sets the callbacks of a configuration.
func (st *station) listen(cfg pipeline.Config) pipeline.Config {
	cfg.OnEvent, cfg.OnProgress = st.onEvent, st.onProgress
	return cfg
}

// update updates the throttle of a site, now and then only in part, and looks at
// snapshots.
func (s *soak) update(site *site, d *dice) {
	for !s.isOver() {
		s.pause(d.between(time.Second, 30*time.Second))
		st := site.station.Load()
		st.inspect()
		next := st.listen(d.config())
		if d.oneIn(2) {
			next.Budgets = st.config().Budgets
		}
		s.seen.updates.Add(1)
		st.update(next)
	}
}

// replace closes the throttle of a site from time to time, with a new one in its
// place.
func (s *soak) replace(site *site, d *dice) {
	for {
		s.pause(d.between(20*time.Second, 4*time.Minute))
		if s.isOver() {
			return
		}
		old := site.station.Load()
		site.station.Store(s.newStation(d, old.name, old.service))
		switch d.IntN(3) {
		case 0:
			old.throttle.Close()
		case 1:
			ctx, cancel := context.WithTimeout(context.Background(), d.between(10*time.Millisecond, time.Minute))
			_ = old.throttle.Drain(ctx) // nobody says that there was time enough
			cancel()
		case 2:
			go func() { _ = old.throttle.Drain(context.Background()) }()
			old.throttle.Close()
		}
	}
}

// conclude tells what came of it.
func (s *soak) conclude(t *testing.T, took time.Duration) {
	if testing.Verbose() {
		s.report(t.Output(), took)
	}
	for _, wrong := range s.ledger.wrong {
		t.Error(wrong)
	}
	if s.ledger.more > 0 {
		t.Errorf("and %d more", s.ledger.more)
	}
	if s.ledger.fates[fateSuccess] == 0 {
		t.Error("no job has succeeded: that was no soak")
	}
	if n := len(s.ledger.open); n > 0 {
		t.Errorf("%d jobs are still open", n)
	}
	if t.Failed() {
		t.Logf("again: go test ./bench -run '^%s$' -soak %v -real %v -seed %d", t.Name(), *soakFor, *realFor, s.seed)
	}
}
