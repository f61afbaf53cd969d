package pacenats_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

// BenchmarkGate measures a pipeline of jobs that do nothing, under a throttle of its own and
// under one that has leases of a leader in the same process:
//
//	go test ./pipeline/pacenats -run '^$' -bench Gate -count 5
func BenchmarkGate(b *testing.B) {
	cfg := pipeline.Config{MaxConcurrency: 16, Policy: pipeline.Static{}, Budgets: []pipeline.Budget{
		{Tokens: 1 << 40, Window: time.Second, Requests: true},
	}}
	run := func(b *testing.B, t *pipeline.Throttle) {
		p := pipeline.Attach(t, func(_ context.Context, in int) (int, error) { return in + 1, nil })
		b.ResetTimer()
		for r := range p.Each(b.Context(), count(b.N)) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	b.Run("local", func(b *testing.B) { run(b, throttle(b, cfg)) })
	b.Run("leased", func(b *testing.B) {
		m, err := pacenats.Join(b.Context(), connect(b, serve(b).URL()), "bench", cfg)
		if err != nil {
			b.Fatal(err)
		}
		until(b, "it has all slots", func() bool { return m.Throttle().Snapshot().Concurrency == 16 })
		run(b, m.Throttle())
		b.StopTimer()
		if err := m.Leave(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkJobs measures jobs of 100 bytes from their submission until all are done: bare
// publish, fetch and ack, and through a Queue, which writes down that each begins and stores
// its result:
//
//	go test ./pipeline/pacenats -run '^$' -bench Jobs -benchtime 50000x
func BenchmarkJobs(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		conn := connect(b, serve(b).URL())
		js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(256))
		if err != nil {
			b.Fatal(err)
		}
		ctx := b.Context()
		s, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "bare", Subjects: []string{"bare.*"}, Retention: jetstream.WorkQueuePolicy})
		if err != nil {
			b.Fatal(err)
		}
		c, err := s.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1})
		if err != nil {
			b.Fatal(err)
		}
		data := fmt.Appendf(nil, "%0100d", 1)
		used := measure(b)
		for range b.N {
			if _, err := js.PublishAsync("bare.x", data, jetstream.WithStallWait(time.Minute)); err != nil {
				b.Fatal(err)
			}
		}
		<-js.PublishAsyncComplete()
		for done := 0; done < b.N; {
			batch, err := c.Fetch(256, jetstream.FetchMaxWait(time.Second))
			if err != nil {
				b.Fatal(err)
			}
			for m := range batch.Messages() {
				if err := m.Ack(); err != nil {
					b.Fatal(err)
				}
				done++
			}
		}
		used()
	})
	b.Run("queue", func(b *testing.B) {
		conn := connect(b, serve(b).URL())
		text := fmt.Sprintf("%098d", 1)
		q, err := pacenats.OpenQueue[string, string](b.Context(), conn, "bench", func(s string) string { return s }, pacenats.QueueOptions{})
		if err != nil {
			b.Fatal(err)
		}
		t := throttle(b, pipeline.Config{MaxConcurrency: 512, Policy: pipeline.Static{}})
		used := measure(b)
		if _, err := q.Submit(b.Context(), func(yield func(string) bool) {
			for i := range b.N {
				if !yield(strconv.Itoa(i) + text) {
					return
				}
			}
		}); err != nil {
			b.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := q.Work(b.Context(), t, func(_ context.Context, in string) (string, error) { return in[:1], nil }); err != nil {
				b.Error(err)
			}
		})
		until(b, "nothing is left", func() bool { s, err := q.Status(b.Context()); return err == nil && s.Left == 0 })
		used()
		b.StopTimer()
		t.Close()
		wg.Wait()
	})
}

// measure begins to measure, and returns what reports how many jobs there were a second, and
// what each took of processors, server included, which says more on a machine that others use.
func measure(b *testing.B) (used func()) {
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	b.ResetTimer()
	before := cpu()
	return func() {
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
		b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	}
}
