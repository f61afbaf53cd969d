package pacenats

import (
	"fmt"
	"net"
	"strconv"
)

// splitAddr returns the host and the port of an address, with the port as a server wants it.
func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("address: got %q, want a host and a port, such as 127.0.0.1:4222", addr)
	}
	if port == 0 {
		port = -1 // a free one
	}
	return host, port, nil
}
