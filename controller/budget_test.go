package controller

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// wantLeft compares what is left of w at a time after t0.
func wantLeft(t *testing.T, w *Window, after time.Duration, want int64) {
	t.Helper()
	if got := w.Remaining(t0.Add(after)); got != want {
		t.Errorf("after %v: %d tokens left, want %d", after, got, want)
	}
}

func TestWindowLoneSpendingComesBackExactlyAWindowLater(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Reserve(t0, 70)
	w.Reserve(t0.Add(20*time.Second), 30)
	wantLeft(t, w, time.Minute-1, 0)
	wantLeft(t, w, time.Minute, 70)
	wantLeft(t, w, 80*time.Second-1, 70)
	wantLeft(t, w, 80*time.Second, 100)
}

func TestWindowWaitTellsWhenThereIsRoom(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Reserve(t0, 70)
	w.Reserve(t0.Add(20*time.Second), 30)
	for n, want := range map[int64]time.Duration{0: 0, 1: 30, 70: 30, 71: 50, 100: 50} {
		if got := w.Wait(t0.Add(30*time.Second), n); got != want*time.Second {
			t.Errorf("wait for %d tokens: got %v, want %ds", n, got, want)
		}
	}
}

// One token a millisecond: it comes back within the step of its window.
func TestWindowDenseSpendingsComeBackAtMostOneStepLate(t *testing.T) {
	const window = 1280 * ms
	w := NewWindow(Budget{Tokens: math.MaxInt64, Window: window})
	for now := time.Duration(0); now < 10*window; now += ms {
		w.Reserve(t0.Add(now), 1)
		exact := int64(min(now, window-ms)/ms) + 1
		if used := w.Used(t0.Add(now)); used < exact || used > exact+10 {
			t.Fatalf("after %v: %d tokens used, want %d to %d", now, used, exact, exact+10)
		}
	}
}

func TestWindowUnusedTokensAreFreeAtOnce(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	r := w.Reserve(t0, 100)
	w.Settle(t0.Add(time.Second), r, 40)
	wantLeft(t, w, time.Second, 60)
	wantLeft(t, w, time.Minute, 100)
}

func TestWindowReservationThatIsOverGivesNothingBack(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	r := w.Reserve(t0, 100)
	w.Reserve(t0.Add(time.Minute), 100)
	w.Settle(t0.Add(time.Minute), r, 0)
	wantLeft(t, w, time.Minute, 0)
}

func TestWindowOveruseCountsFromNow(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	r := w.Reserve(t0, 50)
	w.Settle(t0.Add(30*time.Second), r, 170)
	wantLeft(t, w, 30*time.Second, 0) // 70 more than there were
	if got := w.Used(t0.Add(30 * time.Second)); got != 170 {
		t.Errorf("%d tokens used, want 170", got)
	}
	wantLeft(t, w, time.Minute, 0) // 20 more
	if got := w.Wait(t0.Add(30*time.Second), 1); got != time.Minute {
		t.Errorf("wait %v, want a minute", got)
	}
	wantLeft(t, w, 90*time.Second, 100)
}

func TestWindowHoldsAlsoWhileTimeStandsStill(t *testing.T) {
	w := NewWindow(Budget{Tokens: 1000, Window: time.Minute})
	for range 1000 {
		if w.Wait(t0, 1) != 0 {
			t.Fatal("wait although tokens are left")
		}
		w.Reserve(t0, 1)
	}
	if got := w.Wait(t0, 1); got != time.Minute {
		t.Errorf("wait %v, want a minute", got)
	}
}

func TestWindowTakesHugeNumbers(t *testing.T) {
	w := NewWindow(Budget{Tokens: math.MaxInt64, Window: Forever})
	w.Reserve(t0, math.MaxInt64)
	wantLeft(t, w, time.Hour, 0)
	if got := w.Wait(t0, math.MaxInt64); got != w.Length() || got < 36_500*24*time.Hour {
		t.Errorf("wait %v, want %v, a hundred years", got, w.Length())
	}
}

