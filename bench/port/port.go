// Package port finds a port that stays free: for a server that goes away and comes back where it was, and for a
// program that is told where to listen.
package port

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Systems hand out the ports from 32768 (Linux) or 49152 (others) by themselves: to a client for its side of a
// connection, and to a server that does not say which it wants. One of the ports below is taken only by who asks for it.
const (
	lowest  = 10_000
	highest = 32_767
	tries   = 100
)

// Listen listens at 127.0.0.1. The port is likely to be free again when the listener is closed, however many
// connections are made meanwhile.
func Listen() (net.Listener, error) {
	var err error
	for range tries {
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", lowest+rand.IntN(highest-lowest+1))); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("a port from %d to %d: none of %d is free: %w", lowest, highest, tries, err)
}

// Free returns an address at which nobody listens.
func Free() (string, error) {
	l, err := Listen()
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
