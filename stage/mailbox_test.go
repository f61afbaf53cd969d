package stage

import (
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

func TestMailboxKeepsTheOrderOfSending(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m mailbox
		var sent []*Job
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if m.empty() != (len(sent) == 0) {
					t.Fatalf("empty: %v with %d jobs in it", m.empty(), len(sent))
				}
			},
			"push": func(t *rapid.T) {
				var b Batch
				if !b.Empty() {
					t.Fatal("a new batch has jobs")
				}
				for range rapid.IntRange(1, 4).Draw(t, "jobs") {
					j := new(Job)
					b.Add(j)
					sent = append(sent, j)
				}
				if b.Empty() {
					t.Fatal("a batch with jobs is empty")
				}
				m.push(b)
			},
			"take": func(t *rapid.T) {
				list := m.takeAll()
				for _, want := range sent {
					if list.Empty() {
						t.Fatal("a job is missing")
					}
					if j := list.Pop(); j != want || j.next != nil {
						t.Fatal("another order, or a job that has others with it")
					}
				}
				if !list.Empty() || list.Pop() != nil {
					t.Fatal("there are more jobs than were sent")
				}
				sent = nil
			},
		})
	})
}

// Jobs are sent again as soon as they were taken: a push must not be misled by
// one that is the newest once more.
func TestMailboxLosesNothingWhoeverSends(t *testing.T) {
	const senders, each = 4, rounds / 10
	var m mailbox
	back := make([]chan *Job, senders)
	for sender := range senders {
		back[sender] = make(chan *Job, 2)
		for range cap(back[sender]) {
			back[sender] <- new(Job)
		}
		go func() {
			for n := range each {
				j := <-back[sender]
				j.failures, j.Attempts = sender, n
				var b Batch
				b.Add(j)
				m.push(b)
			}
		}()
	}
	var next [senders]int
	for taken := 0; taken < senders*each; {
		list := m.takeAll()
		for j := list.Pop(); j != nil; j = list.Pop() {
			sender := j.failures
			if j.Attempts != next[sender] {
				t.Fatalf("sender %d: got its job %d, want %d", sender, j.Attempts, next[sender])
			}
			next[sender]++
			taken++
			back[sender] <- j
		}
		if list.Empty() {
			runtime.Gosched()
		}
	}
}
