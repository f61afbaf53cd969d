package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// summary is what is said at the end.
type summary struct {
	texts   int
	results int
	vectors map[string]vector
	wrong   []string // texts that are at fault
	failed  []string
	calls   int64
	again   int64 // texts that failed in a call that others did not fail in
	tokens  int64
	took    time.Duration
}

func (s *summary) add(r pipeline.Result[string, vector]) {
	s.results++
	switch {
	case r.Err == nil:
		s.vectors[r.In] = r.Out
	case errors.Is(r.Err, pipeline.ErrClosed):
		// it was not sent
	case r.Err.Error() == invalid:
		s.wrong = append(s.wrong, fmt.Sprintf("%.24q, %d bytes: %v", r.In, len(r.In), r.Err))
	default:
		s.failed = append(s.failed, fmt.Sprintf("%q: %v", r.In, r.Err))
	}
}

// complete says whether each text is accounted for.
func (s *summary) complete() bool { return len(s.vectors)+len(s.wrong) == s.texts }

func (s *summary) print(out io.Writer, like string) {
	line := func(what, format string, args ...any) {
		fmt.Fprintf(out, "%-10s"+format+"\n", append([]any{what}, args...)...)
	}
	line("embedded", "%s of %s texts, in %d calls, for %s tokens, in %.1f s",
		comma(int64(len(s.vectors))), comma(int64(s.texts)), s.calls, comma(s.tokens), s.took.Seconds())
	line("again", "%s texts failed in a call that was good for the others, and were tried again alone", comma(s.again))
	for _, text := range s.wrong {
		line("wrong", "%s", text)
	}
	for i, text := range s.failed {
		if i == 5 {
			line("failed", "and %s more", comma(int64(len(s.failed)-i)))
			break
		}
		line("failed", "%s", text)
	}
	if n := s.texts - len(s.vectors) - len(s.wrong) - len(s.failed); n > 0 {
		line("left", "%s texts were not sent any more", comma(int64(n)))
	}
	if names := s.nearest(like, 5); len(names) > 0 {
		line("like", "%s: %s", like, strings.Join(names, ", "))
	}
}

// nearest returns the names that are most like one of them.
func (s *summary) nearest(like string, n int) []string {
	wanted, ok := s.vectors[like]
	if !ok {
		return nil
	}
	var names []string
	for name := range s.vectors {
		if name != like {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(likeness(s.vectors[b], wanted), likeness(s.vectors[a], wanted)), cmp.Compare(a, b))
	})
	return names[:min(n, len(names))]
}
