package pacejournal

import (
	"encoding/json"
	"time"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// A memory keeps what a throttle has learned and used, in the journal. It belongs to one
// goroutine at a time.
type memory struct {
	throttle *pipeline.Throttle // nil: none
	clock    clock.Clock
	kept     time.Time // when it was kept last
}

// keepEvery is how far apart a throttle is kept. A process that is killed forgets no more
// than what it used of budgets in that time.
const keepEvery = time.Second

// newMemory returns that of a pipeline. A chain has several throttles, and none of them is kept.
func newMemory(p any) memory {
	m := memory{clock: clock.Real()}
	if p, ok := p.(interface{ Throttle() *pipeline.Throttle }); ok {
		m.throttle = p.Throttle()
		if c := m.throttle.Config().Clock; c != nil {
			m.clock = c
		}
	}
	return m
}

// recall gives the throttle what the journal has kept. What cannot be read is from
// another version, and is not missed for long.
func (m *memory) recall(o *owner) error {
	if m.throttle == nil {
		return nil
	}
	var kept string
	err := o.read(func(s *store) (err error) {
		kept, err = s.about("throttle")
		return err
	})
	var c pipeline.Checkpoint
	if err == nil && json.Unmarshal([]byte(kept), &c) == nil {
		m.throttle.Resume(c)
	}
	return err
}

// A note is a checkpoint to be kept; "": there is none.
type note string

func (n note) save(s *store) error {
	if n == "" {
		return nil
	}
	return s.setAbout("throttle", string(n))
}

// note returns a checkpoint if it is time for one.
func (m *memory) note() note {
	if m.throttle == nil || m.clock.Since(m.kept) < keepEvery {
		return ""
	}
	return m.last()
}

// last returns a checkpoint.
func (m *memory) last() note {
	if m.throttle == nil {
		return ""
	}
	m.kept = m.clock.Now()
	text, err := json.Marshal(m.throttle.Checkpoint())
	if err != nil {
		return "" // it is plain data
	}
	return note(text)
}
