package pacepage

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// The document that data.json answers with, and the stream tells; see the package's
// comment. Durations are in seconds.

type document struct {
	At        float64       `json:"at"`    // Unix time of the newest sample
	Back      float64       `json:"back"`  // how far the history goes
	Step      float64       `json:"step"`  // between its points
	Whole     bool          `json:"whole"` // false: what has changed since the one before
	Throttles []throttleDoc `json:"throttles"`
	Events    []eventDoc    `json:"events"`
	Keys      *keysDoc      `json:"keys,omitempty"` // of a page of keys alone; not changed any more
}

type throttleDoc struct {
	Name     string      `json:"name"`
	Snapshot snapshotDoc `json:"snapshot"`
	History  historyDoc  `json:"history"`
}

type keysDoc struct {
	At        float64  `json:"at"`
	Count     int      `json:"count"`
	HeldUp    int      `json:"held_up"`
	InFlight  int      `json:"in_flight"`
	Waiting   int      `json:"waiting"`
	Completed figure   `json:"completed"`
	Failed    figure   `json:"failed"`
	Retries   figure   `json:"retries"`
	Refusals  figure   `json:"refusals"`
	Goodput   figure   `json:"goodput"`
	Refused   figure   `json:"refused"`
	Inside    int      `json:"inside"`
	Buffer    int      `json:"buffer"`
	StoppedBy string   `json:"stopped_by"`
	Rows      []keyDoc `json:"rows"`
}

type keyDoc struct {
	Key      string      `json:"key"`
	HeldUp   bool        `json:"held_up"`
	Goodput  figure      `json:"goodput"`
	Refused  figure      `json:"refused"`
	Snapshot snapshotDoc `json:"snapshot"`
}

type snapshotDoc struct {
	State            string           `json:"state"`
	Reason           string           `json:"reason"`
	Limiters         []string         `json:"limiters"` // what is known of each
	LastError        string           `json:"last_error"`
	LastErrorAt      figure           `json:"last_error_at"`
	Circuit          string           `json:"circuit"`
	CircuitOpenFor   float64          `json:"circuit_open_for"`
	HeldBy           string           `json:"held_by"`
	Concurrency      int              `json:"concurrency"`
	MaxConcurrency   int              `json:"max_concurrency"`
	SafeCeiling      int              `json:"safe_ceiling"`
	InFlight         int              `json:"in_flight"`
	Waiting          int              `json:"waiting"`
	DispatchInterval float64          `json:"dispatch_interval"`
	PausedFor        float64          `json:"paused_for"`
	Refusing         bool             `json:"refusing"` // everything
	LastRefused      int64            `json:"last_refused"`
	SetAside         int              `json:"set_aside"` // jobs that are refused while others are accepted
	Quota            string           `json:"quota"`     // of the server's, used up; empty: none is
	Completed        int64            `json:"completed"`
	Failed           int64            `json:"failed"`
	Retries          int64            `json:"retries"`
	Hedges           int64            `json:"hedges"`
	Total            int64            `json:"total"`
	Percentage       float64          `json:"percentage"`
	ETA              figure           `json:"eta"`
	Attempts         attemptsDoc      `json:"attempts"`
	Tokens           int64            `json:"tokens"`
	Used             map[string]int64 `json:"used"`
	Held             heldTimesDoc     `json:"held"`
	FailureCount     int              `json:"failure_count"`
	Budgets          []budgetDoc      `json:"budgets"`
	DroppedEvents    int64            `json:"dropped_events"`
}

type attemptsDoc struct {
	Succeeded  int64 `json:"succeeded"`
	Failed     int64 `json:"failed"`
	Overloaded int64 `json:"overloaded"`
	Ignored    int64 `json:"ignored"`
}

type heldTimesDoc struct {
	Limit   float64 `json:"limit"`
	Pace    float64 `json:"pace"`
	Budget  float64 `json:"budget"`
	Rate    float64 `json:"rate"`
	Circuit float64 `json:"circuit"`
	Server  float64 `json:"server"`
}

type budgetDoc struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"` // tokens, requests, or the name of what is counted
	Tokens    int64   `json:"tokens"`
	Window    float64 `json:"window"` // 0: for ever
	Used      int64   `json:"used"`
	Remaining int64   `json:"remaining"`
}

// historyDoc has a column for each quantity, and in each a number for each step.
type historyDoc struct {
	T                []float64  `json:"t"`
	Concurrency      []figure   `json:"concurrency"`
	InFlight         []figure   `json:"in_flight"`
	Waiting          []figure   `json:"waiting"`
	DispatchInterval []figure   `json:"dispatch_interval"`
	Goodput          []figure   `json:"goodput"`
	Refused          []figure   `json:"refused"`
	Failed           []figure   `json:"failed"`
	Circuit          []string   `json:"circuit"`
	Held             heldDoc    `json:"held"`
	Budgets          [][]figure `json:"budgets"`
}

type heldDoc struct {
	Limit   []figure `json:"limit"`
	Pace    []figure `json:"pace"`
	Budget  []figure `json:"budget"`
	Rate    []figure `json:"rate"`
	Circuit []figure `json:"circuit"`
	Server  []figure `json:"server"`
}

type eventDoc struct {
	ID       int64   `json:"id"`
	Throttle string  `json:"throttle"`
	At       float64 `json:"at"`
	Until    float64 `json:"until"`
	Times    int     `json:"times"`
	Subject  subject `json:"subject"`
	Kind     string  `json:"kind"`
	Text     string  `json:"text"`
}

// A figure is a number with five digits, which is more than a chart can show; a
// whole one has all of them. It is null if it is not known.
type figure float64