// A budget that does not come back adds up, however long it takes, and knows what can never be.
func TestWindowForEverForgetsNothing(t *testing.T) {
	w, now := NewWindow(Budget{Tokens: 100, Window: time.Minute}), t0
	w.Settle(now, w.Reserve(now, 5), 4)
	w.Update(now, Budget{Tokens: 10_000, Window: Forever})
	for range 1000 { // more often than there are steps
		now = now.Add(24 * time.Hour)
		r := w.Reserve(now, 9)
		now = now.Add(time.Hour)
		w.Settle(now, r, 7)
	}
	if used := w.Used(now); used != 7004 {
		t.Errorf("%d used, want 4 and 1000 times 7", used)
	}
	r := w.Reserve(now, 2000)
	for n, want := range map[int64]bool{0: false, 996: false, 2996: false, 2997: true} {
		if w.Never(n) != want {
			t.Errorf("%d with 996 free and 2000 that may come back: never is %v", n, !want)
		}
	}
	if w.Wait(now, 997) < w.Length()/2 || w.Wait(now, 996) != 0 {
		t.Errorf("wait %v and %v, want nearly a hundred years and none", w.Wait(now, 997), w.Wait(now, 996))
	}
	w.Settle(now, r, 3000) // more than it was to be
	if spare := w.Spare(); spare != -4 || !w.Never(0) || w.Remaining(now) != 0 {
		t.Errorf("%d are left, want 4 too few", spare)
	}
	after := NewWindow(w.Budget)
	after.Restore(now.Add(10_000*time.Hour), Forever, w.Spent(now))
	if after.Used(now.Add(10_001*time.Hour)) != 10_004 || after.Spare() != -4 {
		t.Errorf("%d used by a window that goes on, want 10004", after.Used(now))
	}
	if NewWindow(Budget{Tokens: 1, Window: time.Minute}).Never(5) {
		t.Error("a window that comes back says never")
	}
}

func TestWindowOfNanosecondsForgetsNothing(t *testing.T) {
	w, now := NewWindow(Budget{Tokens: 1000, Window: 255}), t0
	for i := range int64(255) { // denser than any two of its steps
		w.Reserve(now, i%7)
		now = now.Add(1)
	}
	if used := w.Used(now.Add(257)); used != 0 {
		t.Errorf("%d tokens still used a window later", used)
	}
}

func TestWindowIsFreshAfterALongPause(t *testing.T) {
	w := NewWindow(Budget{Tokens: 10, Window: time.Second})
	for i := range 5 {
		now := t0.Add(time.Duration(i) * 24 * time.Hour)
		if w.Wait(now, 10) != 0 {
			t.Fatal("not free after a day")
		}
		w.Reserve(now, 10)
	}
}

func TestWindowHintBoundsWhatIsLeft(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Reserve(t0, 30)
	w.Hint(t0, 20, 10*time.Second)
	wantLeft(t, w, 0, 20)
	if used := w.Used(t0); used != 30 {
		t.Errorf("%d tokens used, want 30: what others used is not ours", used)
	}
	w.Reserve(t0, 5)
	wantLeft(t, w, 0, 15)
	wantLeft(t, w, 10*time.Second-1, 15)
	wantLeft(t, w, 10*time.Second, 65)
	wantLeft(t, w, time.Minute, 100)
}

func TestWindowHintNeverMakesMoreOfIt(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Reserve(t0, 70)
	w.Hint(t0, 50, time.Hour) // it has not heard of all of them
	wantLeft(t, w, 0, 30)
	w.Hint(t0, math.MaxInt64, time.Hour)
	wantLeft(t, w, 0, 30)
	wantLeft(t, w, time.Minute, 100)
}

// What a server has left is all there is until its reset, also when our own
// spending comes back before.
func TestWindowHintHoldsUntilTheReset(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Reserve(t0, 50)
	w.Hint(t0.Add(50*time.Second), 10, time.Minute)
	wantLeft(t, w, 60*time.Second, 10)
	w.Reserve(t0.Add(60*time.Second), 10)
	wantLeft(t, w, 110*time.Second-1, 0)
	wantLeft(t, w, 110*time.Second, 90)
}

