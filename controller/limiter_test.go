package controller

import (
	"testing"
	"time"
)

func TestALimiterIsSaidInWords(t *testing.T) {
	for want, l := range map[string]Limiter{
		"requests: a window of 5s with 50":                 {Name: "requests", Kind: FixedWindow, Limit: 50, Window: 4980 * time.Millisecond},
		"core: a window of 1h0m0s with 5000":               {Name: "core", Resource: "core", Kind: FixedWindow, Limit: 5000, Window: time.Hour},
		"tokens of chat: a sliding window of 250ms with 9": {Name: "tokens", Resource: "chat", Kind: SlidingWindow, Limit: 9, Window: 250 * time.Millisecond},
		"a bucket of 20, full within 4s":                   {Kind: TokenBucket, Limit: 20, Window: 4 * time.Second},
	} {
		if got := l.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// ask has n attempts start, one every tick, each of which hears at once what is left, and returns
// what is learned.
func ask(told *Told, p quotaServer, from time.Time, n int, tick time.Duration) (events []Limiter) {
	for i := range n {
		now := from.Add(time.Duration(i) * tick)
		m := told.Start(now, Use{Requests: 1})
		_, h := p.arrive(now, 1)
		told.Hint(now, h, m)
		if l, ok := told.Learned(now); ok {
			events = append(events, l)
		}
	}
	return events
}

// TestALimiterIsSaidOnce: not before a window has come back, and not again for the next.
func TestALimiterIsSaidOnce(t *testing.T) {
	var told Told
	w := &fixedWindow{limit: 10, left: 10, length: 5 * time.Second, turn: t0}
	if got := ask(&told, w, t0, 9, 100*time.Millisecond); len(got) > 0 {
		t.Errorf("within the first window: got %v, want nothing", got)
	}
	var got []Limiter
	for i := 1; i < 5; i++ {
		got = append(got, ask(&told, w, t0.Add(time.Duration(i)*5*time.Second), 9, 100*time.Millisecond)...)
	}
	want := Limiter{Requests: true, Kind: FixedWindow, Limit: 10, Window: 5 * time.Second}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %v, want once %v", got, want)
	}
	if all := told.Limiters(); len(all) != 1 || all[0] != want {
		t.Errorf("got %v, want %v", all, want)
	}
}

// TestABucketIsSaidToBeOne: by when it is full, which is not always the same.
func TestABucketIsSaidToBeOne(t *testing.T) {
	var told Told
	b := &continuousBucket{limit: 20, rate: 5, left: 20, at: t0}
	got := ask(&told, b, t0, 100, 150*time.Millisecond)
	if len(got) == 0 || got[len(got)-1].Kind != TokenBucket || got[len(got)-1].Limit != 20 {
		t.Fatalf("got %v, want a bucket of 20", got)
	}
	if w := got[len(got)-1].Window; w < 3900*time.Millisecond || w > 4500*time.Millisecond {
		t.Errorf("got one that is full within %v, want 4s", w)
	}
}
