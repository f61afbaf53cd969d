package pacepage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

type snapshotOfKeys = pipeline.KeyedSnapshot[string]

// shown returns a page of keys that are as s says, until the test ends.
func shown(t *testing.T, snapshot func() snapshotOfKeys) func() doc {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	page := Keys(ctx, snapshot)
	return func() doc { return data(t, page, "") }
}

func TestWhatIsHeldUpComesFirst(t *testing.T) {
	key := func(name string, s pipeline.Snapshot) pipeline.KeySnapshot[string] {
		return pipeline.KeySnapshot[string]{Key: name, Snapshot: s}
	}
	var s snapshotOfKeys
	for i := range 100 {
		s.Keys = append(s.Keys, key(fmt.Sprint("busy ", i), pipeline.Snapshot{InFlight: 1 + i/2}))
	}
	s.Keys = append(s.Keys,
		key("many wait", pipeline.Snapshot{Waiting: 500, HeldBy: pipeline.HeldByLimit, InFlight: 5}),
		key("few wait", pipeline.Snapshot{Waiting: 5, HeldBy: pipeline.HeldByPace}),
		key("paused", pipeline.Snapshot{PausedFor: time.Second}),
		key("down", pipeline.Snapshot{State: pipeline.Down, InFlight: 1}),
		key("circuit", pipeline.Snapshot{State: pipeline.CircuitOpen, Waiting: 2, HeldBy: pipeline.HeldByCircuit}),
		key("budget", pipeline.Snapshot{Waiting: 3, HeldBy: pipeline.HeldByBudget}),
		key("server", pipeline.Snapshot{Waiting: 4, HeldBy: pipeline.HeldByServer}),
	)
	s.Idle = 1000
	d := shown(t, func() snapshotOfKeys { return s })().Keys
	var got []string
	for i, row := range d.Rows {
		got = append(got, row.Key)
		if row.HeldUp != (i < 7) {
			t.Errorf("%s: held up is %v", row.Key, row.HeldUp)
		}
	}
	want := []string{"server", "budget", "circuit", "many wait", "few wait", "down", "paused", "busy 98", "busy 99", "busy 96"}
	if len(got) != mostRows || !slices.Equal(got[:len(want)], want) {
		t.Errorf("got %d: %q, want %d, the first of them %q", len(got), got, mostRows, want)
	}
	if d.Count != 1107 || d.HeldUp != 7 {
		t.Errorf("got %d keys, %d held up, want 1107 and 7", d.Count, d.HeldUp)
	}
}

func TestMoreKeysAreHeldUpThanThereAreRows(t *testing.T) {
	var s snapshotOfKeys
	for i := range 3 * mostRows {
		s.Keys = append(s.Keys, pipeline.KeySnapshot[string]{Key: fmt.Sprint(i), Snapshot: pipeline.Snapshot{Waiting: i + 1}})
	}
	d := shown(t, func() snapshotOfKeys { return s })().Keys
	if d.HeldUp != 3*mostRows || len(d.Rows) != mostRows || d.Rows[0].Key != "149" || d.Rows[mostRows-1].Key != "100" {
		t.Errorf("got %d held up, rows %+v, want those with the most jobs waiting", d.HeldUp, d.Rows)
	}
}

// Nobody is asked while nobody looks, nobody twice in a second, and less often where that takes long.
func TestKeysAreAskedOnlyForThoseWhoLook(t *testing.T) {
	for takes, want := range map[time.Duration]int{0: 60, 100 * time.Millisecond: 20, 500 * time.Millisecond: 6} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			page := Keys(ctx, func() snapshotOfKeys {
				asked++
				time.Sleep(takes)
				return snapshotOfKeys{}
			}).(*page)
			time.Sleep(time.Hour)
			synctest.Wait()
			if asked != 0 {
				t.Errorf("asked %d times, want never: nobody looks", asked)
			}
			for range 5 {
				data(t, page, "")
			}
			if asked != 1 {
				t.Errorf("asked %d times for five who came at once, want once", asked)
			}
			v := newViewer(view{})
			if _, err := page.admit(ctx, v); err != nil {
				t.Fatal(err)
			}
			for range 60 {
				<-v.told
			}
			close(v.left)
			time.Sleep(time.Hour)
			synctest.Wait()
			if asked < want-1 || asked > want+1 {
				t.Errorf("%v each: asked %d times in a minute in which one looked, want about %d", takes, asked, want)
			}
		})
	}
}