func TestWindowHintReplacesTheOneBefore(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Hint(t0, 0, time.Hour)
	wantLeft(t, w, time.Minute, 0)
	w.Hint(t0, 60, time.Second)
	wantLeft(t, w, 0, 60)
	wantLeft(t, w, time.Second, 100)
	w.Hint(t0.Add(time.Second), 10, time.Second)
	w.Hint(t0.Add(time.Second), 100, time.Hour)
	wantLeft(t, w, time.Second, 100)
}

func TestWindowHintGetsUnusedTokensBackThatItDidNotKnowOf(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	before := w.Reserve(t0, 40)
	w.Hint(t0, 50, time.Hour)
	after := w.Reserve(t0, 40)
	wantLeft(t, w, 0, 10)
	w.Settle(t0, before, 10) // of that the server knew
	wantLeft(t, w, 0, 10)
	w.Settle(t0, after, 10)
	wantLeft(t, w, 0, 40)
	w.Settle(t0, w.Reserve(t0, 0), 25) // more than was reserved
	wantLeft(t, w, 0, 15)
	wantLeft(t, w, time.Minute, 15)
	wantLeft(t, w, time.Hour, 100)
}

func TestWindowWaitTellsWhenTheServerIsWholeAgain(t *testing.T) {
	for reset, want := range map[time.Duration][4]time.Duration{ // for 10, 11, 60 and 80 of 100
		10 * time.Second: {0, 10, 30, 30},
		30 * time.Second: {0, 30, 30, 30},
		50 * time.Second: {0, 50, 50, 50},
		90 * time.Second: {0, 90, 90, 90},
	} {
		w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
		w.Reserve(t0, 30)
		w.Reserve(t0.Add(30*time.Second), 20)
		now := t0.Add(30 * time.Second)
		w.Hint(now, 10, reset)
		for i, n := range []int64{10, 11, 60, 80} {
			if got := w.Wait(now, n); got != want[i]*time.Second {
				t.Errorf("reset %v: wait for %d tokens: got %v, want %ds", reset, n, got, want[i])
			}
		}
	}
}

func TestWindowHintOfNothingWhenMoreThanAllIsUsed(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Settle(t0, w.Reserve(t0, 100), 150)
	w.Hint(t0, 0, 10*time.Second)
	wantLeft(t, w, 0, 0)
	wantLeft(t, w, 10*time.Second, 0)
	if wait := w.Wait(t0, 0); wait != time.Minute {
		t.Errorf("wait %v for nothing, want a minute, until no more than all is used", wait)
	}
	wantLeft(t, w, time.Minute, 100)
}

func TestWindowUpdateKeepsWhatWasUsed(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Reserve(t0, 30)
	r := w.Reserve(t0.Add(30*time.Second), 40)
	w.Update(t0.Add(30*time.Second), Budget{Name: "more", Tokens: 200, Window: time.Minute})
	wantLeft(t, w, 30*time.Second, 130)
	wantLeft(t, w, time.Minute, 160) // each comes back when it would have
	w.Settle(t0.Add(time.Minute), r, 10)
	wantLeft(t, w, time.Minute, 190)
	if w.Name != "more" {
		t.Errorf("its name is %q", w.Name)
	}
}

func TestWindowUpdateToLessThanIsUsed(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	w.Reserve(t0, 30)
	w.Reserve(t0.Add(30*time.Second), 40)
	now := t0.Add(30 * time.Second)
	w.Update(now, Budget{Tokens: 50, Window: time.Minute})
	wantLeft(t, w, 30*time.Second, 0)
	for n, want := range map[int64]time.Duration{1: 30, 10: 30, 11: 60, 50: 60} {
		if got := w.Wait(now, n); got != want*time.Second {
			t.Errorf("wait for %d tokens: got %v, want %ds", n, got, want)
		}
	}
}

