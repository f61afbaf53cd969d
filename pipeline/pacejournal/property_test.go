package pacejournal

import (
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/pipeline"
)

// A story is a journal over several runs, of which each ends somehow: at its end, by a
// cancelled context, by a reader who leaves, a throttle that closes, or a process that is killed,
// which is what the files hold at that moment.
type story struct {
	*rapid.T
	dir, path string
	run       int
	stored    map[int]bool // jobs whose results were handed out as stored; true: it failed
	earlier   map[int]bool // those of them that were when the run began
	served    map[int]int  // how often a job was done, but for what the run that did it let go of
}

func TestEachJobIsInTheJournalOnceWheneverARunEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		s := &story{T: rt, dir: dir, path: filepath.Join(dir, "0.db"), stored: map[int]bool{}, served: map[int]int{}}
		for range rapid.IntRange(1, 5).Draw(rt, "runs") {
			s.play()
			s.run++
		}
		s.end()
	})
}

// An ending is how a run ends before its jobs are done.
type ending int

const (
	complete ending = iota
	canceled
	left
	closed
	killed
)

func (s *story) play() {
	jobs := rapid.SliceOfN(rapid.IntRange(0, 60), 0, 120).Draw(s.T, "jobs")
	ends := rapid.SampledFrom([]ending{complete, canceled, left, closed, killed}).Draw(s.T, "ends")
	after := rapid.IntRange(1, 80).Draw(s.T, "after")
	again := rapid.Bool().Draw(s.T, "again")
	workers := rapid.IntRange(1, 8).Draw(s.T, "workers")
	sync := rapid.Bool().Draw(s.T, "sync")

	j, err := Open[int, int](s.path, keyOfNumber, Options{Sync: sync})
	if err != nil {
		s.Fatal(err)
	}
	if again {
		s.again(j)
	}
	s.earlier = maps.Clone(s.stored)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	work := newCounted()
	p, err := pipeline.New(func(ctx context.Context, n int) (int, error) {
		work.calls <- n
		return badly(ctx, n)
	}, pipeline.Config{MaxConcurrency: workers, Policy: pipeline.Static{}})
	if err != nil {
		s.Fatal(err)
	}
	var taken, got []int
	count, copied := 0, ""
	for r := range j.Each(ctx, p, noting(&taken, jobs)) {
		s.check(r)
		got = append(got, r.In)
		if count++; count == after {
			switch ends {
			case canceled:
				cancel()
			case closed:
				p.Throttle().Close()
			case killed:
				copied = s.copy()
			}
		}
		if ends == left && count == after {
			break
		}
		if copied != "" {
			break
		}
	}
	if err := j.Close(); err != nil {
		s.Fatal(err)
	}
	if ends == complete && len(taken) != len(jobs) {
		s.Fatalf("took %d of %d jobs though nothing ended the run", len(taken), len(jobs))
	}
	if whole := slices.Sorted(slices.Values(taken)); ends != left && copied == "" && !slices.Equal(slices.Sorted(slices.Values(got)), whole) {
		s.Fatalf("got results of %v, want one of each of %v", got, whole)
	}
	s.count(work.done(), ends)
	if copied != "" {
		s.path = copied
	}
}

// noting are jobs of which those are noted that a run takes. One that ends early leaves
// the others where they are.
func noting(taken *[]int, jobs []int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for _, n := range jobs {
			*taken = append(*taken, n)
			if !yield(n) {
				return
			}
		}
	}
}

// check takes a result: what was stored must not be known otherwise than before.
func (s *story) check(r result) {
	failed, before := s.stored[r.In]
	_, earlier := s.earlier[r.In]
	switch {
	case earlier && !r.Known && r.Attempts > 0:
		s.Fatalf("run %d: job %d was done again, though its result was handed out", s.run, r.In)
	case !r.Stored:
		if r.Err == nil || r.Known {
			s.Fatalf("run %d: got %+v, not stored", s.run, r)
		}
	case r.Err == nil && r.Out != r.In*r.In, r.Err == nil && r.In%7 == 3, r.Err != nil && r.In%7 != 3, before && failed != (r.Err != nil):
		s.Fatalf("run %d: got %+v", s.run, r)
	default:
		s.stored[r.In] = r.Err != nil
	}
}

// again takes up what failed.
func (s *story) again(j *journal) {
	if _, err := j.Retry(); err != nil {
		s.Fatal(err)
	}
	for n, failed := range s.stored {
		if failed {
			delete(s.stored, n)
			delete(s.served, n)
		}
	}
}

// count checks that no job was done twice, though its result could be stored.
func (s *story) count(done []int, ends ending) {
	for _, n := range done {
		if s.served[n]++; s.served[n] > 1 {
			s.Fatalf("run %d: job %d was done again", s.run, n)
		}
	}
	for n := range s.served {
		bad := n%7 == 3 // a failure while the run ends is not final
		if _, stored := s.stored[n]; !stored && (ends == killed || ends != complete && bad) {
			delete(s.served, n)
		}
	}
}

// copy returns the path of what a killed process would leave now: the files as they are,
// while the owner may be at work.
func (s *story) copy() string {
	to := filepath.Join(s.dir, string(rune('a'+s.run))+".db")
	for _, ending := range []string{"", "-wal"} {
		from, err := os.Open(s.path + ending)
		if err != nil {
			s.Fatal(err)
		}
		data, err := io.ReadAll(from)
		if err := errors.Join(err, from.Close(), os.WriteFile(to+ending, data, 0o600)); err != nil {
			s.Fatal(err)
		}
	}
	return to
}

// end reads the journal: what was handed out is there, and each job once.
func (s *story) end() {
	j, err := Open[int, int](s.path, keyOfNumber, Options{})
	if err != nil {
		s.Fatal(err)
	}
	defer j.Close()
	entries := map[string]Entry[int]{}
	for e, err := range j.All() {
		if _, twice := entries[e.Key]; twice || err != nil {
			s.Fatalf("got %+v again, and %v", e, err)
		}
		entries[e.Key] = e
	}
	for n, failed := range s.stored {
		e, ok := entries[keyOfNumber(n)]
		if !ok || (e.Err != nil) != failed || !failed && e.Out != n*n {
			s.Errorf("job %d: got %+v, %v; want what was handed out", n, e, ok)
		}
	}
}
