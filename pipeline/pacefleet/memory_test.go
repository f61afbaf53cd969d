package pacefleet_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paceline-go/paceline/pipeline/pacefleet"
)

// A network is what transports of one process have in common: messages take a while, and
// some processes may be cut off.
type network struct {
	delay time.Duration

	mu        sync.Mutex
	heard     map[string][]*listener
	leader    *transport
	until     time.Time
	state     []byte
	published int
	cut       map[*transport]bool
}

type listener struct {
	of      *transport
	receive func([]byte)
}

type transport struct{ net *network }

func newNetwork() *network {
	return &network{delay: 2 * time.Millisecond, heard: make(map[string][]*listener), cut: make(map[*transport]bool)}
}

var errCut = errors.New("no connection")

func (t *transport) Publish(subject string, message []byte) error {
	n := t.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[t] {
		return errCut
	}
	n.published++
	for _, l := range n.heard[subject] {
		time.AfterFunc(n.delay, func() {
			n.mu.Lock()
			ok := !n.cut[l.of] && l.receive != nil
			n.mu.Unlock()
			if ok {
				l.receive(message)
			}
		})
	}
	return nil
}

func (t *transport) Subscribe(subject string, receive func([]byte)) (stop func(), err error) {
	n := t.net
	n.mu.Lock()
	defer n.mu.Unlock()
	l := &listener{t, receive}
	n.heard[subject] = append(n.heard[subject], l)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		for i, o := range n.heard[subject] {
			if o == l {
				n.heard[subject] = append(n.heard[subject][:i:i], n.heard[subject][i+1:]...)
			}
		}
	}, nil
}

func (t *transport) Lead(ctx context.Context, state []byte) (bool, []byte, error) {
	select {
	case <-time.After(t.net.delay):
	case <-ctx.Done():
		return false, nil, ctx.Err()
	}
	n := t.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[t] {
		return false, nil, errCut
	}
	now := time.Now()
	if n.leader != nil && n.leader != t && now.Before(n.until) {
		return false, n.state, nil
	}
	last := n.state
	n.leader, n.until = t, now.Add(pacefleet.Term)
	if state != nil {
		n.state = state
	}
	return true, last, nil
}

func (t *transport) Resign(context.Context) error {
	n := t.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.leader == t {
		n.leader = nil
	}
	return nil
}

// cutOff has a process hear nothing and be heard by nobody.
func (n *network) cutOff(t *transport, off bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[t] = off
}

func (n *network) messages() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.published
}

var _ pacefleet.Transport = (*transport)(nil)
