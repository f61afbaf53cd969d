package stage

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paceline-go/paceline/controller"
)

// jobsOf returns the jobs of a queue, and checks that its ends are right.
func jobsOf(t *rapid.T, q *queue) (jobs []*Job) {
	for j := q.first; j != nil; j = j.next {
		jobs = append(jobs, j)
		if j.next == nil && q.last != j {
			t.Fatal("the last of the queue is not its last")
		}
	}
	return jobs
}

func TestQueueIsFirstInFirstOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q, front queue
		var model, frontModel []*Job
		push := func(t *rapid.T) {
			j := &Job{Attempts: rapid.IntRange(0, 9).Draw(t, "job")}
			q.push(j)
			model = append(model, j)
		}
		t.Repeat(map[string]func(*rapid.T){
			"":     func(t *rapid.T) { check(t, jobsOf(t, &q), model) },
			"push": push,
			"pop": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				if j := q.pop(); j != model[0] || j.next != nil {
					t.Fatalf("popped %v, want %v by itself", j, model[0])
				}
				model = model[1:]
			},
			"push to the front queue": func(*rapid.T) {
				j := new(Job)
				front.push(j)
				frontModel = append(frontModel, j)
			},
			"put first": func(*rapid.T) {
				q.putFirst(&front)
				model = append(frontModel, model...)
				frontModel = nil
				if front.first != nil {
					t.Fatal("what was moved is still where it was")
				}
			},
			"remove one": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				j := model[i]
				if !j.queued {
					t.Fatal("a job in the queue does not know that it is")
				}
				q.remove(j)
				if j.next != nil || j.prev != nil || j.queued {
					t.Fatal("a removed job still has others with it")
				}
				model = slices.Delete(model, i, i+1)
			},
			"remove": func(t *rapid.T) {
				odd := func(j *Job) bool { return j.Attempts%2 == 1 }
				removed := q.removeAll(odd)
				var want []*Job
				for _, j := range model {
					if odd(j) {
						want = append(want, j)
					}
				}
				check(t, removed, want)
				for _, j := range removed {
					if j.next != nil {
						t.Fatal("a removed job still has others with it")
					}
				}
				model = slices.DeleteFunc(model, odd)
			},
		})
	})
}

func check(t *rapid.T, got, want []*Job) {
	if !slices.Equal(got, want) {
		t.Fatalf("got %d jobs, want %d, or another order", len(got), len(want))
	}
}

func TestResetJobIsANewOneOfTheSameWork(t *testing.T) {
	cost := Ask{Cost: 7, Weight: 2}
	j := &Job{Work: idle{}, Ask: cost, Attempts: 3, Waited: time.Second, Took: time.Second, Err: errService}
	j.again, j.skipped, j.failures, j.refusedAt = true, true, 2, time.Second
	j.Reset()
	if j.Err != nil || j.Attempts != 0 || j.Waited != 0 || j.Took != 0 {
		t.Errorf("what came of it before: %+v", j)
	}
	if j.Work != (idle{}) || j.Ask != cost {
		t.Errorf("its work and ask are %v, %v", j.Work, j.Ask)
	}
	// As a new job, it has all its attempts, and all the time for refusals.
	retry := controller.Retry{MaxAttempts: 2, GiveUpAfter: time.Second}
	r := rules{retry: &retry}
	j.ended = time.Hour
	if !r.attemptsLeft(j, false) || !r.attemptsLeft(j, true) || r.attemptsLeft(j, false) {
		t.Error("a job that is used again has not the attempts of a new one")
	}
	if j.again || j.skipped {
		t.Error("it is taken for one that is to be tried again, or was not tried")
	}
}
