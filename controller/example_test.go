package controller_test

import (
	"fmt"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// Latency is a policy of one's own: one attempt more as long as they take less
// than Target, one less when they take longer.
type Latency struct {
	Target time.Duration
}

func (l Latency) Start(b controller.Bounds) (controller.Law, controller.Setting) {
	law := &latency{target: l.Target, most: b.MaxLimit, limit: b.InitialLimit}
	return law, controller.Setting{Limit: law.limit}
}

type latency struct {
	target      time.Duration
	limit, most int
}

func (l *latency) Next(_ time.Time, o controller.Outcome) controller.Setting {
	switch {
	case o.Overloads() || o.Took > l.target:
		l.limit = max(l.limit-1, 1)
	case o.Verdict == controller.Succeeded:
		l.limit = min(l.limit+1, l.most)
	}
	return controller.Setting{Limit: l.limit}
}

// A policy is stepped through outcomes, so it is tried without a service.
func ExamplePolicy() {
	law, setting := Latency{Target: time.Second}.Start(controller.Bounds{InitialLimit: 2, MaxLimit: 4})
	fmt.Println("starts with", setting)
	for _, took := range []time.Duration{100, 200, 300, 1500} {
		setting = law.Next(time.Time{}, controller.Outcome{
			Verdict: controller.Succeeded, Took: took * time.Millisecond,
		})
		fmt.Println(took*time.Millisecond, "->", setting)
	}
	// Output:
	// starts with limit 2, interval 0s
	// 100ms -> limit 3, interval 0s
	// 200ms -> limit 4, interval 0s
	// 300ms -> limit 4, interval 0s
	// 1.5s -> limit 3, interval 0s
}