func TestWindowUpdateOfTheLengthCountsWhatWasUsedAsUsedJustNow(t *testing.T) {
	for _, length := range []time.Duration{time.Second, 61 * time.Second, time.Hour} {
		w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
		w.Reserve(t0, 30)
		w.Reserve(t0.Add(30*time.Second), 40)
		now := t0.Add(45 * time.Second)
		w.Hint(now, 20, 2*time.Hour)
		w.Update(now, Budget{Tokens: 80, Window: length})
		wantLeft(t, w, 45*time.Second, 10)
		wantLeft(t, w, 45*time.Second+length-1, 10)
		wantLeft(t, w, 45*time.Second+length, 20)
		wantLeft(t, w, 45*time.Second+2*time.Hour, 80)
	}
}

// What was reserved before is part of what counts as used just now, and is given
// back out of that as long as it counts.
func TestWindowReservationsFromBeforeUpdatesOfTheLength(t *testing.T) {
	w := NewWindow(Budget{Tokens: 100, Window: time.Minute})
	gone := w.Reserve(t0, 10)
	first, second := w.Reserve(t0.Add(30*time.Second), 20), w.Reserve(t0.Add(40*time.Second), 15)
	update := func(after, length time.Duration) {
		w.Update(t0.Add(after), Budget{Tokens: 100, Window: length})
		wantWindowBooks(t, w)
	}
	update(70*time.Second, 10*time.Second) // gone is
	wantLeft(t, w, 70*time.Second, 65)
	third := w.Reserve(t0.Add(71*time.Second), 5)
	w.Settle(t0.Add(71*time.Second), first, 12)
	w.Settle(t0.Add(71*time.Second), gone, 0)
	wantLeft(t, w, 71*time.Second, 68)
	update(75*time.Second, time.Minute)
	w.Settle(t0.Add(76*time.Second), second, 5)
	w.Settle(t0.Add(76*time.Second), third, 0)
	wantLeft(t, w, 76*time.Second, 83)
	fourth, fifth := w.Reserve(t0.Add(80*time.Second), 10), w.Reserve(t0.Add(81*time.Second), 1)
	wantLeft(t, w, 135*time.Second, 89)
	update(135*time.Second, time.Second) // what was folded before is gone
	w.Settle(t0.Add(135*time.Second), fifth, 7)
	w.Settle(t0.Add(135*time.Second), fourth, 0)
	wantLeft(t, w, 135*time.Second, 93)
	wantLeft(t, w, 136*time.Second, 100)
}