var unknown = figure(math.NaN())

// MarshalJSON implements json.Marshaler.
func (f figure) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	if math.Trunc(float64(f)) == float64(f) {
		return strconv.AppendFloat(nil, float64(f), 'f', -1, 64), nil
	}
	return strconv.AppendFloat(nil, float64(f), 'g', 5, 64), nil
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func snapshotOf(s pipeline.Snapshot) snapshotDoc {
	d := snapshotDoc{
		State:            s.State.String(),
		Reason:           s.Reason.String(),
		LastError:        textOf(s.LastError),
		LastErrorAt:      unknown,
		Circuit:          s.Circuit.String(),
		CircuitOpenFor:   s.CircuitOpenFor.Seconds(),
		HeldBy:           s.HeldBy.String(),
		Concurrency:      s.Concurrency,
		MaxConcurrency:   s.MaxConcurrency,
		SafeCeiling:      s.SafeCeiling,
		InFlight:         s.InFlight,
		Waiting:          s.Waiting,
		DispatchInterval: s.DispatchInterval.Seconds(),
		PausedFor:        s.PausedFor.Seconds(),
		Refusing:         s.Refusing(),
		LastRefused:      s.LastRefused,
		SetAside:         s.SetAside,
		Quota:            s.Quota,
		Completed:        s.Completed,
		Failed:           s.Failed,
		Retries:          s.Retries,
		Hedges:           s.Hedges,
		Total:            s.Total,
		Percentage:       s.Percentage,
		ETA:              figure(s.ETA.Seconds()),
		Attempts:         attemptsDoc(s.Attempts),
		Tokens:           s.Tokens,
		Used:             s.Used,
		FailureCount:     s.FailureCount,
		Held: heldTimesDoc{
			Limit: s.Held.Limit.Seconds(), Pace: s.Held.Pace.Seconds(), Budget: s.Held.Budget.Seconds(),
			Rate: s.Held.Rate.Seconds(), Circuit: s.Held.Circuit.Seconds(), Server: s.Held.Server.Seconds(),
		},
		Budgets:       []budgetDoc{},
		Limiters:      []string{},
		DroppedEvents: s.DroppedEvents,
	}
	if s.ETA < 0 {
		d.ETA = unknown
	}
	if s.LastError != nil {
		d.LastErrorAt = figure(s.LastErrorAt.Unix())
	}
	for _, l := range s.Limiters {
		d.Limiters = append(d.Limiters, l.String())
	}
	for _, b := range s.Budgets {
		unit := cmp.Or(b.Counts, "tokens")
		if b.Requests {
			unit = "requests"
		}
		window := b.Window.Seconds()
		if b.Window == pipeline.Forever {
			window = 0
		}
		d.Budgets = append(d.Budgets, budgetDoc{
			Name: b.Name, Unit: unit, Tokens: b.Tokens, Window: window, Used: b.Used, Remaining: b.Remaining,
		})
	}
	return d
}

// historyOf turns buckets into columns; budgets is how many there are now.
func historyOf(r ring, budgets int) historyDoc {
	column := func(value func(b *bucket) figure) []figure {
		c := make([]figure, len(r))
		for i := range r {
			c[i] = value(&r[i])
		}
		return c
	}
	mean := func(sum func(b *bucket) float32) []figure {
		return column(func(b *bucket) figure { return ratio(sum(b), b.samples) })
	}
	rate := func(count func(b *bucket) float32) []figure {
		return column(func(b *bucket) figure { return ratio(count(b), b.seconds) })
	}
	held := func(cause int) []figure { return rate(func(b *bucket) float32 { return b.held[cause] }) }
	d := historyDoc{
		T:                make([]float64, len(r)),
		Concurrency:      mean(func(b *bucket) float32 { return b.limit }),
		InFlight:         mean(func(b *bucket) float32 { return b.inFlight }),
		Waiting:          mean(func(b *bucket) float32 { return b.waiting }),
		DispatchInterval: mean(func(b *bucket) float32 { return b.interval }),
		Goodput:          rate(func(b *bucket) float32 { return b.done }),
		Refused:          rate(func(b *bucket) float32 { return b.refused }),
		Failed:           rate(func(b *bucket) float32 { return b.failed }),
		Circuit:          make([]string, len(r)),
		Held: heldDoc{
			Limit: held(0), Pace: held(1), Budget: held(2), Rate: held(3), Circuit: held(4), Server: held(5),
		},
		Budgets: make([][]figure, budgets),
	}
	for i := range r {
		d.T[i] = unix(r[i].at)
		d.Circuit[i] = r[i].circuit.String()
	}
	for i := range d.Budgets {
		d.Budgets[i] = column(func(b *bucket) figure {
			if i >= len(b.used) {
				return unknown
			}
			return figure(b.used[i])
		})
	}
	return d
}

// ratio is unknown where nothing was measured.
func ratio(sum, of float32) figure {
	if of <= 0 {
		return unknown
	}
	return figure(sum / of)
}

// eventsOf returns the entries that belong to a view, the oldest first.
func eventsOf(entries []*entry, v view) []eventDoc {
	docs := []eventDoc{}
	for _, e := range entries {
		if !v.one || v.throttle == e.throttle {
			docs = append(docs, e.document())
		}
	}
	slices.SortFunc(docs, func(a, b eventDoc) int { return cmp.Compare(a.ID, b.ID) })
	return docs
}

func (e *entry) document() eventDoc {
	return eventDoc{
		ID: e.id, Throttle: e.throttle, At: unix(e.first.At), Until: unix(e.last.At), Times: e.times,
		Subject: e.subject, Kind: e.last.Kind.String(), Text: e.text(),
	}
}
