package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// A runner has contestants work in the cases, one after the other.
type runner struct {
	programs map[string]string
	length   time.Duration
	traces   string // a folder; "": none
}

// A score is what a contestant has reached in a case.
type score struct {
	record
	length  time.Duration
	allowed float64 // successes that the proxy had room for
	cpu     float64 // of the machine, that all sides used together
}

func (s score) cells() []string {
	return []string{
		fmt.Sprintf("%.0f", float64(s.succeeded)/s.length.Seconds()),
		fmt.Sprintf("%.1f%%", 100*float64(s.succeeded)/s.allowed),
		fmt.Sprintf("%.1f%%", 100*s.wasted()),
		fmt.Sprint(s.jobsFailed),
		milliseconds(s.latencies, 0.5),
		milliseconds(s.latencies, 0.99),
		fmt.Sprintf("%.0f%%", 100*s.cpu),
	}
}

// short is what matters most, in one cell.
func (s score) short() string {
	text := fmt.Sprintf("%.0f%%, %.1f%%", 100*float64(s.succeeded)/s.allowed, 100*s.wasted())
	if s.jobsFailed > 0 {
		text += fmt.Sprintf(", %d", s.jobsFailed)
	}
	return text
}

// milliseconds is the smallest latency that at least the share q of all does not exceed (nearest rank).
func milliseconds(latencies []time.Duration, q float64) string {
	if len(latencies) == 0 {
		return "–"
	}
	sorted := slices.Sorted(slices.Values(latencies))
	rank := int(q*float64(len(sorted))+0.999999) - 1
	return fmt.Sprint(sorted[min(max(rank, 0), len(sorted)-1)].Milliseconds())
}

func (r runner) measureAll(ctx context.Context, w io.Writer, scenarios []scenario, chosen []contestant) error {
	fmt.Fprintf(w, "%v for each contestant in each case, on a proxy started afresh; %d cores, %s.\n\n",
		r.length, runtime.NumCPU(), runtime.Version())
	overview := newTable(append([]string{""}, shorts(chosen)...)...)
	busiest := 0.0
	for _, sc := range scenarios {
		t := newTable("", "goodput/s", "of the limit", "wasted", "jobs failed", "p50, ms", "p99, ms", "CPU")
		row := []string{sc.name}
		for _, c := range chosen {
			result, err := r.measure(ctx, sc, c)
			if err != nil {
				return fmt.Errorf("case %s, contestant %s: %w", sc.name, c.short, err)
			}
			busiest = max(busiest, result.cpu)
			t.addFor(c.name, result.cells()...)
			row = append(row, result.short())
		}
		overview.add(row...)
		fmt.Fprintf(w, "### %s\n\n%s Room for %s.\n\n", sc.name, sc.about, sc.limits(r.length))
		t.print(w)
	}
	fmt.Fprintf(w, "### All cases\n\nGoodput as a share of the limit, wasted share of attempts, jobs failed if any.\n\n")
	overview.print(w)
	fmt.Fprintf(w, "The busiest run used %.0f%% of the machine: contestant, proxy and backend together.\n", 100*busiest)
	return nil
}

func shorts(all []contestant) []string {
	var names []string
	for _, c := range all {
		names = append(names, c.short)
	}
	return names
}

// measure has one contestant work in one case, on a proxy of its own.
func (r runner) measure(ctx context.Context, sc scenario, c contestant) (result score, err error) {
	dir, err := os.MkdirTemp("", "paceline-proxy")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	before := ownCPU()
	behind, err := startBackend()
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, behind.goAway()) }()
	front, url, err := startProxy(ctx, sc.proxy, r.programs[sc.proxy.program()], dir, behind.address, sc.phases[0].limit)
	if err != nil {
		return result, err
	}

	result = score{length: r.length, allowed: sc.allows(r.length)}
	result.record, err = r.run(ctx, sc, c, url, script{sc, dir, behind})
	used, stopped := front.Stop()
	result.cpu = (used + ownCPU() - before).Seconds() / r.length.Seconds() / float64(runtime.NumCPU())
	if r.traces != "" {
		err = errors.Join(err, r.writeTrace(sc, c, result.samples))
	}
	return result, errors.Join(err, stopped)
}

// run is the part of a case that counts.
func (r runner) run(ctx context.Context, sc scenario, c contestant, url string, script script) (record, error) {
	timed, cancel := context.WithCancel(ctx) // no deadline: contestants must not know when the round is over
	defer cancel()
	defer time.AfterFunc(r.length, cancel).Stop()
	client := newClient()
	defer client.CloseIdleConnections()

	recorder := newRecorder(timed)
	limits := make(chan float64, len(sc.phases)) // so that nobody has to listen
	directed := make(chan error, 1)
	go func() {
		err := script.run(timed, r.length, limits)
		if err != nil {
			cancel()
		}
		directed <- err
	}()
	c.run(timed, round{
		attempt:  recorder.attempt(func(ctx context.Context) error { return get(ctx, client, url) }),
		jobEnded: recorder.jobEnded,
		watch:    recorder.watch,
		isRate:   sc.isRate(),
		limits:   limits,
	})
	return <-recorder.records, errors.Join(<-directed, ctx.Err())
}

// A script has happen to proxy and backend what the scenario says.
type script struct {
	scenario
	dir    string
	behind *backend
}

// run tells each limit when it comes into force.
func (s script) run(ctx context.Context, length time.Duration, limits chan<- float64) error {
	last := s.phases[0]
	for _, f := range s.phases {
		if err := s.turn(last, f); err != nil {
			return err
		}
		limits <- s.told(f)
		last = f
		select {
		case <-time.After(time.Duration(f.share * float64(length))):
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// told is the limit as a contestant needs it: requests a second, or at once.
func (s script) told(f phase) float64 {
	if s.isRate() {
		return f.limit / s.window.Seconds()
	}
	return f.limit
}

func (s script) turn(from, to phase) error {
	if from.limit != to.limit {
		if err := s.proxy.change(s.dir, to.limit); err != nil {
			return err
		}
	}
	switch {
	case to.away && !from.away:
		return s.behind.goAway()
	case from.away && !to.away:
		return s.behind.comeBack()
	}
	return nil
}

// writeTrace writes a line for each sample; the limit of the proxy is that in the middle of its time.
func (r runner) writeTrace(sc scenario, c contestant, samples []sample) error {
	f, err := os.Create(filepath.Join(r.traces, sc.name+"."+c.short+".csv"))
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	_ = w.Write([]string{"at_ms", "room_per_s", "limit", "interval_us", "in_flight", "started", "succeeded", "refused", "failed",
		"jobs_failed", "mean_ms"}) // an error is told by Error
	for _, one := range samples {
		room := sc.perSecond(sc.phaseAt(one.at-samplePeriod/2, r.length))
		_ = w.Write(one.cells(room))
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}

func (s sample) cells(room float64) []string {
	return []string{
		fmt.Sprint(s.at.Milliseconds()),
		fmt.Sprintf("%.0f", room),
		fmt.Sprint(s.limit),
		fmt.Sprint(s.interval.Microseconds()),
		fmt.Sprint(s.inFlight),
		fmt.Sprint(s.started),
		fmt.Sprint(s.succeeded),
		fmt.Sprint(s.refused),
		fmt.Sprint(s.failed),
		fmt.Sprint(s.jobsFailed),
		fmt.Sprint(s.mean.Milliseconds()),
	}
}
