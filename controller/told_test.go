package controller

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A quotaServer is one that says what is left of its quota. Its answers overtake each
// other.
type quotaServer interface {
	// arrive takes an attempt of n and returns what it says.
	arrive(now time.Time, n int64) (accepted bool, h Hint)
	// granted returns how much might have been used until then.
	granted(now time.Time) float64
}

// fixedWindow is whole again at each turn.
type fixedWindow struct {
	limit, left int64
	length      time.Duration
	turn        time.Time
}

func (w *fixedWindow) arrive(now time.Time, n int64) (bool, Hint) {
	for !now.Before(w.turn.Add(w.length)) {
		w.turn, w.left = w.turn.Add(w.length), w.limit
	}
	accepted := n <= w.left
	if accepted {
		w.left -= n
	}
	return accepted, Hint{Limit: w.limit, Remaining: w.left, Reset: w.turn.Add(w.length).Sub(now)}
}

func (w *fixedWindow) granted(now time.Time) float64 {
	return float64(w.limit) * math.Floor(now.Sub(t0).Seconds()/w.length.Seconds())
}

// continuousBucket flows back all the time.
type continuousBucket struct {
	limit int64
	rate  float64 // per second
	left  float64
	at    time.Time
}

func (b *continuousBucket) arrive(now time.Time, n int64) (bool, Hint) {
	b.left, b.at = min(b.left+b.rate*now.Sub(b.at).Seconds(), float64(b.limit)), now
	accepted := float64(n) <= b.left+1e-6
	if accepted {
		b.left -= float64(n)
	}
	full := time.Duration(math.Ceil((float64(b.limit) - b.left) / b.rate * 1e9))
	return accepted, Hint{Limit: b.limit, Remaining: int64(max(b.left, 0)), Reset: full}
}

func (b *continuousBucket) granted(now time.Time) float64 {
	return float64(b.limit) + b.rate*now.Sub(t0).Seconds()
}

// A ride is a client that starts whatever Told lets through.
type ride struct {
	server   quotaServer
	latency  func() time.Duration
	cost     func() int64
	round    time.Duration // of Reset, up
	budget   string        // "": of requests
	inFlight int           // at most
	lasts    time.Duration
}

type ridden struct{ started, refused, used int64 }

type quotaAnswer struct {
	at   time.Time
	mark Mark
	hint Hint

	accepted bool
}

type quotaAnswers []quotaAnswer

func (a quotaAnswers) Len() int           { return len(a) }
func (a quotaAnswers) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a quotaAnswers) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *quotaAnswers) Push(x any)        { *a = append(*a, x.(quotaAnswer)) }
func (a *quotaAnswers) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (r ride) run() (out ridden) {
	var (
		told Told
		due  quotaAnswers
		now  = t0
		next = r.cost()
	)
	use := func(n int64) Use {
		if r.budget == "" {
			return Use{Requests: n}
		}
		return Use{Requests: 1, Tokens: n}
	}
	for now.Before(t0.Add(r.lasts)) {
		for len(due) > 0 && !due[0].at.After(now) {
			a := heap.Pop(&due).(quotaAnswer)
			if a.hint.Reset > 0 {
				told.Hint(now, a.hint, a.mark)
			}
			if a.accepted {
				told.Succeed(a.mark)
			} else {
				told.Refuse(now, a.mark)
			}
		}
		wait := told.Wait(now, use(next))
		if wait == 0 && len(due) < r.inFlight {
			mark := told.Start(now, use(next))
			accepted, h := r.server.arrive(now, next)
			out.started++
			if accepted {
				out.used += next
			} else {
				out.refused++
			}
			took := r.latency()
			if r.round > 0 {
				h.Reset = (h.Reset + r.round - 1).Truncate(r.round)
			}
			h.Budget, h.Reset = r.budget, h.Reset-took // as Slot.Hint has it
			heap.Push(&due, quotaAnswer{now.Add(took), mark, h, accepted})
			next = r.cost()
			continue
		}
		then := t0.Add(r.lasts)
		if len(due) > 0 && due[0].at.Before(then) {
			then = due[0].at
		}
		if wait > 0 && now.Add(wait).Before(then) {
			then = now.Add(wait)
		}
		now = then
	}
	return out
}

