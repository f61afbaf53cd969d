package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/paceline-go/paceline/bench/port"
)

// A wire is a connection on which things go wrong: Toxiproxy, in this process.
type wire struct {
	address string // the proxy's own field is written at each start
	proxy   *toxiproxy.Proxy
	stop    chan struct{}
	ended   chan struct{} // closed when nothing breaks it any more
}

// A toxic is a fault of Toxiproxy's, on that share of connections.
type toxic struct {
	Type       string         `json:"type"`
	Toxicity   float64        `json:"toxicity"`
	Stream     string         `json:"stream"`
	Attributes map[string]int `json:"attributes"`
}

// A fault is what is wrong with a wire.
type fault struct {
	name   string
	toxics []toxic
	outage time.Duration // nobody listens for so long, now and then; 0: never
	breaks bool          // attempts, and does not only delay them
}

var faults = []fault{
	{name: "none"},
	{name: "latency", toxics: []toxic{
		{"latency", 1, "downstream", map[string]int{"latency": 20, "jitter": 20}},
		{"latency", 0.1, "upstream", map[string]int{"latency": 150}},
	}},
	{name: "resets", breaks: true, toxics: []toxic{
		{"reset_peer", 0.1, "downstream", map[string]int{"timeout": 5}},
		{"reset_peer", 0.1, "upstream", map[string]int{"timeout": 0}},
	}},
	{name: "half bodies", breaks: true, toxics: []toxic{{"limit_data", 0.4, "downstream", map[string]int{"bytes": 3_000}}}},
	{name: "half requests", breaks: true, toxics: []toxic{{"limit_data", 0.4, "upstream", map[string]int{"bytes": 1_500}}}},
	{name: "slow headers", toxics: []toxic{
		{"slicer", 0.5, "downstream", map[string]int{"average_size": 64, "size_variation": 8, "delay": 10_000}},
	}},
	{name: "silence", breaks: true, toxics: []toxic{{"timeout", 0.1, "downstream", map[string]int{"timeout": 0}}}},
	{name: "outages", breaks: true, outage: 100 * time.Millisecond},
	{name: "all", breaks: true, outage: 100 * time.Millisecond, toxics: []toxic{
		{"latency", 0.5, "downstream", map[string]int{"latency": 10, "jitter": 10}},
		{"reset_peer", 0.05, "downstream", map[string]int{"timeout": 5}},
		{"limit_data", 0.2, "downstream", map[string]int{"bytes": 3_000}},
		{"limit_data", 0.2, "upstream", map[string]int{"bytes": 3_000}},
		{"timeout", 0.02, "upstream", map[string]int{"timeout": 0}},
	}},
}

// newWire leads to an address, with a fault.
func newWire(to string, f fault) (*wire, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	address, err := port.Free() // also after an outage
	if err != nil {
		return nil, err
	}
	w := &wire{
		address: address,
		proxy:   toxiproxy.NewProxy(server, "wire", address, to),
		stop:    make(chan struct{}), ended: make(chan struct{}),
	}
	if err := w.proxy.Start(); err != nil {
		return nil, err
	}
	for i, t := range f.toxics {
		text, err := json.Marshal(struct {
			Name string `json:"name"`
			toxic
		}{fmt.Sprint(i), t})
		if err == nil {
			_, err = w.proxy.Toxics.AddToxicJson(bytes.NewReader(text))
		}
		if err != nil {
			w.proxy.Stop()
			return nil, fmt.Errorf("toxic %s: %w", text, err)
		}
	}
	go w.breakOff(f.outage)
	return w, nil
}

// breakOff has nobody listen now and then. It ends with somebody listening, until close.
func (w *wire) breakOff(outage time.Duration) {
	defer close(w.ended)
	if outage == 0 {
		return
	}
	for wait := outage; ; wait = 3 * outage {
		select {
		case <-time.After(wait):
		case <-w.stop:
			return
		}
		w.proxy.Stop()
		time.Sleep(outage)
		if err := w.proxy.Start(); err != nil {
			panic(err) // somebody took the port, and no figure would be right
		}
	}
}

func (w *wire) url() string { return "http://" + w.address }

func (w *wire) close() {
	close(w.stop)
	<-w.ended
	w.proxy.Stop()
}
