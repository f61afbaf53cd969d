package stage

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A witness is a policy that keeps to the bounds and notes what it is told. It
// is to be looked at after a snapshot.
type witness struct{ told []controller.Outcome }

func (w *witness) Start(b controller.Bounds) (controller.Law, controller.Setting) {
	w.told = nil
	return w, controller.Setting{Limit: b.InitialLimit, Interval: b.MinInterval}
}

func (w *witness) Next(_ time.Time, o controller.Outcome) controller.Setting {
	w.told = append(w.told, o)
	return controller.Setting{Limit: 1 << 20}
}

func (w *witness) seen() func(*Config) { return func(cfg *Config) { cfg.Controller.Policy = w } }

// of returns something of each outcome, once all are told.
func of[T any](s *stand, w *witness, what func(controller.Outcome) T) (all []T) {
	s.Snapshot()
	for _, o := range w.told {
		all = append(all, what(o))
	}
	return all
}

func seq(o controller.Outcome) int64 { return o.Seq }

// count returns the numbers from 1 to n.
func count(n int) (all []int64) {
	for i := range n {
		all = append(all, int64(i+1))
	}
	return all
}

// A number counts every attempt, retries, single calls and slots held by hand
// included. What is only recorded has none, and shows the newest.
func TestAttemptsAreNumberedAsTheyBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		s := newStand(t, 4, w.seen(), paced(second), retryingBy(controller.Retry{MaxAttempts: 2}))
		v := s.open(t.Context())
		v.send(s.work("job", 10*second, io.EOF), s.work("job", 3*second)) // begin at 0s, 1s and, again, 11s
		synctest.Wait()
		time.Sleep(second)
		if err := s.Do(t.Context(), s.work("call", 0)); err != nil { // 2s
			t.Error(err)
		}
		slot, err := s.Acquire(t.Context()) // 3s
		if err != nil {
			t.Fatal(err)
		}
		s.Record(nil, second, 0)
		time.Sleep(2 * second) // the job of 1s has ended at 4s
		slot.Release(nil)
		v.leave(2)
		if got, want := of(s, w, seq), []int64{3, 4, 2, 4, 1, 5}; !slices.Equal(got, want) {
			t.Errorf("ended in the order %v, want %v", got, want)
		}
	})
}

// What is taken back begins later, under a number that nothing has had.
func TestWhatIsTakenBackLeavesNoGapInTheNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		r := rehearse(t, t.Context(), w.seen())
		r.Hint(controller.Hint{RetryAfter: minute}, marks{})
		if n := r.Dispatcher.pool.waiting(); n != 0 {
			t.Fatalf("%d attempts were not taken back", n)
		}
		r.rest(t)
		got := of(r.stand, w, seq)
		if slices.Sort(got); !slices.Equal(got, count(cast)) {
			t.Errorf("%d attempts, numbered %v", cast, got)
		}
	})
}

// A job whose context ends between the dispatcher's word and the worker's first
// step has made no attempt.
func TestWhatIsSkippedLeavesNoGapInTheNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		r := rehearse(t, t.Context(), w.seen())
		ctx, cancel := context.WithCancel(t.Context())
		gone := r.open(ctx)
		gone.send(r.work("gone", 0))
		synctest.Wait()
		cancel() // and nobody tells the dispatcher
		r.rest(t)
		gone.leave(1)
		if n := gone.jobs[0].Attempts; n != 0 {
			t.Fatalf("%d attempts of a job that was cancelled", n)
		}
		got := of(r.stand, w, seq)
		if slices.Sort(got); !slices.Equal(got, count(cast)) {
			t.Errorf("%d attempts, numbered %v", cast, got)
		}
	})
}

