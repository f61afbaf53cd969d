//go:build !race

// Without the race detector: it is ten times as slow, and there is no race to find in a measurement.

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A threshold is what a family has to reach. Percentiles over ten services are those of the worst one.
type threshold struct {
	family   string
	median   float64 // goodput, at least
	p5       float64 // the same
	wasted   float64 // beyond chance, median, at most
	p95      float64 // the same
	jain     float64 // fairness, median, at least
	tooOften int     // jobs that failed more often than they may be tried, at most
	lost     int     // good jobs that failed, in all services, at most
}

// The thresholds, a little below what the law reaches; a run can differ from another by a few points, since a select
// chooses as it likes. Raise one when the law gets better; lower none without saying why. No good job fails but where
// the service is away and fails what it is given: a failure costs an attempt, also when the job is not at fault.
//
// Lowered: chance at p5 was 0.53. Since chance is learned only far below what was sent, so that others at a service are
// not taken for it, a share below one percent is learned late where a refusal takes seconds. Waste in an outage was 0.029
// and 0.195: what fails is asked more often, with jobs that can be tried again, since it may be a block of bad rows. In
// pauses it was 0.070 at p95: late refusals of a trial do not lower the pace any more, which one service pays for.
// In a queue p5 was 0.91: latencies are compared later after a change, or the quick attempts that end first are taken for
// the usual ones, which halved a hosted model's goodput. Jain's index was 0.50: what a trial is refused late is paid for,
// so trials are fewer; at two seeds that nobody looked at it was 0.49 and 0.39, and is 0.41 and 0.39. In a pool waste at p95
// was 0.060: it is that of one service, and differs from run to run by half. Waste of hosted models was 0.012 at the median:
// more of what could be had is asked for (0.75 and 0.40 before). In mixed p5 was 0.50: it is that of one service, whose rate
// steps from 1 to 600/s (seed 1, 11), and which had 76, 58 and 39% with three builds of one day. Of seed 158, which nobody
// looked at, the family has 54% as before.
var thresholds = []threshold{
	// family, goodput at the median and at p5, waste at the median and at p95, Jain, tried too often, lost
	{"rate", 0.98, 0.91, 0.011, 0.034, 0.00, 0, 0},
	{"rate, hints", 0.98, 0.92, 0.003, 0.038, 0.00, 0, 0},
	{"rate steps", 0.73, 0.50, 0.020, 0.100, 0.00, 0, 0},
	{"window", 0.94, 0.78, 0.004, 0.150, 0.00, 0, 0},
	{"concurrency", 0.97, 0.88, 0.012, 0.034, 0.00, 0, 0},
	{"concurrency steps", 0.49, 0.05, 0.050, 0.263, 0.00, 0, 0},
	{"queue", 0.97, 0.86, 0.003, 0.018, 0.00, 0, 0},
	{"outage", 0.94, 0.80, 0.048, 0.280, 0.00, 0, 12},
	{"noise", 0.98, 0.94, 0.003, 0.006, 0.00, 0, 0},
	{"shared", 0.85, 0.63, 0.100, 0.150, 0.40, 0, 0},
	{"drift", 0.95, 0.78, 0.030, 0.150, 0.00, 0, 0},
	{"bad rows", 0.92, 0.12, 0.011, 0.182, 0.00, 0, 0},
	{"chance", 0.92, 0.40, 0.014, 0.080, 0.00, 0, 0},
	{"hosted model", 0.92, 0.70, 0.025, 0.110, 0.00, 0, 0},
	{"pauses", 0.90, 0.55, 0.003, 0.085, 0.00, 0, 0},
	{"sliding window", 0.88, 0.58, 0.045, 0.120, 0.00, 0, 0},
	{"mixed", 0.90, 0.34, 0.019, 0.090, 0.00, 0, 12},
	{"pool", 0.91, 0.70, 0.020, 0.140, 0.00, 0, 0},
}

// What is measured: enough services to notice a law that got worse, few enough to wait for.
const (
	thresholdSeed     = 1
	thresholdServices = 10
	thresholdBusiest  = 100_000 // jobs in a run of ten minutes, 170 a second

	// Without PACELINE_FULL, which CI sets: the first of them. Each has to reach what is asked
	// of the worst of ten; three say nothing of the median of ten.
	fewServices = 3
)

func TestEachFamilyReachesItsThresholds(t *testing.T) {
	crew, err := startCrew([]string{"-seed", fmt.Sprint(thresholdSeed)})
	if err != nil {
		t.Fatal(err)
	}
	defer crew.dismiss()
	p := plan{seed: thresholdSeed, services: thresholdServices, only: -1, busiest: thresholdBusiest,
		length: 10 * time.Minute, contestants: contestants()[:1]}
	full := os.Getenv("PACELINE_FULL") != ""
	if !full {
		p.services = fewServices
	}
	for _, th := range thresholds {
		if !full {
			th.median, th.wasted, th.jain = th.p5, th.p95, 0
		}
		t.Run(th.family, func(t *testing.T) {
			results, err := p.runFamily(th.family, crew.workers)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(th.reached(results[0]))
			for _, said := range th.missed(results[0]) {
				t.Error(said)
			}
		})
	}
}