// spreads returns a latency that is lognormal.
func spreads(random *rand.Rand, mean time.Duration, sigma float64) func() time.Duration {
	return func() time.Duration {
		return time.Duration(float64(mean) * math.Exp(sigma*random.NormFloat64()-sigma*sigma/2))
	}
}

// TestWhatIsToldIsUsedUpAndNeverOverdrawn: a client that is alone and knows nothing but
// what the server says is never refused, and uses nearly all that there is.
func TestWhatIsToldIsUsedUpAndNeverOverdrawn(t *testing.T) {
	const lasts = 20 * time.Minute
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		limit := rapid.Int64Range(20, 1000).Draw(t, "limit")
		latency := time.Duration(math.Exp(rapid.Float64Range(math.Log(5e6), math.Log(20e9)).Draw(t, "latency")))
		r := ride{
			latency:  spreads(random, latency, rapid.Float64Range(0, 0.5).Draw(t, "sigma")),
			round:    rapid.SampledFrom([]time.Duration{0, ms, time.Second}).Draw(t, "rounding"),
			cost:     func() int64 { return 1 },
			lasts:    lasts,
			inFlight: int(limit * 2 / 3), // before it has been told anything, it must not use up all
		}
		least := 0.98
		if rapid.Bool().Draw(t, "tokens") {
			limit, r.budget = limit*100, "tokens"
			r.cost = func() int64 { return 50 + random.Int64N(100) }
			least -= 150 / float64(limit) // what is left may be less than an attempt needs
		}
		if rapid.Bool().Draw(t, "window") {
			r.server = &fixedWindow{limit: limit, left: limit, length: time.Minute, turn: t0}
		} else {
			r.server = &continuousBucket{limit: limit, rate: float64(limit) / 60, left: float64(limit), at: t0}
		}
		out := r.run()
		if out.refused > 0 {
			t.Errorf("%d of %d refused", out.refused, out.started)
		}
		if share := float64(out.used) / r.server.granted(t0.Add(lasts)); share < least {
			t.Errorf("%.1f%% used", 100*share)
		}
	})
}

// TestNothingStartsAMomentTooSoon: where attempts start as soon as a bucket has what one needs,
// moments add up, since nobody hears that it was a little less.
func TestNothingStartsAMomentTooSoon(t *testing.T) {
	const limit = 21
	out := ride{
		server:  &continuousBucket{limit: limit, rate: limit / 60., left: limit, at: t0},
		latency: spreads(rand.New(rand.NewPCG(0, 0)), 20*time.Second-1, 1e-7), // microseconds
		cost:    func() int64 { return 1 }, lasts: 20 * time.Minute, inFlight: 14,
	}.run()
	if out.refused > 0 || out.started < 400 {
		t.Errorf("%d of %d refused, want none of 400 or more", out.refused, out.started)
	}
}

// TestAResetOfOnePlaceHoldsNothingUpLonger: a sliding log says when the oldest place is
// free again, and others may be before.
func TestAResetOfOnePlaceHoldsNothingUpLonger(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for _, latency := range []time.Duration{5 * ms, 300 * ms, time.Second} {
		r := ride{
			server: &slidingLog{limit: 50, length: 10 * time.Second}, latency: spreads(random, latency, 0.3),
			cost: func() int64 { return 1 }, lasts: 10 * time.Minute, inFlight: 16,
		}
		out := r.run()
		if share := float64(out.used) / r.server.granted(t0.Add(r.lasts)); share < 0.93 {
			t.Errorf("latency %v: %.1f%% used", latency, 100*share)
		}
	}
}

// slidingLog remembers when each place was taken.
type slidingLog struct {
	limit  int64
	length time.Duration
	taken  []time.Time
}

func (s *slidingLog) arrive(now time.Time, n int64) (bool, Hint) {
	for len(s.taken) > 0 && !now.Before(s.taken[0].Add(s.length)) {
		s.taken = s.taken[1:]
	}
	accepted := int64(len(s.taken)) < s.limit
	if accepted {
		s.taken = append(s.taken, now)
	}
	return accepted, Hint{Limit: s.limit, Remaining: s.limit - int64(len(s.taken)), Reset: s.taken[0].Add(s.length).Sub(now)}
}

