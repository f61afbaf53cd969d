package port

import (
	"net"
	"testing"
)

func TestAPortIsNoneThatASystemHandsOut(t *testing.T) {
	for range 100 {
		l, err := Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if got := l.Addr().(*net.TCPAddr).Port; got < lowest || got > highest {
			t.Errorf("got port %d, want %d to %d", got, lowest, highest)
		}
	}
}

func TestNobodyListensAtAFreeAddress(t *testing.T) {
	address, err := Free()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
