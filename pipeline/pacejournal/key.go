package pacejournal

import (
	"fmt"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/paceline-go/paceline/pipeline"
)

// keyOf returns the key of a job, or the error of the job that has none.
func (j *Journal[In, Out]) keyOf(in In) (key string, err error) {
	if err := guard(func() error { key = j.key(in); return nil }); err != nil {
		return "", err
	}
	if key == "" || !utf8.ValidString(key) || strings.IndexByte(key, 0) >= 0 {
		return "", fmt.Errorf("key of a job: got %q, want text of at least one byte, without NUL", key)
	}
	return key, nil
}

// guard calls code of the user's. Its panic is an error.
func guard(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &pipeline.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return do()
}
