package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
)

// full takes so many more bytes.
type full struct{ room int }

func (f *full) Write(text []byte) (int, error) {
	if f.room -= len(text); f.room < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(text), nil
}

func TestAVerdictThatCannotBeWrittenIsNoSuccess(t *testing.T) {
	for _, c := range []struct{ room, status, want int }{{100, 0, 0}, {5, 0, 1}, {5, 130, 130}, {100, 1, 1}} {
		var said bytes.Buffer
		got := runChecked(func(_ []string, stdout, _ io.Writer) int {
			fmt.Fprintln(stdout, "done: all of it")
			return c.status
		}, nil, &full{c.room}, &said)
		told := said.String() == "standard output: no space left on device\n"
		if got != c.want || told != (c.room < 10) {
			t.Errorf("room for %d bytes, status %d: got status %d and %q, want status %d", c.room, c.status, got, &said, c.want)
		}
	}
}
