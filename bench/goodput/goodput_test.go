package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain makes a worker of the process where a test has started one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-"+workerFlag {
		main()
	}
	os.Exit(m.Run())
}

// unlimited is a service without a limit, as fast as its callers have workers.
func unlimited(length time.Duration) scenario {
	l := latency{rand.New(rand.NewPCG(1, 2)), 100 * time.Millisecond, 0}
	return scenario{
		family: "noise", service: &noise{manners: manners{latency: l}}, latency: l,
		workers: 10, clients: 1, attempts: 5, park: true, length: length, tokens: func() int64 { return 1 },
		oracle: 10 * float64(length/l.mean),
	}
}

func TestEveryContestantDoesWhatAnUnlimitedServiceCan(t *testing.T) {
	for _, c := range contestants() {
		o := race(t, c, unlimited(2*time.Minute))
		if o.Goodput < 0.9 || o.Goodput > 1 || o.Wasted != 0 || o.Lost != 0 {
			t.Errorf("%s: got goodput %v, wasted %v, %d jobs lost; want nearly all of the goodput, and nothing else", c.name, o.Goodput, o.Wasted, o.Lost)
		}
	}
}

func TestEveryContestantMakesUpForErrors(t *testing.T) {
	for _, c := range contestants() {
		s := unlimited(2 * time.Minute)
		s.service.(*noise).share = 0.02
		o := race(t, c, s)
		if o.Wasted < 0.01 || o.Wasted > 0.04 || o.Lost != 0 {
			t.Errorf("%s: got %v wasted, %d jobs lost; want the errors wasted, no job lost", c.name, o.Wasted, o.Lost)
		}
	}
}

func TestWhoIsToldTheLimitWastesNothing(t *testing.T) {
	p := plan{seed: 3, length: time.Minute}
	for number := range 3 {
		s := p.service("rate", number)
		if o := race(t, contestant{call: toldRate}, s); o.Wasted > 0 || o.Goodput < 0.9 {
			t.Errorf("%s: got goodput %v, wasted %v", s.about, o.Goodput, o.Wasted)
		}
	}
}

func TestSameSeedSameServices(t *testing.T) {
	answers := func(seed uint64, family string, number int) (all []answer) {
		p := plan{seed: seed, length: time.Minute}
		s := p.service(family, number)
		for i := range 200 {
			a := s.service.Arrive(time.Duration(i)*10*time.Millisecond, job{tokens: s.tokens()})
			a.Hint, a.Other = nil, nil
			all = append(all, a)
		}
		return all
	}
	for _, family := range families {
		first := answers(7, family, 5)
		if !slices.Equal(first, answers(7, family, 5)) {
			t.Errorf("%s: the same seed and number gave another service", family)
		}
		if slices.Equal(first, answers(8, family, 5)) || slices.Equal(first, answers(7, family, 6)) {
			t.Errorf("%s: another seed or number gave the same service", family)
		}
	}
}

func TestOnlyWhatIsHeardOfWithinTheRunCounts(t *testing.T) {
	late := contestant{call: func(_ context.Context, c *client) {
		time.Sleep(time.Second)
		_ = c.attempt(job{tokens: 1}) // 100 ms
		time.Sleep(850 * time.Millisecond)
		_ = c.attempt(job{tokens: 1}) // ends after the run
		c.giveBack(job{}, errFailed)
	}}
	s := unlimited(2 * time.Second)
	s.oracle = 2
	if o := race(t, late, s); o.Goodput != 0.5 || o.Lost != 0 {
		t.Errorf("got goodput %v of 2, %d jobs lost; want 1 success and none lost", o.Goodput, o.Lost)
	}
}

func TestCallersGiveUp(t *testing.T) {
	for _, c := range contestants() {
		s := unlimited(time.Minute)
		s.timeout = 50 * time.Millisecond
		if o := race(t, c, s); o.Goodput != 0 || o.Wasted != 1 || o.Slow > 0.51 {
			t.Errorf("%s: got goodput %v, wasted %v, p99 × %v; want that all attempts were given up after half of the latency", c.name, o.Goodput, o.Wasted, o.Slow)
		}
	}
}

