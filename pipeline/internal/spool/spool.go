// Package spool keeps a queue of records that is too long for memory in files.
//
//	taken first ◀── front ◀── blocks, in files ◀── tail ◀── added
//	                                                 └──▶ taken last
//
// Few records are in memory: those of the block that is being read, and those that are too
// few to be written yet. Nothing is left of the files when the process has ended, however it
// ends, where a file that is open can be removed.
package spool

import (
	"fmt"
	"os"
	"slices"
)

// chunk is how many bytes of records gather in memory before the older half is written.
// Chosen: large enough that a read or write costs little for each record.
const chunk = 256 << 10

// A Spool is a queue of records with two ends. It belongs to one goroutine. Make one with
// New.
type Spool struct {
	chunk  int
	files  files
	front  buffer
	blocks []block // the oldest first
	tail   buffer
	onDisk int // records
}

// A block is some records in a file.
type block struct {
	in      *segment
	at      int64
	size    int
	records int
}

// New returns an empty spool whose files are in dir, or in the directory for temporary files
// if that is "". It makes none before it needs one.
func New(dir string) *Spool {
	return &Spool{chunk: chunk, files: files{create: func() (file, error) { return createTemp(dir) }}}
}

// Len returns how many records there are.
func (s *Spool) Len() int { return s.front.len() + s.onDisk + s.tail.len() }

// OnDisk returns how many of them are in files.
func (s *Spool) OnDisk() int { return s.onDisk }

// Flush writes the older half of what has gathered, if that is enough to be worth it. If
// that fails, everything stays in memory. To keep memory bounded, call it before each Add, and
// add nothing after an error.
func (s *Spool) Flush() error {
	if s.tail.size() < s.chunk {
		return nil
	}
	half := s.tail.cut(s.chunk / 2)
	in, at, err := s.files.write(half.data)
	if err != nil {
		s.tail.putBack(half)
		return fmt.Errorf("spill: %w", err)
	}
	s.blocks = append(s.blocks, block{in: in, at: at, size: len(half.data), records: half.len()})
	s.onDisk += half.len()
	return nil
}

// Add adds a record, in memory.
func (s *Spool) Add(record []byte) { s.tail.add(record) }

// TakeFirst removes and returns the oldest record, nil if there is none. After an error, the
// given number of records is lost.
func (s *Spool) TakeFirst() (record []byte, lost int, err error) {
	if s.front.len() == 0 {
		if len(s.blocks) == 0 {
			s.front, s.tail = s.tail, buffer{}
		} else {
			first := s.blocks[0]
			s.blocks = s.blocks[1:]
			if s.front, err = s.load(first); err != nil {
				return nil, first.records, err
			}
		}
	}
	return s.front.takeFirst(), 0, nil
}

// TakeLast is TakeFirst for the youngest record.
func (s *Spool) TakeLast() (record []byte, lost int, err error) {
	if s.tail.len() == 0 {
		if len(s.blocks) == 0 {
			s.tail, s.front = s.front, buffer{}
		} else {
			last := s.blocks[len(s.blocks)-1]
			s.blocks = s.blocks[:len(s.blocks)-1]
			if s.tail, err = s.load(last); err != nil {
				return nil, last.records, err
			}
		}
	}
	return s.tail.takeLast(), 0, nil
}

func (s *Spool) load(b block) (buffer, error) {
	s.onDisk -= b.records
	data := make([]byte, b.size)
	err := b.in.read(data, b.at)
	s.files.release(b)
	if err != nil {
		return buffer{}, fmt.Errorf("spill: read what was written before: %w", err)
	}
	return parse(data)
}

// Close removes all records and files.
func (s *Spool) Close() error {
	s.front, s.tail, s.onDisk = buffer{}, buffer{}, 0
	for _, b := range slices.Backward(s.blocks) {
		s.files.release(b)
	}
	s.blocks = nil
	return s.files.close()
}

// createTemp returns a file that is removed already, or, where that cannot be done, when it is
// closed.
func createTemp(dir string) (file, error) {
	f, err := os.CreateTemp(dir, "paceline-spill-*")
	if err != nil {
		return nil, err
	}
	if os.Remove(f.Name()) == nil {
		return f, nil
	}
	return removed{f}, nil
}

// removed is a file that has to be removed when it is closed.
type removed struct{ *os.File }

func (f removed) Close() error {
	err := f.File.Close()
	if gone := os.Remove(f.Name()); err == nil {
		err = gone
	}
	return err
}