func (s *slidingLog) granted(now time.Time) float64 {
	return float64(s.limit) * now.Sub(t0).Seconds() / s.length.Seconds()
}

// A script is Told with attempts of its own, each of a volley of its own.
type script struct {
	t    *testing.T
	told Told
	now  time.Time
}

func play(t *testing.T) *script { return &script{t: t, now: t0} }

func (s *script) pass(d time.Duration) { s.now = s.now.Add(d) }

// start starts n attempts of a request each, and returns the last one's mark.
func (s *script) start(n int) (m Mark) {
	for range n {
		s.pass(volleySpan + 1)
		m = s.told.Start(s.now, Use{Requests: 1})
	}
	return m
}

// hear has the attempt with the mark hear a quota of 100, which is whole at a time after t0.
func (s *script) hear(m Mark, left int64, whole time.Duration) {
	s.told.Hint(s.now, Hint{Limit: 100, Remaining: left, Reset: t0.Add(whole).Sub(s.now)}, m)
}

// unknown is how many may start if nobody knows.
const unknown = 1000

// want checks how many requests may start, and how long one more has to wait if none may.
func (s *script) want(may int64, wait time.Duration) {
	s.t.Helper()
	n := int64(min(s.told.ledgers[0].now(s.now)+1e-6, unknown))
	if n != may {
		s.t.Errorf("after %v: %d may start, want %d", s.now.Sub(t0), n, may)
	}
	if got := s.told.Wait(s.now, Use{Requests: n}); n > 0 && got > 0 {
		s.t.Errorf("after %v: told to wait %v for %d", s.now.Sub(t0), got, n)
	}
	if got := s.told.Wait(s.now, Use{Requests: n + 1}); n < 100 && (got-wait).Abs() > ms {
		s.t.Errorf("after %v: one more in %v, want %v", s.now.Sub(t0), got, wait)
	}
}

func TestNothingToldHoldsNothingUp(t *testing.T) {
	s := play(t)
	s.start(3)
	if s.told.Wait(s.now, Use{1000, 1000}) != 0 || s.told.Holds() || s.told.Overdrawn(s.now) || s.told.Pause(s.now) != 0 || s.told.Interval(s.now, Use{Requests: 1}) != 0 {
		t.Error("something is known")
	}
}

func TestWhatIsLeftMayStartAtOnceAndNoMoreUntilTheReset(t *testing.T) {
	s := play(t)
	m := s.start(1)
	s.hear(m, 20, time.Minute)
	s.want(20, t0.Add(time.Minute).Sub(s.now))
	s.start(20)
	s.want(0, t0.Add(time.Minute).Sub(s.now))
	s.now = t0.Add(time.Minute)
	s.want(100, 0)
}

func TestWhatStartedSinceTheAttemptDidIsTakenOff(t *testing.T) {
	s := play(t)
	m := s.start(5)
	s.start(7)
	s.pass(10 * time.Second)
	s.hear(m, 20, time.Minute)
	s.want(13, t0.Add(time.Minute).Sub(s.now))
}

func TestAnOlderAttemptDoesNotUndoWhatANewerOneHeard(t *testing.T) {
	s := play(t)
	older := s.start(1)
	newer := s.start(1)
	s.hear(newer, 20, time.Minute)
	s.hear(older, 90, time.Minute)
	s.hear(older, 5, time.Minute)
	s.want(20, t0.Add(time.Minute).Sub(s.now))
}

// Nobody knows in which order attempts that start together reach the server. The least
// that they tell counts, less those that have not told yet.
func TestAttemptsThatStartTogetherAreCountedTogether(t *testing.T) {
	s := play(t)
	var marks []Mark
	for range 4 {
		marks = append(marks, s.told.Start(s.now, Use{Requests: 1}))
	}
	s.pass(time.Second)
	left := t0.Add(time.Minute).Sub(s.now)
	s.hear(marks[3], 99, time.Minute) // it was first
	s.want(96, left)
	s.hear(marks[0], 96, time.Minute) // it was last
	s.want(94, left)
	s.hear(marks[1], 98, time.Minute)
	s.want(95, left)
	s.hear(marks[1], 98, time.Minute) // no other one
	s.want(95, left)
	s.hear(marks[2], 97, time.Minute)
	s.want(96, left)
}

