package pacepage

import (
	"maps"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// ears are what a board listens with; they hear nothing by themselves.
type ears struct {
	all     []*ear
	stopped int
}

func (e *ears) attend(name string, _ *pipeline.Throttle) *ear {
	one := &ear{name: name, ended: make(chan struct{}), stop: func() { e.stopped++ }}
	e.all = append(e.all, one) // a throttle would hold it
	return one
}

func TestNobodyIsListenedToForEver(t *testing.T) {
	var e ears
	b := newBoard(e.attend)
	b.sample(time.Unix(1, 0), maps.All(map[string]*pipeline.Throttle{"a": throttle(t), "b": throttle(t), "c": throttle(t)}))
	for _, step := range []struct {
		then    map[string]*pipeline.Throttle
		stopped int
	}{
		{map[string]*pipeline.Throttle{"a": throttle(t), "b": throttle(t)}, 3}, // others of the same names
		{nil, 5},
	} {
		b.sample(time.Unix(2, 0), maps.All(step.then))
		if e.stopped != step.stopped {
			t.Errorf("stopped to listen to %d, want %d", e.stopped, step.stopped)
		}
	}
	b.sample(time.Unix(3, 0), maps.All(one("a", throttle(t))))
	b.leave()
	if e.stopped != 6 || len(e.all) != 6 {
		t.Errorf("stopped to listen to %d of %d, want all 6", e.stopped, len(e.all))
	}
}

func TestWhatWasOnItsWayIsNotTakenForAnothers(t *testing.T) {
	var e ears
	b := newBoard(e.attend)
	b.sample(time.Unix(1, 0), maps.All(one("a", throttle(t))))
	b.sample(time.Unix(2, 0), maps.All(one("a", throttle(t))))
	b.hear(heard{e.all[0], pipeline.Event{Kind: pipeline.EventClosed}})
	if got := b.whole(view{}).Events; len(got) != 0 {
		t.Errorf("got %+v of the one that was replaced, want nothing", got)
	}
	b.hear(heard{e.all[1], pipeline.Event{Kind: pipeline.EventClosed}})
	if got := b.whole(view{}).Events; len(got) != 1 {
		t.Errorf("got %+v, want the event of the one that is there", got)
	}
}

func TestOfManyThrottlesTheNewestEventsAreTold(t *testing.T) {
	var e ears
	b := newBoard(e.attend)
	b.sample(time.Unix(1, 0), maps.All(map[string]*pipeline.Throttle{"a": throttle(t), "b": throttle(t), "c": throttle(t)}))
	for i := range mostEntries {
		for _, from := range e.all {
			at := time.Unix(int64(1000*i), 0)
			b.hear(heard{from, pipeline.Event{Kind: pipeline.EventCircuitClosed, At: at}})
			b.hear(heard{from, pipeline.Event{Kind: pipeline.EventRetry, At: at}})
		}
	}
	all := b.whole(view{}).Events
	if len(all) != 2*mostEntries || all[len(all)-1].ID != 6*mostEntries {
		t.Errorf("got %d events up to %d, want %d up to %d", len(all), all[len(all)-1].ID, 2*mostEntries, 6*mostEntries)
	}
	for i := 1; i < len(all); i++ {
		if all[i-1].ID >= all[i].ID {
			t.Fatalf("got %d before %d, want the oldest first", all[i-1].ID, all[i].ID)
		}
	}
	if alone := b.whole(view{one: true, throttle: "a"}).Events; len(alone) != 2*mostEntries || alone[0].Throttle != "a" {
		t.Errorf("got %d events of one alone, want %d", len(alone), 2*mostEntries)
	}
}