// reached are the figures in the order of the table.
func (th threshold) reached(all []outcome) string {
	at := func(of func(outcome) float64, q float64) float64 { return quantile(values(all, of), q) }
	goodput, jain := func(o outcome) float64 { return o.Goodput }, func(o outcome) float64 { return o.Jain }
	return fmt.Sprintf("{%q, %.3f, %.3f, %.4f, %.4f, %.2f, %d}", th.family, at(goodput, 0.5), at(goodput, 0.05),
		at(outcome.beyond, 0.5), at(outcome.beyond, 0.95), at(jain, 0.5), tooOftenIn(all))
}

// missed says for each threshold that is missed how to replay the service that stands there.
func (th threshold) missed(all []outcome) (said []string) {
	check := func(what string, of func(outcome) float64, q, want float64, atLeast bool) {
		got, side := quantile(values(all, of), q), "at least"
		if !atLeast {
			side = "at most"
		}
		if atLeast && got < want || !atLeast && got > want {
			begin := fmt.Sprintf("%s: %s %s, want %s %s: ", th.family, percent(got), what, side, percent(want))
			said = append(said, begin+th.replay(all, func(o outcome) bool { return of(o) == got }))
		}
	}
	goodput, jain := func(o outcome) float64 { return o.Goodput }, func(o outcome) float64 { return o.Jain }
	check("goodput at the median", goodput, 0.5, th.median, true)
	check("goodput at the 5th percentile", goodput, 0.05, th.p5, true)
	check("attempts wasted beyond chance at the median", outcome.beyond, 0.5, th.wasted, false)
	check("attempts wasted beyond chance at the 95th percentile", outcome.beyond, 0.95, th.p95, false)
	check("Jain's index at the median", jain, 0.5, th.jain, true)
	if n := tooOftenIn(all); n > th.tooOften {
		said = append(said, fmt.Sprintf("%s: %d jobs failed more often than they may be tried, want at most %d: %s",
			th.family, n, th.tooOften, th.replay(all, func(o outcome) bool { return o.TooOften > 0 })))
	}
	lost := 0
	for _, o := range all {
		lost += o.Lost
	}
	if lost > th.lost {
		said = append(said, fmt.Sprintf("%s: %d good jobs failed, want at most %d: %s", th.family, lost, th.lost,
			th.replay(all, func(o outcome) bool { return o.Lost > 0 })))
	}
	return said
}

// replay is the command that runs the first service of which it is true.
func (th threshold) replay(all []outcome, is func(outcome) bool) string {
	for _, o := range all {
		if is(o) {
			return fmt.Sprintf("go run ./bench/goodput -family %q -seed %d -only %d -each -contestant %s\n\t%s",
				th.family, thresholdSeed, o.Number, ours, o.About)
		}
	}
	return ""
}

func TestAThresholdThatIsMissedTellsHowToReplayIt(t *testing.T) {
	th := threshold{family: "shared", median: 0.9, p5: 0.8, wasted: 0.01, p95: 0.02, jain: 0.9}
	good := outcome{Number: 1, Goodput: 0.95, Jain: 0.95}
	if said := th.missed([]outcome{good, good, good}); len(said) > 0 {
		t.Errorf("got %q, want nothing", said)
	}
	for _, bad := range []struct {
		outcome
		missed int
	}{
		{outcome{Number: 7, Goodput: 0.7, Jain: 0.95}, 1},
		{outcome{Number: 7, Goodput: 0.95, Jain: 0.95, Beyond: 0.03}, 1},
		{outcome{Number: 7, Goodput: 0.95, Jain: 0.95, TooOften: 1}, 1},
		{outcome{Number: 7, Goodput: 0.95, Jain: 0.95, Lost: 1}, 1},
		{outcome{Number: 7, Goodput: 0.95, Jain: 0.5}, 0}, // of three, the median is as it should be
	} {
		said := th.missed([]outcome{good, bad.outcome, good})
		if len(said) != bad.missed || bad.missed > 0 && !strings.Contains(said[0], `-family "shared" -seed 1 -only 7`) {
			t.Errorf("%+v: got %q, want %d with the command that replays it", bad.outcome, said, bad.missed)
		}
	}
	if said := th.missed([]outcome{{Number: 7}}); len(said) != 3 {
		t.Errorf("got %q, want that goodput and Jain's index are missed", said)
	}
}

func TestEachFamilyHasThresholds(t *testing.T) {
	var all []string
	for _, th := range thresholds {
		all = append(all, th.family)
	}
	if !slices.Equal(all, families) {
		t.Errorf("got thresholds of %q, want those of %q", all, families)
	}
}
