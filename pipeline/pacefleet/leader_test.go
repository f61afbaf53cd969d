package pacefleet

import (
	"slices"
	"testing"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A report is answered when a lease is to be renewed. In between, a grant is sent where it
// matters: more slots to who waits for them, and less to all when there are less.
func TestGrantsAreSentWhereTheyMatter(t *testing.T) {
	now := time.Unix(0, 0)
	d := newLeader(now, limits{policy: controller.Static{}, bounds: controller.Bounds{InitialLimit: 10, MaxLimit: 10}}, nil)
	reports := map[string]*report{"a": {Member: "a"}, "b": {Member: "b"}}
	tell := func(name string, hungry bool) {
		r := reports[name]
		r.Number++
		r.Sent, r.Hungry.Limit = now, hungry
		d.hear(now, *r)
	}
	step := func(what string, want ...string) {
		t.Helper()
		var got []string
		for _, g := range d.decide(now) {
			r := reports[g.to]
			r.Term, r.Grant, r.Share = g.Term, g.Number, g.Share
			got = append(got, g.to)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got grants to %v, want %v", what, got, want)
		}
		now = now.Add(reportEvery / 4)
	}
	tell("a", false)
	tell("b", false)
	step("the first reports", "a", "b")
	tell("a", false)
	tell("b", false)
	step("both know what they have")
	tell("a", false)
	step("a report that changes nothing")
	tell("a", false)
	tell("b", false)
	step("leases are to be renewed", "a", "b")
	tell("b", true)
	step("another waits for slots that are not used")
	now = now.Add(reportEvery / 2)
	tell("a", false)
	step("its lease is to be renewed", "a")
	tell("a", false)
	step("it has given its slots back", "b")
	if a, b := reports["a"].Share.Limit, reports["b"].Share.Limit; a != 1 || b != 9 {
		t.Errorf("got %d and %d slots, want that who has work gets all but one", a, b)
	}
	tell("b", true)
	d.put(now, controller.Setting{Limit: 4})
	step("there are less", "b")
}
