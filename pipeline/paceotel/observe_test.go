package paceotel_test

import (
	"context"
	"errors"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/paceotel"
)

// eventful returns a configuration of which every part has something to tell.
func eventful() pipeline.Config {
	return pipeline.Config{
		MaxConcurrency: 4,
		Policy:         pipeline.Static{},
		Budgets: []pipeline.Budget{
			{Name: "tokens", Tokens: 1000, Window: time.Hour},
			{Tokens: 500, Window: time.Hour, Requests: true},
		},
		Rate:    &pipeline.Rate{PerSecond: 10, Burst: 1},
		Breaker: &pipeline.Breaker{Failures: 100},
		Retry:   &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Second, MaxAttempts: 2},
	}
}

var errBroken = errors.New("broken")

// eventfully does ten jobs in every way there is.
func eventfully(ctx context.Context, job int) (int, error) {
	slot := pipeline.SlotFrom(ctx)
	slot.RecordTokens(5)
	slot.RecordUsage("output", 2)
	switch {
	case job == 1 && slot.Attempt() == 0:
		return 0, pipeline.Overloaded(errBroken, 0)
	case job == 2 && slot.Attempt() == 0, job == 3:
		return 0, errBroken
	case job == 4:
		return 0, pipeline.Fatal(errBroken)
	}
	time.Sleep(30 * time.Millisecond)
	return job, nil
}

func TestMetricsAreThoseOfTheSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		p, err := pipeline.New(eventfully, eventful())
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := paceotel.Observe(b.config(), p.Throttle())
		if err != nil {
			t.Fatal(err)
		}
		for range p.Run(t.Context(), numbers(10)) {
		}
		s := p.Throttle().Snapshot()
		if s.Held.Rate == 0 || s.Retries == 0 || s.Attempts.Ignored == 0 || s.Tokens == 0 {
			t.Fatalf("the run was not eventful: %+v", s)
		}
		b.expect(map[string]float64{
			"paceline.attempts succeeded":           8,
			"paceline.attempts failed":              3,
			"paceline.attempts overload":            1,
			"paceline.attempts ignored":             1,
			"paceline.retries":                      float64(s.Retries),
			"paceline.jobs succeeded":               8,
			"paceline.jobs failed":                  2,
			"paceline.tokens":                       float64(s.Tokens),
			"paceline.usage output":                 26, // 2 of each attempt
			"paceline.concurrency.limit":            4,
			"paceline.concurrency.max":              4,
			"paceline.concurrency.ceiling":          float64(s.SafeCeiling),
			"paceline.concurrency.usage":            0,
			"paceline.job.waiting":                  0,
			"paceline.dispatch.interval":            0,
			"paceline.pause.remaining":              0,
			"paceline.event.dropped":                0,
			"paceline.hold.time rate":               s.Held.Rate.Seconds(),
			"paceline.hold.time limit":              s.Held.Limit.Seconds(),
			"paceline.hold.time pace":               0,
			"paceline.hold.time budget":             0,
			"paceline.hold.time circuit":            0,
			"paceline.hold.time server":             0,
			"paceline.budget.limit tokens":          1000,
			"paceline.budget.usage tokens":          float64(s.Budgets[0].Used),
			"paceline.budget.remaining tokens":      float64(s.Budgets[0].Remaining),
			"paceline.budget.limit 1":               500,
			"paceline.budget.usage 1":               float64(s.Budgets[1].Used),
			"paceline.budget.remaining 1":           float64(s.Budgets[1].Remaining),
			"paceline.throttle.status running":      1,
			"paceline.throttle.status cooling":      0,
			"paceline.throttle.status circuit_open": 0,
			"paceline.throttle.status down":         0,
			"paceline.throttle.status draining":     0,
			"paceline.throttle.status closed":       0,
			"paceline.circuit.status closed":        1,
			"paceline.circuit.status open":          0,
			"paceline.circuit.status half_open":     0,
		})

		p.Throttle().Close()
		b.expect(map[string]float64{"paceline.throttle.status running": 0, "paceline.throttle.status closed": 1})

		if err := metrics.Unregister(); err != nil {
			t.Fatal(err)
		}
		if left := b.collect(); len(left) > 0 {
			t.Errorf("%d metrics are reported of a throttle that is observed no more", len(left))
		}
	})
}

func TestMetricsOfWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		cfg := pipeline.Config{
			MaxConcurrency:      2,
			Policy:              pipeline.Static{},
			MinDispatchInterval: 250 * time.Millisecond,
			Breaker:             &pipeline.Breaker{Failures: 1, OpenFor: time.Minute},
		}
		gate := throttle(t, cfg)
		metrics, err := paceotel.Observe(b.config(), gate)
		if err != nil {
			t.Fatal(err)
		}
		defer metrics.Unregister()
		work := func(ctx context.Context, job int) (int, error) {
			time.Sleep(time.Second)
			if job == 0 {
				pipeline.SlotFrom(ctx).Hint(pipeline.Hint{RetryAfter: 10 * time.Second})
				return 0, errBroken
			}
			return job, nil
		}
		results := pipeline.Attach(gate, work).Run(t.Context(), numbers(4))
		time.Sleep(500 * time.Millisecond)
		b.expect(map[string]float64{
			"paceline.concurrency.usage": 2,
			"paceline.job.waiting":       float64(gate.Snapshot().Waiting),
			"paceline.dispatch.interval": 0.25,
		})
		if gate.Snapshot().Waiting == 0 {
			t.Error("no job waits")
		}
		<-results
		time.Sleep(500 * time.Millisecond)
		b.expect(map[string]float64{
			"paceline.circuit.status open":          1,
			"paceline.circuit.status closed":        0,
			"paceline.throttle.status circuit_open": 1,
			"paceline.pause.remaining":              gate.Snapshot().PausedFor.Seconds(),
		})
		if gate.Snapshot().PausedFor == 0 {
			t.Error("the server's word does not count")
		}
		for range results {
		}
	})
}

// A counter that falls looks like a restart of the program.
func TestCountersOnlyRise(t *testing.T) {
	b := newBackend(t)
	cfg := pipeline.Config{MaxConcurrency: 16, Retry: &pipeline.Retry{Backoff: pipeline.Fixed, BaseDelay: time.Microsecond}}
	work := func(ctx context.Context, job int) (int, error) {
		pipeline.SlotFrom(ctx).RecordTokens(1)
		if job%7 == 0 && pipeline.SlotFrom(ctx).Attempt() == 0 {
			return 0, errBroken
		}
		return job, nil
	}
	p, err := pipeline.New(paceotel.Work(b.config(), work, nil), cfg)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := paceotel.Observe(b.config(), p.Throttle())
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Unregister()
	results := p.Run(t.Context(), numbers(3000))
	last := make(map[string]float64)
	for open := true; open; {
		for range 100 {
			if _, open = <-results; !open {
				break
			}
		}
		now := b.values()
		for name, v := range now {
			rises := strings.HasPrefix(name, "paceline.attempt") || strings.HasPrefix(name, "paceline.jobs") ||
				strings.HasPrefix(name, "paceline.retries") || strings.HasPrefix(name, "paceline.tokens") || strings.HasPrefix(name, "paceline.hold")
			if rises && v < last[name] {
				t.Errorf("%s fell from %v to %v", name, last[name], v)
			}
		}
		last = now
	}
	if last["paceline.jobs succeeded"] != 3000 || last["paceline.attempts failed"] != 429 || last["paceline.tokens"] != 3429 {
		t.Errorf("got %v at the end", last)
	}
}

func TestThrottlesAreToldApartByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		for i, name := range []string{"one", "two"} {
			cfg := b.config()
			cfg.Name = name
			metrics, err := paceotel.Observe(cfg, throttle(t, pipeline.Config{MaxConcurrency: 10 * (i + 1)}))
			if err != nil {
				t.Fatal(err)
			}
			defer metrics.Unregister()
		}
		b.expectMaxima(map[string]int64{"one": 10, "two": 20})
	})
}

func TestKeyedThrottlesAsTheyComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		keyed, err := pipeline.NewKeyed(pipeline.KeyedConfig[int]{Each: pipeline.Config{MaxConcurrency: 7}})
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := paceotel.ObserveKeyed(b.config(), keyed, func(key int) string { return "tenant " + string(rune('a'+key)) })
		if err != nil {
			t.Fatal(err)
		}
		defer metrics.Unregister()
		if found := b.collect(); len(found) > 0 {
			t.Errorf("%d metrics without a throttle", len(found))
		}
		keyed.Throttle(0)
		keyed.Throttle(2)
		b.expectMaxima(map[string]int64{"tenant a": 7, "tenant c": 7})
	})
}

func (b *backend) expectMaxima(want map[string]int64) {
	b.t.Helper()
	got := make(map[string]int64)
	for _, p := range b.collect()["paceline.concurrency.max"].Data.(metricdata.Sum[int64]).DataPoints {
		name, _ := p.Attributes.Value("paceline.throttle.name")
		got[name.AsString()] = p.Value
	}
	if !reflect.DeepEqual(got, want) {
		b.t.Errorf("got %v, want %v", got, want)
	}
}

// documented is a row of the tables of the package comment.
var documented = regexp.MustCompile(`(?m)^//\t(paceline\S+) +(\w+) +(\S+)(?: +(.*))?$`)

func TestThePackageCommentListsWhatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		p, err := pipeline.New(paceotel.Work(b.config(), eventfully, nil), eventful())
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := paceotel.Observe(b.config(), p.Throttle())
		if err != nil {
			t.Fatal(err)
		}
		defer metrics.Unregister()
		for range p.Run(t.Context(), numbers(10)) {
		}
		var there []string
		for name, m := range b.collect() {
			there = append(there, name+" "+kind(m)+" "+m.Unit+" "+strings.Join(by(m), ", "))
		}

		comment, err := os.ReadFile("doc.go")
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		for _, row := range documented.FindAllStringSubmatch(string(comment), -1) {
			keys := regexp.MustCompile(`[a-z_]+\.[a-z_.]+`).FindAllString(row[4], -1)
			slices.Sort(keys)
			told = append(told, row[1]+" "+row[2]+" "+row[3]+" "+strings.Join(keys, ", "))
		}
		slices.Sort(there)
		slices.Sort(told)
		if !slices.Equal(told, there) {
			t.Errorf("the comment lists\n%s\nand there are\n%s", strings.Join(told, "\n"), strings.Join(there, "\n"))
		}
	})
}

func kind(m metricdata.Metrics) string {
	monotonic := map[bool]string{true: "Counter", false: "UpDownCounter"}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		return monotonic[data.IsMonotonic]
	case metricdata.Sum[float64]:
		return monotonic[data.IsMonotonic]
	case metricdata.Histogram[float64]:
		return "Histogram"
	}
	return "Gauge"
}

// by returns the keys of all points but for the throttle's name.
func by(m metricdata.Metrics) (keys []string) {
	add := func(of attribute.Set) {
		for _, a := range of.ToSlice() {
			if !slices.Contains(keys, string(a.Key)) && a.Key != "paceline.throttle.name" {
				keys = append(keys, string(a.Key))
			}
		}
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			add(p.Attributes)
		}
	case metricdata.Sum[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes)
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			add(p.Attributes)
		}
	}
	slices.Sort(keys)
	return keys
}

// stubborn is a meter that makes no gauges.
type stubborn struct{ metric.Meter }

func (stubborn) Float64ObservableGauge(string, ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return nil, errBroken
}

type stubbornProvider struct{ noop.MeterProvider }

func (stubbornProvider) Meter(name string, _ ...metric.MeterOption) metric.Meter {
	return stubborn{noop.NewMeterProvider().Meter(name)}
}

func TestAnErrorOfTheMeterComesBack(t *testing.T) {
	cfg := paceotel.Config{MeterProvider: stubbornProvider{}}
	if _, err := paceotel.Observe(cfg, throttle(t, pipeline.Config{})); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want %v", err, errBroken)
	}
}
