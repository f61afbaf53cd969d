package spool

import (
	"errors"
	"io"
)

// A file is what blocks are written to.
type file interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
}

// segmentSize is how long a file grows until another one is begun, so that what has been read
// again does not take space for long. Chosen.
const segmentSize = 64 << 20

// A segment is a file and what is used of it.
type segment struct {
	file
	end  int64 // of what is written
	live int   // blocks that were not read
}

func (s *segment) read(data []byte, at int64) error {
	_, err := s.ReadAt(data, at)
	return err
}

// files are those that blocks are in. Each but the newest is closed when its last block has
// been read.
type files struct {
	create func() (file, error)
	newest *segment // nil: none
}

func (f *files) write(data []byte) (in *segment, at int64, err error) {
	if f.newest != nil && f.newest.end >= segmentSize {
		if f.newest.live == 0 {
			_ = f.newest.Close()
		}
		f.newest = nil
	}
	if f.newest == nil {
		created, err := f.create()
		if err != nil {
			return nil, 0, err
		}
		f.newest = &segment{file: created}
	}
	s := f.newest
	if _, err := s.WriteAt(data, s.end); err != nil {
		return nil, 0, errors.Join(err, s.Truncate(s.end)) // give back what was written of it
	}
	at = s.end
	s.end += int64(len(data))
	s.live++
	return s, at, nil
}

// release gives back the space of a block, if it is at the end of the newest file or the last
// of its own.
func (f *files) release(b block) {
	s := b.in
	s.live--
	switch {
	case s != f.newest:
		if s.live == 0 {
			_ = s.Close()
		}
		return
	case s.live == 0:
		s.end = 0
	case b.at+int64(b.size) == s.end:
		s.end = b.at
	default:
		return
	}
	_ = s.Truncate(s.end) // it would be written over
}

func (f *files) close() error {
	if f.newest == nil {
		return nil
	}
	s := f.newest
	f.newest = nil
	return s.Close()
}
