package stage

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// retryModel is the retries as a plain list.
type retryModel []*Job

// first returns when the job is due that is to go on now.
func (m retryModel) first(now time.Time, slot bool, barred string) (due time.Time, ok bool) {
	for _, j := range m {
		if j.Resource != barred && (slot || j.holding) && !j.due.After(now) && (!ok || j.due.Before(due)) {
			due, ok = j.due, true
		}
	}
	return due, ok
}

func TestRetriesGoOnInTheOrderInWhichTheyAreDue(t *testing.T) {
	epoch := time.Unix(0, 0)
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return epoch.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "at")))
	})
	rapid.Check(t, func(t *rapid.T) {
		var r retries
		var model retryModel
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if n := r.holding.Len() + r.parked.Len(); n != len(model) {
					t.Fatalf("%d retries, want %d", n, len(model))
				}
			},
			"add": func(t *rapid.T) {
				j := &Job{holding: rapid.Bool().Draw(t, "holding")}
				j.Resource = rapid.SampledFrom([]string{"core", "graphql"}).Draw(t, "resource")
				j.due = at.Draw(t, "due")
				r.add(j)
				model = append(model, j)
			},
			"drop one": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				r.drop(model[i])
				if model[i].place != 0 {
					t.Fatal("a dropped job still has a place")
				}
				model = slices.Delete(model, i, i+1)
			},
			"take what is due": func(t *rapid.T) {
				now, slot := at.Draw(t, "now"), rapid.Bool().Draw(t, "slot")
				var passed bars
				barred := rapid.SampledFrom([]string{"none", "core", "graphql"}).Draw(t, "barred")
				passed.add(barred, time.Time{})
				j := r.due(now, slot, &passed)
				want, ok := model.first(now, slot, barred)
				switch {
				case !ok && j == nil:
					return
				case !ok || j == nil || !j.due.Equal(want):
					t.Fatalf("got %v, want one that is due at %v: %v", j, want, ok)
				case !slot && !j.holding:
					t.Fatal("got one that needs a slot, though there is none")
				}
				r.drop(j)
				i := slices.Index(model, j)
				if i < 0 {
					t.Fatal("it was taken before")
				}
				model = slices.Delete(model, i, i+1)
			},
			"remove": func(t *rapid.T) {
				n := rapid.IntRange(0, 20).Draw(t, "unwanted")
				unwanted := func(j *Job) bool { return int(j.due.UnixNano())%7 == n%7 }
				for _, j := range r.remove(unwanted) {
					i := slices.Index(model, j)
					if i < 0 || !unwanted(j) {
						t.Fatal("removed one that was wanted, or not there")
					}
					model = slices.Delete(model, i, i+1)
				}
				if slices.ContainsFunc(model, unwanted) {
					t.Fatal("one that is unwanted is still there")
				}
			},
		})
	})
}

// A retry that needs a slot must not hide one that has its own, or nothing would
// go on when all slots are held.
func TestRetryWithoutASlotDoesNotHideOneThatHoldsIts(t *testing.T) {
	now := time.Unix(100, 0)
	var r retries
	parked, holding := &Job{}, &Job{holding: true}
	parked.due, holding.due = now.Add(-2), now.Add(-1)
	r.add(parked)
	r.add(holding)
	if j := r.due(now, false, new(bars)); j != holding {
		t.Errorf("without a slot: got %p, want the one that holds one", j)
	}
	if j := r.due(now, true, new(bars)); j != parked {
		t.Errorf("with a slot: got %p, want the one that is due first", j)
	}
}

// Jobs that are done with must not be kept alive by the list they were in.
func TestRetriesForgetWhatWasTaken(t *testing.T) {
	var r retries
	for i := range 8 {
		j := new(Job)
		j.due = time.Unix(int64(i), 0)
		r.add(j)
	}
	r.drop(r.due(time.Unix(9, 0), true, new(bars)))
	r.remove(func(j *Job) bool { return j.due.Unix() < 4 })
	for _, j := range r.parked[r.parked.Len():cap(r.parked)] {
		if j != nil {
			t.Fatalf("the job due at %v is still held", j.due)
		}
	}
}