// Of those that start together, some may reach the server before a reset and some after.
func TestAttemptsThatStartTogetherBeforeAReset(t *testing.T) {
	for _, first := range []bool{true, false} {
		s := play(t)
		a, b := s.told.Start(s.now, Use{Requests: 1}), s.told.Start(s.now, Use{Requests: 1})
		s.pass(ms)
		if first {
			s.hear(a, 0, 2*ms)
		}
		s.hear(b, 99, time.Minute)
		if !first {
			s.hear(a, 0, 2*ms)
		}
		s.want(99, time.Minute-ms)
	}
}

// Resets are rounded: of those that start together, the latest counts.
func TestAttemptsThatStartTogetherWaitForTheLatestReset(t *testing.T) {
	s := play(t)
	a, b := s.told.Start(s.now, Use{Requests: 1}), s.told.Start(s.now, Use{Requests: 1})
	s.hear(a, 1, time.Minute)
	s.hear(b, 0, time.Minute-900*ms)
	s.want(0, time.Minute)
	c, d := s.told.Start(s.now, Use{Requests: 1}), s.told.Start(s.now, Use{Requests: 1})
	s.hear(c, 0, time.Minute)
	s.hear(d, 0, time.Minute+900*ms)
	s.want(0, time.Minute+900*ms)
}

func TestSeveralClientsOfOneQuotaGoByTheNewestHint(t *testing.T) {
	s := play(t)
	s.hear(s.start(1), 90, time.Minute)
	s.hear(s.start(1), 30, time.Minute) // others have used 59
	s.want(30, t0.Add(time.Minute).Sub(s.now))
	s.hear(s.start(1), 60, time.Minute) // and given some back
	s.want(60, t0.Add(time.Minute).Sub(s.now))
}

// full has the attempt hear what a bucket of 100 that fills at 2 a second says.
func (s *script) full(m Mark, left int64) {
	s.told.Hint(s.now, Hint{Limit: 100, Remaining: left, Reset: time.Duration(100-left) * time.Second / 2}, m)
}

// TestABucketIsToldFromAWindow by what comes of it, and then what flows back counts.
func TestABucketIsToldFromAWindow(t *testing.T) {
	s := play(t)
	s.full(s.start(1), 90)
	s.full(s.start(1), 60)
	m := s.start(1)
	s.full(m, 0)
	// One less may be missing than it says, so that its rate is known to 2%.
	wait := s.told.Wait(s.now, Use{Requests: 1})
	if wait < 500*ms || wait > 510*ms {
		t.Errorf("wait %v, want 500ms and a bit", wait)
	}
	if pause := s.told.Pause(s.now); pause != 0 {
		t.Errorf("paused for %v by a bucket", pause)
	}
	if i := s.told.Interval(s.now, Use{Requests: 1}); i < 500*ms || i > 510*ms {
		t.Errorf("interval %v, want 500ms and a bit", i)
	}
	s.pass(10 * wait)
	s.want(10, wait)
	s.pass(time.Hour)
	s.want(100, 0)
	if i := s.told.Interval(s.now, Use{Requests: 1}); i != 0 {
		t.Errorf("interval %v, though it is full", i)
	}
}

func TestAWindowOfWhichNothingIsLeftPausesUntilItsReset(t *testing.T) {
	s := play(t)
	s.hear(s.start(1), 0, time.Minute)
	if got, want := s.told.Pause(s.now), t0.Add(time.Minute).Sub(s.now); got != want {
		t.Errorf("paused for %v, want %v", got, want)
	}
	s.now = t0.Add(time.Minute)
	if got := s.told.Pause(s.now); got != 0 {
		t.Errorf("paused for %v after it", got)
	}
}

