package controller

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestStaticNeverChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := drawBounds(t)
		law, setting := Static{}.Start(b)
		if setting.Limit != b.InitialLimit || setting.Interval != b.MinInterval {
			t.Fatalf("starts with %v, want limit %d, interval %v", setting, b.InitialLimit, b.MinInterval)
		}
		for now := t0; now.Before(t0.Add(time.Minute)); now = now.Add(5 * time.Second) {
			if got := law.Next(now, drawOutcome(t, now)); got != setting {
				t.Fatalf("changed to %v", got)
			}
		}
	})
}
