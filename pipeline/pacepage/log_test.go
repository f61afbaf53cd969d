package pacepage

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// notes returns the log of events.
func notes(events ...pipeline.Event) *log {
	var l log
	for i, e := range events {
		l.add("geocoder", e, int64(i+1), 1)
	}
	return &l
}

func pace(after time.Duration, kind pipeline.EventKind, from, to int) pipeline.Event {
	return pipeline.Event{
		Kind: kind, At: time.Unix(1000, 0).Add(after),
		From: pipeline.Setting{Limit: from, Interval: time.Millisecond}, To: pipeline.Setting{Limit: to, Interval: time.Millisecond},
	}
}

func TestChangesOfPaceThatFollowEachOtherAreOne(t *testing.T) {
	l := notes(
		pace(0, pipeline.EventReaccelerated, 4, 8),
		pace(time.Second, pipeline.EventDecelerated, 8, 6),
		pace(9*time.Second, pipeline.EventReaccelerated, 6, 7),
		pace(10*time.Second, pipeline.EventReaccelerated, 7, 9),
	)
	if len(l.frequent) != 2 || len(l.rare) != 0 {
		t.Fatalf("got %d and %d entries, want 2 of the pace", len(l.frequent), len(l.rare))
	}
	first := l.frequent[0].document()
	if first.Text != "limit 4 → 7" || first.Times != 3 || first.At != 1000 || first.Until != 1009 || first.Kind != "reaccelerated" {
		t.Errorf("got %+v, want three in one", first)
	}
}

func TestACircuitIsToldStepByStep(t *testing.T) {
	at := time.Unix(1000, 0)
	l := notes(
		pipeline.Event{Kind: pipeline.EventCircuitOpened, At: at, Wait: 5 * time.Second, Err: errors.New("503")},
		pipeline.Event{Kind: pipeline.EventCircuitHalfOpen, At: at.Add(time.Second)},
		pipeline.Event{Kind: pipeline.EventCircuitOpened, At: at.Add(time.Second), Wait: 10 * time.Second},
		pipeline.Event{Kind: pipeline.EventCircuitClosed, At: at.Add(2 * time.Second)},
	)
	var texts []string
	for _, e := range l.rare {
		texts = append(texts, e.text())
	}
	want := "opened for 5 s: 503|half-open: asks whether the service is there again|opened for 10 s|closed: the service is there again"
	if got := strings.Join(texts, "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhetherTheServiceWorksIsToldStepByStep(t *testing.T) {
	at := time.Unix(1000, 0)
	l := notes(
		pipeline.Event{Kind: pipeline.EventNothingSucceeded, At: at, Err: errors.New("refused")},
		pipeline.Event{Kind: pipeline.EventDown, At: at, Err: errors.New("503")},
		pipeline.Event{Kind: pipeline.EventBack, At: at},
		pipeline.Event{Kind: pipeline.EventLimiterLearned, At: at, Limiter: pipeline.Limiter{
			Name: "requests", Requests: true, Kind: pipeline.FixedWindow, Limit: 50, Window: 5 * time.Second,
		}},
	)
	var texts []string
	for _, e := range l.rare {
		texts = append(texts, string(e.subject)+" "+e.text())
	}
	want := "service nothing has succeeded yet: refused|service taken for down: 503|service back|service has requests: a window of 5s with 50"
	if got := strings.Join(texts, "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAChangeOfPaceSaysWhy(t *testing.T) {
	e := pace(0, pipeline.EventDecelerated, 8, 6)
	e.To.Reason = pipeline.ReasonRefusedLimit
	if got, want := notes(e).frequent[0].text(), "limit 8 → 6: refused at this many"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// explosive is an error whose text nobody gets.
type explosive struct{}

func (explosive) Error() string { panic("oh") }

func TestAnErrorThatPanicsEndsNothing(t *testing.T) {
	if got := snapshotOf(pipeline.Snapshot{LastError: explosive{}}).LastError; got != "pacepage.explosive" {
		t.Errorf("got %q", got)
	}
}

func TestBudgetsAreToldApart(t *testing.T) {
	at := time.Unix(1000, 0)
	l := notes(
		pipeline.Event{Kind: pipeline.EventBudgetExhausted, At: at, Budget: "day", Wait: time.Hour},
		pipeline.Event{Kind: pipeline.EventBudgetExhausted, At: at, Budget: "minute", Wait: time.Second},
		pipeline.Event{Kind: pipeline.EventBudgetRestored, At: at.Add(time.Second), Budget: "minute"},
	)
	if len(l.rare) != 2 || l.rare[0].text() != "day: exhausted for 1h0m0s" || l.rare[1].text() != "minute: room again" {
		t.Errorf("got %d entries: %s, %s", len(l.rare), l.rare[0].text(), l.rare[1].text())
	}
}

func TestWhatIsFrequentPushesNothingElseOut(t *testing.T) {
	var l log
	l.add("geocoder", pipeline.Event{Kind: pipeline.EventCircuitOpened, At: time.Unix(1000, 0)}, 1, 1)
	for i := range 10_000 {
		l.add("geocoder", pace(time.Duration(i)*time.Minute, pipeline.EventDecelerated, 2, 1), int64(i+2), 1)
	}
	if len(l.rare) != 1 || len(l.frequent) != mostEntries || l.frequent[mostEntries-1].id != 10_001 {
		t.Errorf("got %d and %d entries, want 1 and the newest %d", len(l.rare), len(l.frequent), mostEntries)
	}
}

func TestALongErrorIsCut(t *testing.T) {
	l := notes(pipeline.Event{Kind: pipeline.EventRetry, Err: errors.New(strings.Repeat("é", 10_000))})
	if got := l.frequent[0].text(); len(got) > mostText+50 || !strings.HasSuffix(got, "é…") {
		t.Errorf("got %d bytes that end in %q", len(got), got[len(got)-8:])
	}
	if l.frequent[0].last.Err != nil {
		t.Error("the error itself is kept")
	}
}

func TestDurationsAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 1234 * time.Nanosecond: "1.23 µs", 4567 * time.Microsecond: "4.57 ms", 59_900 * time.Millisecond: "59.9 s",
		90 * time.Second: "1m30s", 25*time.Hour + time.Second: "25h0m1s",
	} {
		if got := short(d); got != want {
			t.Errorf("%d: got %q, want %q", d, got, want)
		}
	}
}