// After a reset, as much as there is may start until the server tells again, or does not.
func TestAfterAResetTheWholeQuotaMayStart(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(s *script, m Mark)
		may  int64
	}{
		{"no answer yet", func(*script, Mark) {}, 60},
		{"an answer that tells", func(s *script, m Mark) { s.hear(m, 70, 2*time.Minute) }, 70},
		{"one from before", func(s *script, _ Mark) { s.told.Succeed(Mark{number: 1}) }, 60},
		{"one that does not tell", func(s *script, m Mark) { s.told.Succeed(m) }, unknown},
		{"none for too long", func(s *script, _ Mark) { s.pass(2 * time.Minute) }, unknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := play(t)
			s.hear(s.start(1), 0, time.Minute)
			s.pass(time.Minute)
			m := s.start(40)
			test.do(s, m)
			s.want(test.may, s.told.Wait(s.now, Use{Requests: test.may + 1}))
		})
	}
}

func TestAfterAResetNothingIsKnownIfHintsComeTooLate(t *testing.T) {
	s := play(t)
	for range 40 {
		m := s.start(1)
		s.pass(40 * ms)
		s.hear(m, 0, s.now.Add(10*ms).Sub(t0))
	}
	s.want(0, 10*ms)
	s.pass(10 * ms)
	s.want(unknown, 0)
	s.start(1)
	s.want(unknown, 0)
}

func TestAfterAResetNothingIsKnownOfAQuotaWithoutALimit(t *testing.T) {
	s := play(t)
	s.told.Hint(s.now, Hint{Remaining: 1, Reset: time.Minute}, s.start(1))
	s.want(1, time.Minute)
	s.pass(time.Minute)
	s.want(unknown, 0)
	s.start(1)
	s.want(unknown, 0)
}

// Where not all has come back at a reset, one attempt asks first.
func TestOneAttemptAsksWhereNotAllComesBackAtAReset(t *testing.T) {
	s := play(t)
	for range 3 {
		s.hear(s.start(1), 0, s.now.Add(time.Second).Sub(t0))
		s.pass(2 * time.Second)
	}
	s.want(unknown, 0) // whatever it needs
	m := s.start(1)
	s.want(0, s.told.Wait(s.now, Use{Requests: 1}))
	s.hear(m, 3, s.now.Add(time.Second).Sub(t0))
	s.want(3, time.Second)
	for range 3 { // but now it does
		s.pass(2 * time.Second)
		s.hear(s.start(1), 99, s.now.Add(time.Second).Sub(t0))
	}
	s.pass(2 * time.Second)
	s.want(100, 0)
}

func TestWhatIsTakenBackWasNotUsed(t *testing.T) {
	s := play(t)
	s.hear(s.start(1), 10, time.Minute)
	m := s.start(1)
	s.want(9, t0.Add(time.Minute).Sub(s.now))
	s.told.Back(s.now, m)
	s.want(10, t0.Add(time.Minute).Sub(s.now))
}

func TestMoreThanWasLeftIsOverdrawn(t *testing.T) {
	s := play(t)
	m := s.start(1)
	s.start(5)
	s.hear(m, 5, time.Minute)
	if s.told.Overdrawn(s.now) {
		t.Error("as much as was left is too much")
	}
	s.start(1)
	if !s.told.Overdrawn(s.now) {
		t.Error("more than was left is not too much")
	}
}

// What a job is said to cost, the server may keep. A mean is a guess.
func TestUnusedTokensComeBackOnlyIfTheyWereGuessed(t *testing.T) {
	for _, test := range []struct {
		used int64
		mean bool
		left int64
	}{{60, false, 100}, {60, true, 140}, {120, false, 80}, {120, true, 80}} {
		var told Told
		told.Hint(t0, Hint{Budget: "tokens", Limit: 500, Remaining: 200, Reset: time.Minute}, Mark{})
		told.Settle(t0, told.Start(t0, Use{1, 100}), test.used, test.mean)
		if told.Wait(t0, Use{1, test.left}) > 0 || told.Wait(t0, Use{1, test.left + 1}) == 0 {
			t.Errorf("%+v: more or less are left", test)
		}
	}
}

func TestMoreThanTheQuotaWaitsForAllOfIt(t *testing.T) {
	var told Told
	told.Hint(t0, Hint{Budget: "tokens", Limit: 500, Remaining: 400, Reset: time.Minute}, Mark{})
	if got := told.Wait(t0, Use{1, 9000}); got != time.Minute {
		t.Errorf("wait %v, want a minute", got)
	}
	if got := told.Wait(t0.Add(time.Minute), Use{1, 9000}); got != 0 {
		t.Errorf("wait %v after the reset", got)
	}
}

