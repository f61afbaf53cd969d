package pipeline_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A shallowBucket is a service that allows 400 a second and says so, and says that what is in its
// small bucket is all that is left of them until a second later.
type shallowBucket struct {
	mu    sync.Mutex
	burst float64
	level float64
	last  time.Time
}

func (b *shallowBucket) call(ctx context.Context, _ int) (int, error) {
	time.Sleep(time.Millisecond)
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.last.IsZero() {
		b.level = b.burst
	} else {
		b.level = math.Min(b.burst, b.level+400*now.Sub(b.last).Seconds())
	}
	b.last = now
	hint := pipeline.Hint{Limit: 400, Remaining: int64(max(b.level-1, 0)), Reset: time.Second, Rounding: time.Second}
	pipeline.SlotFrom(ctx).Hint(hint)
	if b.level < 1 {
		return 0, pipeline.Overloaded(errService, time.Second)
	}
	b.level--
	return 0, nil
}

// What a server tells of its bucket's level must not hold a run to a small part of what it
// takes: 5 to 50 a second instead of 400, for ever.
func TestTheLevelOfASmallBucketIsNotAllThereIs(t *testing.T) {
	const jobs = 12_000 // half a minute's worth
	for _, burst := range []float64{5, 20, 50} {
		t.Run(fmt.Sprintf("%v at once", burst), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &shallowBucket{burst: burst}
				p := newPipeline(t, b.call, pipeline.Config{MaxConcurrency: 50, Retry: &pipeline.Retry{}})
				begin := time.Now()
				collect(p.Run(t.Context(), feed(jobs)))
				took := time.Since(begin).Seconds()
				refused := p.Throttle().Snapshot().Attempts.Overloaded
				t.Logf("%.1f s of 30 s at best, %d refused", took, refused)
				if took > 60 || refused > jobs/50 {
					t.Errorf("got %.1f s and %d refused, want at most 60 s, twice what is possible, and 2%%", took, refused)
				}
			})
		})
	}
}