// The interval holds an attempt back if that waits for it while there is a slot.
func TestOutcomeTellsWhetherTheIntervalHeldTheAttemptBack(t *testing.T) {
	for _, test := range []struct {
		name  string
		limit int
		takes time.Duration
		with  []func(*Config)
		told  controller.Hint // after the first has begun
		sleep time.Duration   // between two jobs that are sent
		want  []bool
	}{
		{name: "nothing does", limit: 4, want: []bool{false, false, false}},
		{name: "the interval", limit: 4, with: []func(*Config){paced(second)}, want: []bool{false, true, true}},
		{name: "the interval, with one slot", limit: 1, takes: second / 2, with: []func(*Config){paced(second)}, want: []bool{false, true, true}},
		{name: "the limit, longer than the interval", limit: 1, takes: 3 * second, with: []func(*Config){paced(second)}, want: []bool{false, false, false}},
		{name: "no job was there, for longer than the interval", limit: 4, sleep: 2 * second, with: []func(*Config){paced(second)}, want: []bool{false, false, false}},
		{name: "no job was there, for some of it", limit: 4, sleep: second / 2, with: []func(*Config){paced(second)}, want: []bool{false, true, true}},
		{name: "the rate", limit: 4, with: []func(*Config){rated(1, 1)}, want: []bool{false, false, false}},
		{name: "the rate, longer than the interval", limit: 4, with: []func(*Config){rated(1, 1), paced(second / 2)}, want: []bool{false, false, false}},
		{name: "the interval, longer than the rate", limit: 4, with: []func(*Config){rated(1, 1), paced(2 * second)}, want: []bool{false, true, true}},
		{
			name: "a budget", limit: 4, want: []bool{false, false, false},
			with: []func(*Config){paced(second / 2), budgeted(controller.Budget{Tokens: 1, Window: second, Requests: true})},
		},
		{name: "a pause that the server asked for", limit: 4, told: controller.Hint{RetryAfter: 5 * second}, with: []func(*Config){paced(second)}, want: []bool{false, false, true}},
		{name: "what is left of a quota", limit: 4, told: controller.Hint{Remaining: 1, Reset: minute}, with: []func(*Config){paced(second)}, want: []bool{false, true, false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &witness{}
				keep := func(cfg *Config) { cfg.Controller.Policy = keeper{w} }
				s := newStand(t, test.limit, append(test.with, keep)...)
				v := s.open(t.Context())
				for i := range test.want {
					v.send(s.work("job", test.takes))
					synctest.Wait()
					if i == 0 && test.told != (controller.Hint{}) {
						s.Hint(test.told, marks{})
					}
					time.Sleep(test.sleep)
				}
				v.leave(len(test.want))
				if got := of(s, w, func(o controller.Outcome) bool { return o.Paced }); !slices.Equal(got, test.want) {
					t.Errorf("held back: %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A keeper is a witness that keeps limit and interval.
type keeper struct{ *witness }

func (k keeper) Start(b controller.Bounds) (controller.Law, controller.Setting) {
	_, setting := k.witness.Start(b)
	return kept{k.witness, setting}, setting
}

type kept struct {
	*witness
	setting controller.Setting
}

func (k kept) Next(now time.Time, o controller.Outcome) controller.Setting {
	k.witness.Next(now, o)
	return k.setting
}

// While the controller judges a refusal, nobody asks what holds the next attempt
// up; it is what it was.
func TestIntervalHoldsAnAttemptBackWhileARefusalIsJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		s := newStand(t, 4, paced(second), func(cfg *Config) { cfg.Controller.Policy = thinker{keeper{w}} })
		v := s.open(t.Context())
		v.send(s.work("refused", second/2, Overloaded(io.EOF, 0)), s.work("job", 0))
		v.leave(2)
		s.started("refused 0s", "job 1.5s")
		if got := of(s, w, func(o controller.Outcome) bool { return o.Paced }); !slices.Equal(got, []bool{false, true}) {
			t.Errorf("held back: %v, want the second", got)
		}
	})
}

// A thinker is a keeper that thinks for a second.
type thinker struct{ keeper }

func (p thinker) Start(b controller.Bounds) (controller.Law, controller.Setting) {
	law, setting := p.keeper.Start(b)
	return thinking{law}, setting
}

type thinking struct{ controller.Law }

func (l thinking) Next(now time.Time, o controller.Outcome) controller.Setting {
	time.Sleep(second)
	return l.Law.Next(now, o)
}

// What an attempt's error, or a hint to its slot, asked for is its own: nothing of
// it is left for the next.
func TestOutcomeTellsHowLongTheServiceAskedToBeLeftAlone(t *testing.T) {
	hinting := func(wait time.Duration, err error) WorkFunc {
		return func(ctx context.Context) error {
			SlotFrom(ctx).Hint(controller.Hint{RetryAfter: wait})
			return err
		}
	}
	returning := func(err error) WorkFunc { return func(context.Context) error { return err } }
	for _, test := range []struct {
		name string
		work WorkFunc
		want time.Duration
	}{
		{"success", returning(nil), 0},
		{"failure", returning(io.EOF), 0},
		{"refusal", returning(Overloaded(io.EOF, 0)), 0},
		{"refusal for a while", returning(Overloaded(io.EOF, 5*second)), 5 * second},
		{"an error of one's own", returning(errors.Join(io.EOF, hinted{7 * second})), 7 * second},
		{"failure for a while", returning(Transient(hinted{3 * second})), 3 * second},
		{"fatal error", returning(Fatal(hinted{3 * second})), 0},
		{"hint", hinting(2*second, Overloaded(io.EOF, 0)), 2 * second},
		{"longer hint", hinting(4*second, Overloaded(io.EOF, second)), 4 * second},
		{"shorter hint", hinting(second, Overloaded(io.EOF, 4*second)), 4 * second},
		{"success with a hint", hinting(2*second, nil), 0},
		{"hint that makes no sense", hinting(-second, Overloaded(io.EOF, 0)), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &witness{}
				s := newStand(t, 1, w.seen(), retryingBy(controller.Retry{MaxAttempts: 9}))
				v := s.open(t.Context())
				attempts := []WorkFunc{returning(Overloaded(io.EOF, 9*second)), hinting(8*second, io.EOF), test.work, returning(nil)}
				v.send(func(ctx context.Context) error { return attempts[SlotFrom(ctx).Attempt()](ctx) })
				v.leave(1)
				got := of(s, w, func(o controller.Outcome) time.Duration { return o.RetryAfter })
				if got[0] != 9*second || got[1] != 8*second || got[2] != test.want || len(got) > 3 && got[3] != 0 {
					t.Errorf("asked for %v, want %v of the third", got, test.want)
				}
			})
		})
	}
}
