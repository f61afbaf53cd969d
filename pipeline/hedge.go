package pipeline

import (
	"cmp"
	"context"
	"fmt"

	"github.com/paceline-go/paceline/stage"
)

// A Hedge says when [Hedged] makes a second attempt. A zero field takes its default.
type Hedge struct {
	Quantile float64 // an attempt that takes longer than this share of the others gets a second one, above 0, below 1; default 0.98
	MaxShare float64 // of all attempts that second ones are at most, above 0, up to 1; default 0.03
}

// Hedged returns work whose attempts, if they take long, get a second attempt beside them: for a
// service that is quick, but for a few answers. Wrap only work that may safely be done twice at the
// same time, such as reading; and once for each service, since how long attempts take is learned
// from all that go through what Hedged returns. The first hundred get no second one.
//
// A second attempt passes all that every attempt passes, and goes before jobs that wait. It takes a
// slot of its own, waits for pace, rate, circuit and pauses, and reserves its part of each budget, as
// the job's Cost, Costs and Weight say. It is paid from Retry.Budget, if there is one. Whichever
// attempt succeeds first is what counts, and ends the other one by its context. An attempt that
// fails is not helped by a second one, so that failures and refusals are seen as they are. The result
// comes when both have returned: work that does not look at its context gains nothing.
//
// The result's Attempts do not count second ones; Snapshot.Hedges does. What one that was broken off
// has used of budgets is its cost, unless it has recorded otherwise. A second attempt has a Slot of its own. Where there is no attempt, as in a plain
// call of the work, there is no second one.
//
// It panics if work is nil, or if a field of h is out of its range.
func Hedged[In, Out any](work Work[In, Out], h Hedge) Work[In, Out] {
	mustHave("Hedged", work != nil, "work")
	quantile, share := cmp.Or(h.Quantile, 0.98), cmp.Or(h.MaxShare, 0.03)
	if !(quantile > 0 && quantile < 1) {
		panic(fmt.Sprintf("paceline: Hedged: quantile: got %v, want above 0, below 1", h.Quantile))
	}
	if !(share > 0 && share <= 1) {
		panic(fmt.Sprintf("paceline: Hedged: max share: got %v, want above 0, up to 1", h.MaxShare))
	}
	hedge := stage.NewHedge(quantile, share)
	return func(ctx context.Context, in In) (Out, error) {
		var first, second Out
		bySecond, err := hedge.Do(ctx,
			func(ctx context.Context) (err error) { first, err = work(ctx, in); return err },
			func(ctx context.Context) (err error) { second, err = work(ctx, in); return err },
		)
		if bySecond {
			return second, nil
		}
		return first, err
	}
}