func TestRatesAreThoseSinceTheLookBefore(t *testing.T) {
	keyed := func(completed, refused int64) pipeline.KeySnapshot[string] {
		k := pipeline.KeySnapshot[string]{Key: "a", Snapshot: pipeline.Snapshot{Completed: completed}}
		k.Attempts.Overloaded = refused
		return k
	}
	alone := func(k pipeline.KeySnapshot[string]) snapshotOfKeys {
		return snapshotOfKeys{Completed: k.Completed, Keys: []pipeline.KeySnapshot[string]{k}}
	}
	for _, test := range []struct {
		name          string
		first, second snapshotOfKeys
		after         time.Duration
		sum, row      float64 // goodput; negative: not known
	}{
		{"of keys", alone(keyed(10, 0)), alone(keyed(30, 0)), 2 * time.Second, 10, 10},
		{"of runs", snapshotOfKeys{Buffer: 9, Completed: 100, Idle: 5, Keys: []pipeline.KeySnapshot[string]{keyed(10, 0)}},
			snapshotOfKeys{Buffer: 9, Completed: 200, Idle: 5, Keys: []pipeline.KeySnapshot[string]{keyed(10, 0)}}, 2 * time.Second, 50, 0},
		{"idle keys were not asked", snapshotOfKeys{Keys: []pipeline.KeySnapshot[string]{keyed(10, 0)}, Idle: 1},
			snapshotOfKeys{Keys: []pipeline.KeySnapshot[string]{keyed(30, 0)}, Idle: 1}, 2 * time.Second, -1, 10},
		{"a key that was idle", snapshotOfKeys{Idle: 1}, alone(keyed(30, 0)), 2 * time.Second, -1, -1},
		{"a key that is made anew", alone(keyed(10, 0)),
			alone(keyed(5, 0)), 2 * time.Second, 0, 0},
		{"long ago", alone(keyed(10, 0)), alone(keyed(30, 0)), time.Hour, -1, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := test.first
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				page := Keys(ctx, func() snapshotOfKeys { return now })
				first := data(t, page, "").Keys
				if first.Goodput != nil {
					t.Errorf("at first: got %v a second, want null", *first.Goodput)
				}
				now = test.second
				time.Sleep(test.after)
				second := data(t, page, "").Keys
				for name, c := range map[string]struct {
					got  *float64
					want float64
				}{"sum": {second.Goodput, test.sum}, "row": {second.Rows[0].Goodput, test.row}} {
					if (c.got == nil) != (c.want < 0) || c.got != nil && *c.got != c.want {
						t.Errorf("%s: got %v, want %v", name, c.got, c.want)
					}
				}
				if known := test.second.Buffer > 0 || test.second.Idle == 0; (second.Completed != nil) != known {
					t.Errorf("got %v done in all, want that to be known: %v", second.Completed, known)
				}
			})
		})
	}
}

func TestTheRunsOfAPipelineByKeyAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{Each: pipeline.Config{Policy: pipeline.Static{}}, Buffer: 8})
		if err != nil {
			t.Fatal(err)
		}
		hosts.Throttle("idle")
		hosts.Throttle("paused").RecordFailure(pipeline.Overloaded(errors.New("429"), time.Hour))
		crawl := pipeline.ByKey(hosts, func(int) string { return "paused" }, func(context.Context, int) (int, error) { return 0, nil })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		jobs := make(chan int, 100)
		for range cap(jobs) {
			jobs <- 1
		}
		results := crawl.Run(ctx, jobs)
		time.Sleep(time.Second)
		synctest.Wait()
		page := Keys(ctx, crawl.Busy)
		d := data(t, page, "").Keys
		if d.Count != 2 || d.HeldUp != 1 || d.Buffer != 8 || d.Inside < 1 || d.StoppedBy != "paused" || d.Completed == nil || *d.Completed != 0 {
			t.Errorf("got %+v", d)
		}
		if row := d.Rows[0]; len(d.Rows) != 1 || row.Key != "paused" || row.Snapshot["held_by"] != "server" || row.Snapshot["last_error"] != "429" {
			t.Errorf("got %+v, want the one that is paused", d.Rows)
		}
		cancel()
		for range results {
		}
	})
}

func TestTheMembersOfAPoolAreTold(t *testing.T) {
	cfg := pipeline.Config{Policy: pipeline.Static{}, Breaker: &pipeline.Breaker{Failures: 1, OpenFor: time.Hour}, Spread: -1}
	pool, err := pipeline.NewPool(pipeline.Member[int]{Name: "a", Config: cfg}, pipeline.Member[int]{Name: "b", Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	pool.Throttle("b").RecordFailure(errors.New("503"))
	pool.Throttle("a").RecordSuccess(time.Millisecond, 0)
	d := shown(t, pool.Snapshot)()
	if k := d.Keys; k.Count != 2 || k.HeldUp != 1 || *k.Completed != 1 || k.Rows[0].Key != "b" || !k.Rows[0].HeldUp || k.Rows[1].HeldUp {
		t.Errorf("got %+v, want b first, whose circuit is open", k)
	}
	if len(d.Throttles) != 0 || len(d.Events) != 0 {
		t.Errorf("got %+v, want keys alone", d)
	}
}

// TestNothingOfTheSnapshotOfKeysIsLeftOut is for fields that are added to it.
func TestNothingOfTheSnapshotOfKeysIsLeftOut(t *testing.T) {
	text, err := json.Marshal((&table[string]{snapshot: func() snapshotOfKeys { return snapshotOfKeys{} }}).look(time.Unix(1, 0)))
	if err != nil {
		t.Fatal(err)
	}
	var told map[string]any
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	word := regexp.MustCompile("[a-z0-9][A-Z]")
	renamed := map[string]string{"keys": "rows", "idle": "count"}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[snapshotOfKeys]()) {
		name := strings.ToLower(word.ReplaceAllStringFunc(field.Name, func(s string) string { return s[:1] + "_" + s[1:] }))
		if other, ok := renamed[name]; ok {
			name = other
		}
		if _, ok := told[name]; !ok {
			t.Errorf("%s is not told", name)
		}
	}
}

// BenchmarkKeys is a look at 100,000 keys, of which a hundred have something to do.
func BenchmarkKeys(b *testing.B) {
	const all = 100_000
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{Keep: all})
	if err != nil {
		b.Fatal(err)
	}
	for i := range all {
		t := hosts.Throttle(fmt.Sprint("host ", i))
		if i%1000 == 0 {
			t.RecordFailure(pipeline.Overloaded(errors.New("429"), time.Hour))
		}
	}
	for name, snapshot := range map[string]func() snapshotOfKeys{"busy": hosts.Busy, "all": hosts.Snapshot} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			t := &table[string]{snapshot: snapshot}
			for b.Loop() {
				t.look(time.Now())
			}
		})
	}
}