// The reference remembers each spending. What the window says is used lies
// between what was spent within Window and within Window and a step.
func TestWindowAgreesWithAListOfAllSpendings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			b = Budget{
				Tokens: rapid.Int64Range(1, 1000).Draw(t, "tokens"),
				Window: time.Duration(rapid.SampledFrom([]int64{1, 100, 255, 12_345, 1e6, 1e9, 60e9}).Draw(t, "window")),
			}
			overuse = rapid.Bool().Draw(t, "overuse")
			w       = NewWindow(b)
			now     = t0
			m       spendings
			open    []openReservation
			told    bool      // by the server what is left
			left    int64     // of that
			until   time.Time // then it is whole
		)
		for range rapid.SampledFrom([]int{3, 30, 300}).Draw(t, "events") {
			switch rapid.SampledFrom([]string{"pass", "pass", "reserve", "reserve", "reserve", "settle", "hint", "update"}).Draw(t, "event") {
			case "pass":
				now = now.Add(max(b.Window/time.Duration(rapid.SampledFrom([]int{1, 3, 30, 200, 1000}).Draw(t, "part")), 1))
			case "reserve":
				n := rapid.Int64Range(0, b.Tokens).Draw(t, "n") / rapid.SampledFrom([]int64{1, 10, 100}).Draw(t, "divisor")
				fits := n <= b.Tokens-w.Used(now) && (n <= left || !told || !now.Before(until))
				if wait := w.Wait(now, n); wait > 0 {
					if wantWaitExact(t, w, now, wait, n); fits {
						t.Fatalf("%d tokens fit, but wait %v", n, wait)
					}
					continue
				} else if !fits {
					t.Fatalf("%d tokens do not fit, but need not wait", n)
				}
				open = append(open, openReservation{w.Reserve(now, n), m.add(now, n), n, !told})
				left -= n
			case "settle":
				if len(open) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				r := open[i]
				open = append(open[:i], open[i+1:]...)
				used := rapid.Int64Range(0, r.tokens).Draw(t, "used")
				if overuse {
					used *= 2
				}
				w.Settle(now, r.Reservation, used)
				if used > r.tokens {
					m.add(now, used-r.tokens)
				} else {
					m[r.spending].tokens -= r.tokens - used
				}
				if used > r.tokens || !r.known {
					left += r.tokens - used
				}
			case "hint":
				left = rapid.Int64Range(0, b.Tokens).Draw(t, "left")
				reset := b.Window / time.Duration(rapid.SampledFrom([]int{1, 3, 200}).Draw(t, "reset"))
				told, until = true, now.Add(reset)
				w.Hint(now, left, reset)
				for i := range open {
					open[i].known = true
				}
			case "update":
				before := b.Window
				if b.Tokens = rapid.Int64Range(1, 1000).Draw(t, "tokens"); rapid.Bool().Draw(t, "length") {
					b.Window = time.Duration(rapid.SampledFrom([]int64{1, 100, 12_345, 1e9}).Draw(t, "window"))
				}
				used := w.Used(now)
				overuse = overuse || used > b.Tokens
				// All that counts was used just now. Of what is open, nobody but w
				// knows whether it counts.
				if w.Update(now, b); b.Window != before {
					m, open = nil, nil
					m.add(now, used)
				}
			}
			if told = told && now.Before(until); told {
				if got, want := w.Remaining(now), max(min(b.Tokens-w.Used(now), left), 0); got != want {
					t.Fatalf("%d tokens left, want %d: %d used, the server has %d", got, want, w.Used(now), left)
				}
			} else if got, want := w.Remaining(now), max(b.Tokens-w.Used(now), 0); got != want {
				t.Fatalf("%d tokens left, want %d", got, want)
			}
			used, least, most := w.Used(now), m.within(now, b.Window), m.within(now, b.Window+(b.Window+windowSteps-1)/windowSteps)
			if used < least || used > most {
				t.Fatalf("%d tokens used, want %d to %d", used, least, most)
			}
			if !overuse && least > b.Tokens {
				t.Fatalf("%d tokens spent within a window, want at most %d", least, b.Tokens)
			}
		}
	})
}

// wantWaitExact checks that n tokens are free after the wait, and not before.
func wantWaitExact(t interface{ Fatalf(string, ...any) }, w *Window, now time.Time, wait time.Duration, n int64) {
	at := *w // a window is a value: the future of one is tried on another
	if early := at.Wait(now.Add(wait-1), n); early != 1 {
		t.Fatalf("told to wait %v, but 1ns before that the rest is %v", wait, early)
	}
	if late := at.Wait(now.Add(wait), n); late != 0 {
		t.Fatalf("told to wait %v, and then to wait another %v", wait, late)
	}
}

type openReservation struct {
	Reservation
	spending int
	tokens   int64
	known    bool // to the server
}

type spendings []struct {
	at     time.Time
	tokens int64
}

func (s *spendings) add(at time.Time, tokens int64) int {
	*s = append(*s, struct {
		at     time.Time
		tokens int64
	}{at, tokens})
	return len(*s) - 1
}

func (s spendings) within(now time.Time, span time.Duration) (sum int64) {
	for _, one := range s {
		if now.Sub(one.at) < span {
			sum += one.tokens
		}
	}
	return sum
}