func TestQuotasOfSeveralNamesHoldBesideEachOther(t *testing.T) {
	var told Told
	told.Hint(t0, Hint{Remaining: 5, Reset: time.Minute}, Mark{})
	told.Hint(t0, Hint{Budget: "day", Requests: true, Remaining: 3, Reset: time.Hour}, Mark{})
	told.Hint(t0, Hint{Budget: "tokens", Remaining: 100, Reset: time.Second}, Mark{})
	for _, test := range []struct {
		use  Use
		want time.Duration
	}{{Use{3, 100}, 0}, {Use{4, 0}, time.Hour}, {Use{6, 0}, time.Hour}, {Use{1, 101}, time.Second}} {
		if got := told.Wait(t0, test.use); got != test.want {
			t.Errorf("%+v: wait %v, want %v", test.use, got, test.want)
		}
	}
	told.Forget("day")
	if got := told.Wait(t0, Use{4, 0}); got != 0 {
		t.Errorf("wait %v for a quota that is forgotten", got)
	}
}

func TestOnlySoManyQuotasAreKept(t *testing.T) {
	var told Told
	for i := range 100 {
		told.Hint(t0, Hint{Budget: string(rune('a' + i)), Requests: true, Remaining: int64(i), Reset: time.Minute}, Mark{})
	}
	if n := len(told.ledgers); n != mostLedgers {
		t.Errorf("%d are kept", n)
	}
	if told.Wait(t0, Use{Requests: 100 - mostLedgers + 1}) == 0 || told.Wait(t0, Use{Requests: 100 - mostLedgers}) > 0 {
		t.Error("those are not the newest")
	}
}

// An attempt that is long may ask more than once.
func TestAnAttemptThatTellsAgainCountsFromTheTimeBefore(t *testing.T) {
	s := play(t)
	m := s.start(1)
	s.start(4)
	s.hear(m, 50, time.Hour)
	s.want(46, t0.Add(time.Hour).Sub(s.now))
	s.pass(time.Minute)
	s.start(2)
	s.hear(m, 50, time.Hour)
	s.want(48, t0.Add(time.Hour).Sub(s.now))
}

func FuzzTold(f *testing.F) {
	f.Add([]byte{0, 1, 0, 10, 0, 60, 1, 1, 20, 30})
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255, 254, 253, 200, 100, 50, 25, 12, 6, 3})
	f.Fuzz(func(t *testing.T, events []byte) {
		var (
			told  Told
			marks = []Mark{{}}
			now   = t0
		)
		for ; len(events) >= 5; events = events[5:] {
			pause := time.Duration(events[0])
			now = now.Add(pause * pause * pause * ms) // up to 4.6 h
			m := marks[int(events[1]>>2)%len(marks)]
			u := Use{Requests: int64(events[2]), Tokens: max(wide(events[3]), 0) & (1<<42 - 1)}
			switch events[1] & 3 {
			case 0:
				if told.Wait(now, u) == 0 {
					marks = append(marks, told.Start(now, u))
				}
			case 1:
				told.Settle(now, m, u.Tokens, events[2]&1 == 0)
				told.Succeed(m)
			case 2:
				told.Back(now, m)
			default:
				name := []string{"", "requests", "tokens", "other"}[events[1]>>2&3]
				h := Hint{
					Limit: wide(events[2]), Remaining: wide(events[3]), Reset: time.Duration(wide(events[4])),
					Budget: name, Requests: name == "requests",
				}.WithinReason()
				if h.Reset == 0 {
					continue
				}
				told.Hint(now, h, m)
			}
			wait := told.Wait(now, u)
			switch {
			case wait < 0 || wait > 3*LongestHint:
				t.Fatalf("wait %v", wait)
			case told.Pause(now) < 0 || told.Pause(now) > LongestHint:
				t.Fatalf("pause %v", told.Pause(now))
			case told.Interval(now, u) < 0 || told.Interval(now, u) > LongestHint:
				t.Fatalf("interval %v", told.Interval(now, u))
			}
			for _, l := range told.ledgers {
				if math.IsNaN(l.level) || math.IsInf(l.level, -1) {
					t.Fatalf("level %v", l.level)
				}
			}
		}
		for range 100 { // it ends
			wait := told.Wait(now, Use{1, 1})
			if wait == 0 {
				return
			}
			now = now.Add(wait)
		}
		t.Fatal("told to wait again and again")
	})
}

