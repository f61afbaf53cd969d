package spool

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"pgregory.net/rapid"
)

var errFull = errors.New("no space left")

// A disk counts its open files, and can be full or broken.
type disk struct {
	open   int
	full   bool
	broken bool
	long   int64 // the longest that a file has been
}

type diskFile struct {
	*disk
	data []byte
}

func (d *disk) create() (file, error) {
	if d.full {
		return nil, errFull
	}
	d.open++
	return &diskFile{disk: d}, nil
}

func (f *diskFile) WriteAt(data []byte, at int64) (int, error) {
	if f.full {
		f.data = append(f.data[:at], data[:len(data)/2]...)
		return len(data) / 2, errFull
	}
	f.data = append(f.data[:at], data...)
	f.long = max(f.long, int64(len(f.data)))
	return len(data), nil
}

func (f *diskFile) ReadAt(data []byte, at int64) (int, error) {
	if f.broken {
		return 0, errFull
	}
	return copy(data, f.data[at:]), nil
}

func (f *diskFile) Truncate(size int64) error { f.data = f.data[:size]; return nil }
func (f *diskFile) Close() error              { f.open--; return nil }

func on(d *disk) *Spool {
	s := New("")
	s.chunk, s.files.create = 64, d.create
	return s
}

func number(n int) []byte { return binary.AppendUvarint(make([]byte, n%5), uint64(n)) }

// TestASpoolIsAQueue compares it with a slice: also while the disk is full, when nothing that
// was added is lost.
func TestASpoolIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := new(disk)
		s := on(d)
		var want []string
		for n := range rapid.IntRange(0, 300).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"add", "add", "add", "add many", "first", "last", "full"}).Draw(t, "step") {
			case "full":
				d.full = !d.full
			case "add many":
				for range 20 {
					if s.Flush() != nil {
						break
					}
					s.Add(number(n))
					want = append(want, string(number(n)))
				}
			case "add":
				if err := s.Flush(); err != nil {
					if !d.full || !errors.Is(err, errFull) {
						t.Fatalf("got %v, want none", err)
					}
					break
				}
				s.Add(number(n))
				want = append(want, string(number(n)))
			case "first":
				got, lost, err := s.TakeFirst()
				if err != nil || lost != 0 || (got == nil) != (len(want) == 0) {
					t.Fatalf("got %q, %d, %v, want %q", got, lost, err, want)
				}
				if got != nil {
					if string(got) != want[0] {
						t.Fatalf("got %q first, want %q", got, want[0])
					}
					want = want[1:]
				}
			case "last":
				got, lost, err := s.TakeLast()
				if err != nil || lost != 0 || (got == nil) != (len(want) == 0) {
					t.Fatalf("got %q, %d, %v, want %q", got, lost, err, want)
				}
				if got != nil {
					if string(got) != want[len(want)-1] {
						t.Fatalf("got %q last, want %q", got, want[len(want)-1])
					}
					want = want[:len(want)-1]
				}
			}
			if s.Len() != len(want) || s.OnDisk() > s.Len() || s.tail.size() > 2*s.chunk || s.front.size() > 2*s.chunk {
				t.Fatalf("got %d, of them %d on disk, %d bytes in memory, want %d, and few in memory", s.Len(), s.OnDisk(), s.front.size()+s.tail.size(), len(want))
			}
		}
		if err := s.Close(); err != nil || d.open != 0 {
			t.Fatalf("got %v and %d open files, want none", err, d.open)
		}
	})
}

// TestWhatCannotBeReadIsCounted: of a broken disk's blocks, what is lost is told, and the rest comes.
func TestWhatCannotBeReadIsCounted(t *testing.T) {
	for _, take := range []func(*Spool) ([]byte, int, error){(*Spool).TakeFirst, (*Spool).TakeLast} {
		d := new(disk)
		s := on(d)
		const all = 1000
		for n := range all {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			s.Add(number(n))
		}
		d.broken = true
		got, gone := 0, 0
		for s.Len() > 0 {
			record, lost, err := take(s)
			if (err != nil) != (record == nil) || (err != nil) != (lost > 0) {
				t.Fatalf("got %q, %d, %v", record, lost, err)
			}
			if gone += lost; record != nil {
				got++
			}
		}
		if got+gone != all || gone < all/2 || s.Close() != nil || d.open != 0 {
			t.Errorf("got %d and %d lost of %d, %d open files", got, gone, all, d.open)
		}
	}
}

// TestTheFilesAreNotSeen: what is in the directory while a spool is used is nothing, so that a process that is
// killed leaves nothing there.
func TestTheFilesAreNotSeen(t *testing.T) {
	dir := t.TempDir()
	s := New(dir)
	for range 4 * chunk / 1024 {
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		s.Add(make([]byte, 1024))
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 || s.OnDisk() == 0 {
		t.Errorf("got %v, %v and %d records on disk, want no name, and some", left, err, s.OnDisk())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestSpaceIsUsedAgain: a stack that grows and shrinks does not grow its file.
func TestSpaceIsUsedAgain(t *testing.T) {
	d := new(disk)
	s := on(d)
	for range 100 {
		for n := range 100 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
			s.Add(number(n))
		}
		for range 100 {
			if record, _, err := s.TakeLast(); record == nil || err != nil {
				t.Fatal(record, err)
			}
		}
	}
	if d.long > 1000 || d.open != 1 {
		t.Errorf("got a file of %d bytes, %d open, want one as long as a hundred records", d.long, d.open)
	}
}