func FuzzWindow(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{200, 255, 100, 255, 128, 0, 0, 255})
	f.Add([]byte{20, 1, 20, 1, 20, 1, 20, 1, 149, 40, 149, 255, 20, 60})
	f.Add([]byte{100, 1, 250, 3, 30, 1, 230, 0, 255, 30, 20, 60})
	f.Add([]byte{100, 1, 227, 3, 30, 1, 128, 1, 239, 0, 128, 0, 100, 0})
	f.Fuzz(func(t *testing.T, events []byte) {
		w, now, most := NewWindow(Budget{Tokens: 200, Window: time.Second}), t0, int64(200)
		var open []Reservation
		for ; len(events) >= 2; events = events[2:] {
			what, pause := events[0], time.Duration(events[1])
			now = now.Add(pause * pause * pause * 100) // up to 1.7 s
			switch n := int64(what & 127); {
			case what < 128:
				wait := w.Wait(now, n)
				if wait > 0 {
					wantWaitExact(t, w, now, wait, n)
					now = now.Add(wait)
				}
				open = append(open, w.Reserve(now, n))
			case what >= 240:
				w.Hint(now, int64(what-240)*20, pause*10*ms) // up to 300 tokens, 2.5 s
				if left := w.Remaining(now); left > int64(what-240)*20 && pause > 0 {
					t.Fatalf("%d tokens left, want at most %d", left, int64(what-240)*20)
				}
			case what >= 224: // to as many again, or up to twice as many; to another length at times
				w.Update(now, Budget{Tokens: 200 + 20*int64(what&7), Window: time.Second / (1 + time.Duration(what>>3&1)*pause)})
				most = max(most, w.Tokens)
			case len(open) > 0:
				i := int(what>>3) % len(open)
				w.Settle(now, open[i], open[i].tokens*int64(what&7)/7)
				open = append(open[:i], open[i+1:]...)
			}
			if used := w.Used(now); used < 0 || used > most {
				t.Fatalf("%d of %d tokens used", used, most)
			}
			wantWindowBooks(t, w)
		}
		if w.Used(now.Add(time.Second)); w.used != 0 {
			t.Fatalf("%d tokens still used a window later", w.used)
		}
		if left := w.Remaining(now.Add(3 * time.Second)); left != w.Tokens {
			t.Fatalf("%d of %d tokens left when all is over", left, w.Tokens)
		}
	})
}

// wantWindowBooks checks that the steps add up to what is used.
func wantWindowBooks(t *testing.T, w *Window) {
	t.Helper()
	sum := int64(0)
	for i := w.first; i < w.next; i++ {
		if w.step(i).tokens < 0 {
			t.Fatalf("step %d: %d tokens", i, w.step(i).tokens)
		}
		sum += w.step(i).tokens
	}
	if sum != w.used || w.next-w.first > int64(len(w.steps)) {
		t.Fatalf("%d tokens in %d steps, %d used", sum, w.next-w.first, w.used)
	}
}

func TestUsageIsTheMeanOfWhatJobsUsed(t *testing.T) {
	var u Usage
	if _, ok := u.Mean(); ok {
		t.Error("a mean although no job has ended")
	}
	for _, c := range []struct{ add, want int64 }{{0, 0}, {10, 5}, {11, 7}, {19, 10}} {
		u.Add(c.add)
		if mean, ok := u.Mean(); !ok || mean != c.want {
			t.Errorf("mean %d, want %d", mean, c.want)
		}
	}
}

func TestUsageFollowsTheLastHundredOrSo(t *testing.T) {
	var u Usage
	for range 100_000 {
		u.Add(1000)
	}
	for range 5 * usageMemory {
		u.Add(10)
	}
	if mean, _ := u.Mean(); mean < 10 || mean > 17 {
		t.Errorf("mean %d, want about 10", mean)
	}
}

func BenchmarkWindowReserveSettle(b *testing.B) {
	w, now := NewWindow(Budget{Tokens: 1 << 40, Window: time.Second}), t0
	for b.Loop() {
		now = now.Add(100 * time.Microsecond)
		if w.Wait(now, 100) == 0 {
			w.Settle(now, w.Reserve(now, 100), 90)
		}
	}
	b.ReportAllocs()
}

// A wait for the last token looks through all the steps.
func BenchmarkWindowWait(b *testing.B) {
	w, now := NewWindow(Budget{Tokens: windowSteps, Window: time.Second}), t0
	for range windowSteps {
		w.Reserve(now, 1)
		now = now.Add(time.Second / windowSteps)
	}
	for b.Loop() {
		w.Wait(now, windowSteps)
	}
	b.ReportAllocs()
}