func TestToldOfABudgetHoldsThatBudgetAlone(t *testing.T) {
	var told Told
	calls, tokens := Budget{Name: "calls", Requests: true}, Budget{Name: "tokens"}
	first := told.Start(t0, Use{Requests: 1, Tokens: 10})
	now := t0.Add(time.Second)
	told.Start(now, Use{Requests: 1, Tokens: 10})
	told.HintOfBudget(now, calls, Hint{Limit: 10, Remaining: 1, Reset: time.Minute}, first)
	one := Use{Requests: 1, Tokens: 10}
	if wait := told.WaitOfBudget(now, calls, one); wait != time.Minute {
		t.Errorf("wait for its own: %v, want a minute: the second attempt has taken the last one", wait)
	}
	if left := told.LeftOfBudget(now, calls, 7); left != 0 {
		t.Errorf("%d are left of it, want none", left)
	}
	if wait := told.WaitOfBudget(now, tokens, one); wait != 0 || told.LeftOfBudget(now, tokens, 7) != 7 {
		t.Errorf("another budget waits %v", wait)
	}
	if told.Wait(now, one) != 0 || told.Pause(now) != 0 || told.Interval(now, one) != 0 {
		t.Error("a budget's quota holds up what needs none of it")
	}
	told.HintOfBudget(now, calls, Hint{Limit: 10, Remaining: 5, Reset: time.Minute}, told.Start(now, one))
	if left := told.LeftOfBudget(now, calls, 3); left != 3 {
		t.Errorf("%d are left, want no more than what is free", left)
	}
	calls.Requests = false
	if told.WaitOfBudget(now, calls, one) != 0 {
		t.Error("what was told of requests holds up a budget of tokens")
	}
}

// used tells that nothing is left of a resource's quota for a time, or so much.
func used(told *Told, name, resource string, left int64, reset time.Duration) {
	told.Hint(t0, Hint{Budget: name, Requests: true, Resource: resource, Limit: 10, Remaining: left, Reset: reset}, Mark{})
}

func TestAResourcesQuotaHoldsUpItsOwnCalls(t *testing.T) {
	const s = time.Second
	var told Told
	for i, step := range []struct {
		name, resource string
		left           int64
		reset          time.Duration
		a, b, unknown  time.Duration // how long calls of these wait then
	}{
		{"", "a", 0, 60 * s, 60 * s, 0, 60 * s}, // all that anybody knows of is used up
		{"", "b", 5, 30 * s, 60 * s, 0, 0},
		{"", "b", 0, 30 * s, 60 * s, 30 * s, 30 * s},
		{"", "", 0, 45 * s, 60 * s, 45 * s, 45 * s},
		{"", "", 1, 20 * s, 60 * s, 30 * s, 30 * s},
		{"day", "b", 0, 90 * s, 60 * s, 90 * s, 60 * s},
		{"hour", "b", 0, 70 * s, 60 * s, 90 * s, 60 * s},
	} {
		used(&told, step.name, step.resource, step.left, step.reset)
		one := Use{Requests: 1}
		a, b, unknown := told.WaitOf(t0, one, "a"), told.WaitOf(t0, one, "b"), told.Wait(t0, one)
		if a != step.a || b != step.b || unknown != step.unknown {
			t.Errorf("step %d: waits are %v, %v, %v; want %v, %v, %v", i, a, b, unknown, step.a, step.b, step.unknown)
		}
	}
	if got := told.Until(); got != t0.Add(90*s) {
		t.Errorf("known until %v, want 90 s", got.Sub(t0))
	}
}