func TestTimeToAdapt(t *testing.T) {
	s := unlimited(100 * time.Second)
	s.workers = 1000
	s.service = &bucket{rate: limit{at: func(now time.Duration) float64 {
		if now >= 30*time.Second && now < 60*time.Second {
			return 40
		}
		return 100
	}}}
	beats := make([]counts, 1000)
	for i := range beats {
		switch {
		case i < 300:
			beats[i] = counts{10, 0}
		case i < 325: // still as fast
			beats[i] = counts{4, 6}
		case i < 670: // too slow after the rise
			beats[i] = counts{4, 0}
		default:
			beats[i] = counts{10, 0}
		}
	}
	down, up := adaptations(s, beats)
	// A second that wastes a tenth begins a little before it is all well.
	if len(down) != 1 || down[0] < 1500*time.Millisecond || down[0] > 2500*time.Millisecond {
		t.Errorf("down: got %v, want about 2.5 s", down)
	}
	if len(up) != 1 || up[0] < 6500*time.Millisecond || up[0] > 7*time.Second {
		t.Errorf("up: got %v, want about 7 s", up)
	}
}

func TestQuantile(t *testing.T) {
	var all []float64
	for i := range 200 {
		all = append(all, float64(200-i))
	}
	for q, want := range map[float64]float64{0: 1, 0.05: 10, 0.5: 100, 0.95: 190, 1: 200} {
		if got := quantile(all, q); got != want {
			t.Errorf("%v of 1 to 200: got %v, want %v", q, got, want)
		}
	}
	if got := quantile([]float64{3}, 0.05); got != 3 {
		t.Errorf("of one value: got %v, want 3", got)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if got := h.quantile(0.99); got != 0 {
		t.Errorf("of nothing: got %v, want 0", got)
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	for q, want := range map[float64]float64{0.01: 0.01, 0.5: 0.5, 0.99: 0.99} {
		if got := h.quantile(q).Seconds(); math.Abs(got/want-1) > 0.01 {
			t.Errorf("%v of 1 ms to 1 s: got %v s, want %v s", q, got, want)
		}
	}
}

func TestJain(t *testing.T) {
	for _, c := range []struct {
		shares []int
		want   float64
	}{{[]int{5, 5, 5}, 1}, {[]int{9, 0, 0}, 1. / 3}, {[]int{0, 0}, 1}, {[]int{1, 3}, 0.8}} {
		if got := jain(c.shares); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v: got %v, want %v", c.shares, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	p := plan{services: 2, only: -1, families: []string{"queue"}, contestants: []contestant{{name: "a peer"}, {name: "paceline"}}}
	got := new(bytes.Buffer)
	err := p.print(got, []worker{func(k task) (outcome, error) {
		if k.Contestant == "paceline" {
			return outcome{Goodput: 0.98, Wasted: 0.001 * float64(k.Number), Slow: 1.2}, nil
		}
		return outcome{Goodput: 0.5 + 0.25*float64(k.Number), Wasted: 0.25, Lost: 600, Slow: 2}, nil
	}})
	want := `### queue

|              | goodput p5 | median | worst | wasted p95 | median | worst | jobs failed | in services | p99 latency p95 | median |  worst |
|--------------|-----------:|-------:|------:|-----------:|-------:|------:|------------:|------------:|----------------:|-------:|-------:|
| a peer       |      50.0% |  50.0% | 50.0% |      25.0% |  25.0% | 25.0% |       1,200 |           2 |          × 2.00 | × 2.00 | × 2.00 |
| **paceline** |      98.0% |  98.0% | 98.0% |      0.10% |  0.00% | 0.10% |           0 |           0 |          × 1.20 | × 1.20 | × 1.20 |
`
	if err != nil || !strings.HasSuffix(strings.TrimSpace(got.String()), strings.TrimSpace(want)) {
		t.Errorf("error %v, got\n%s\nwant it to end with\n%s", err, got, want)
	}
}

func TestGoals(t *testing.T) {
	second, minute := []time.Duration{time.Second}, []time.Duration{time.Minute}
	good := outcome{Goodput: 0.99, Wasted: 0.001, Beyond: 0.001, Good: 1.1, All: 1.1, Slow: 1.2, Jain: 0.99}
	good.Down, good.Up = second, second
	bad := outcome{Goodput: 0.5, Wasted: 0.1, Beyond: 0.1, Good: 2, All: 2, TooOften: 1, Lost: 1, Slow: 3, Jain: 0.2}
	bad.Down, bad.Up = minute, minute
	for _, family := range families {
		for _, said := range judge(family, []outcome{good}) {
			if !strings.Contains(said, "holds") {
				t.Errorf("%s: got %q, want that it holds", family, said)
			}
		}
		for _, said := range judge(family, []outcome{good, bad}) {
			if !strings.Contains(said, "missed") {
				t.Errorf("%s: got %q, want that it is missed", family, said)
			}
		}
	}
}

func TestWorkersAreProcesses(t *testing.T) {
	args := []string{"-seed", "5", "-minutes", "0.2"}
	crew, err := startCrew(args)
	if err != nil {
		t.Fatal(err)
	}
	defer crew.dismiss()
	p := plan{seed: 5, length: 12 * time.Second, contestants: contestants()}
	for i, do := range crew.workers {
		k := task{"noise", i, ours}
		there, err := do(k)
		if err != nil {
			t.Fatal(err)
		}
		here, _ := p.here(t)(k)
		if there.About != here.About || there.Number != i || there.Goodput <= 0 {
			t.Errorf("got %+v from a worker, want about the same as here: %+v", there, here)
		}
	}
}

func TestAWorkerThatFailsEndsTheRun(t *testing.T) {
	p := plan{services: 1000, only: -1, families: []string{"rate"}, contestants: contestants()}
	broken, calls := errors.New("broken"), 0
	err := p.print(io.Discard, []worker{func(task) (outcome, error) {
		calls++
		return outcome{}, broken
	}})
	if !errors.Is(err, broken) || calls != 1 {
		t.Errorf("got %v after %d tasks, want %v after the first", err, calls, broken)
	}
}

func TestArguments(t *testing.T) {
	for _, args := range [][]string{{"-family", "none"}, {"-contestant", "nobody"}, {"-services", "0"}, {"-minutes", "0"}} {
		if err := run(t, io.Discard, args); err == nil || !strings.HasPrefix(err.Error(), args[0]) {
			t.Errorf("%v: got %v, want an error that names the flag", args, err)
		}
	}
}

func TestPictures(t *testing.T) {
	folder := t.TempDir()
	p := plan{seed: 1, services: 5, only: -1, length: 10 * time.Second, families: families, contestants: contestants()}
	if err := p.picture(t, io.Discard, folder); err != nil {
		t.Fatal(err)
	}
	files, _ := os.ReadDir(folder)
	if len(files) != len(families) {
		t.Fatalf("got %d pictures, want %d", len(files), len(families))
	}
	for _, f := range files {
		svg, err := os.ReadFile(folder + "/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if len(svg) > 60_000 {
			t.Errorf("%s: got %d bytes, want at most 60,000", f.Name(), len(svg))
		}
		if err := xml.Unmarshal(svg, new(struct{ XMLName xml.Name })); err != nil {
			t.Errorf("%s: %v", f.Name(), err)
		}
		for _, name := range []string{"goodput", "in flight", "limit", "seconds"} {
			if !bytes.Contains(svg, []byte(">"+name+"<")) {
				t.Errorf("%s: no line or axis is named %q", f.Name(), name)
			}
		}
	}
}
