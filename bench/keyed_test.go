package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sourcegraph/conc"

	"github.com/paceline-go/paceline/pipeline"
)

// keys is how many keys there are.
const keys = 3

// openKeys opens a site for each key of a Keyed, which share a budget and a
// service, and are changed all at once.
func (s *soak) openKeys(all *conc.WaitGroup) (sites []*site) {
	d := s.dice(nobody, nobody)
	service := &service{soak: s}
	all.Go(func() { service.weather(s.dice(nobody, nobody, 1)) })

	shared := pipeline.Budget{Name: "shared", Tokens: 200 * mostCost, Window: s.scaled(10 * time.Second)}
	common := newPurse(shared)
	var stations [keys]*station
	cfg := d.config()
	k, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{
		Each:   cfg,
		Shared: []pipeline.Budget{shared},
		Keep:   1, // the others are kept by being used
		OnEvent: func(key int, e pipeline.Event) {
			if key < keys {
				stations[key].onEvent(e)
			}
		},
	})
	if err != nil {
		panic(err)
	}
	for key := range keys {
		st := &station{soak: s, name: fmt.Sprintf("key %d", key), service: service}
		st.watch.common = common
		st.mood = s.dice(nobody, nobody, 2, key)
		stations[key] = st
		st.throttle = k.Throttle(key)
		st.expect(cfg)
		st.settle(cfg)
		s.enlist(st)
		at := new(site)
		at.station.Store(st)
		sites = append(sites, at)
	}
	all.Go(func() { s.updateKeys(k, stations[:], d) })
	stranger := station{soak: s, name: "a key used once", service: service}
	stranger.watch.common = common
	all.Go(func() { (&client{soak: s, number: passerBy}).passBy(k, &stranger) })
	return sites
}

// passBy makes single calls with keys that nobody else uses, whose throttles come
// and go.
func (c *client) passBy(k *pipeline.Keyed[int], like *station) {
	d := c.soak.dice(c.number)
	for key := keys + 1; !c.soak.isOver(); key += d.from(0, 1) {
		st := &station{soak: like.soak, name: like.name, service: like.service, throttle: k.Throttle(key)}
		st.watch.common = like.watch.common
		st.expect(pipeline.Config{MaxConcurrency: mostAtOnce})
		ctx, cancel := context.WithTimeout(context.Background(), d.between(time.Second, time.Minute))
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.callOnce(pipeline.WithWeight(ctx, 1), c.newJob(d, false, false), st)
		}()
		<-done
		cancel()
		c.soak.ledger.miss(c.number, "its call has returned")
		c.soak.pause(d.between(time.Millisecond, 2*time.Second))
	}
}

// updateKeys updates the throttles of all keys, sees to it that they stay the
// ones that they are, and in the end closes them.
func (s *soak) updateKeys(k *pipeline.Keyed[int], stations []*station, d *dice) {
	for !s.isOver() {
		s.pause(d.between(time.Second, time.Minute))
		cfg := d.config()
		for key, st := range stations {
			if k.Throttle(key) != st.throttle {
				st.complain("the Keyed has another throttle for a key, though the first is held")
			}
			st.inspect()
			st.expect(cfg)
		}
		s.seen.updates.Add(1)
		if err := k.Update(cfg); err != nil {
			stations[0].complain("Update: %v", err)
		}
		for _, st := range stations {
			st.settle(cfg)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	if err := k.Drain(ctx); err != nil {
		stations[0].complain("Drain of all keys: %v", err)
	}
	if late, err := k.Throttle(keys).Acquire(ctx); err != pipeline.ErrClosed {
		stations[0].complain("closed, but a new key gives %v, %v", late, err)
	}
}