func TestAnAttemptTakesOfItsResourcesQuota(t *testing.T) {
	for resource, want := range map[string][3]float64{"a": {4, 5, 4}, "b": {5, 4, 4}, "": {4, 4, 4}, "c": {5, 5, 4}} {
		var told Told
		used(&told, "", "a", 5, time.Minute)
		used(&told, "", "b", 5, time.Minute)
		used(&told, "", "", 5, time.Minute)
		m := told.StartOf(t0, Use{Requests: 1, Tokens: 7}, resource)
		for i, l := range told.ledgers {
			if l.level != want[i] {
				t.Errorf("an attempt of %q leaves %v of quota %d, want %v", resource, l.level, i, want[i])
			}
		}
		told.Back(t0, m)
		for i, l := range told.ledgers {
			if l.level != 5 {
				t.Errorf("an attempt of %q that did not start leaves %v of quota %d, want 5", resource, l.level, i)
			}
		}
	}
}

func TestTokensAreSettledWithoutRequests(t *testing.T) {
	for _, c := range []struct {
		used int64
		mean bool
		want float64
	}{{12, false, 88}, {10, false, 90}, {8, false, 90}, {8, true, 92}, {11, false, 89}} {
		var told Told
		told.Hint(t0, Hint{Budget: "tokens", Limit: 100, Remaining: 100, Reset: time.Minute}, Mark{})
		m := told.Start(t0, Use{Requests: 1, Tokens: 10})
		told.Settle(t0, m, c.used, c.mean)
		if got := told.ledgers[0].level; got != c.want {
			t.Errorf("%+v: %v left", c, got)
		}
	}
}

// sayingWhen is a server whose refusals say when to come again.
type sayingWhen struct {
	quotaServer
	after func(now time.Time, n int64) time.Duration
}

func (s sayingWhen) arrive(now time.Time, n int64) (bool, Hint) {
	accepted, h := s.quotaServer.arrive(now, n)
	if !accepted {
		h.RetryAfter = s.after(now, n)
	}
	return accepted, h
}

// A run that is started again meets the quota as the one before has left it: empty. Of a bucket, the
// server says that it is full in a minute, and that the next attempt can start in a moment.
func TestAnEmptyBucketIsUsedAsItFlowsBack(t *testing.T) {
	for _, round := range []time.Duration{0, time.Second} {
		b := &continuousBucket{limit: 6000, rate: 100, at: t0}
		r := ride{
			server: sayingWhen{b, func(_ time.Time, n int64) time.Duration {
				return time.Duration(math.Ceil((float64(n) - b.left) / b.rate * 1e9))
			}},
			latency: func() time.Duration { return 100 * ms }, round: round, cost: func() int64 { return 100 },
			budget: "tokens", inFlight: 8, lasts: 30 * time.Second,
		}
		out := r.run()
		if out.used < 2700 || out.refused > 8 {
			t.Errorf("Reset rounded to %v: %d of 3000 used, %d refused, want at least 2700 and at most the 8 of the start", round, out.used, out.refused)
		}
	}
}

// What is said beside an answer that is accepted is no invitation.
func TestAPauseOfWhoWasAcceptedIsNoReasonToAskBeforeTheReset(t *testing.T) {
	for _, refused := range []bool{false, true} {
		s := play(t)
		m := s.start(1)
		m.Asked = time.Second
		s.hear(m, 0, time.Minute)
		if refused {
			s.told.Refuse(s.now, m)
		}
		want := t0.Add(time.Minute).Sub(s.now)
		if refused {
			want = time.Second
		}
		if got := s.told.Wait(s.now, Use{Requests: 1}); got != want {
			t.Errorf("refused %v: waits %v, want %v", refused, got, want)
		}
	}
}

// One that says to come again in a second whenever it refuses is asked a few times, and then not before the reset.
func TestAConstantTimeToComeAgainIsNotBelievedForEver(t *testing.T) {
	w := &fixedWindow{limit: 50, length: time.Minute, turn: t0}
	r := ride{
		server:  sayingWhen{w, func(time.Time, int64) time.Duration { return time.Second }},
		latency: func() time.Duration { return 100 * ms }, cost: func() int64 { return 1 }, inFlight: 8, lasts: 10 * time.Minute,
	}
	out := r.run()
	if out.refused > 8+mostAgain || out.used < 9*50 {
		t.Errorf("%d refused, %d used, want at most %d and at least %d", out.refused, out.used, 8+mostAgain, 9*50)
	}
}
