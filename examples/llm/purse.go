package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/paceline-go/paceline/clock"
	"github.com/paceline-go/paceline/pipeline"
)

// purse is the money that all members of a pool share. The members of a pool have budgets of their own alone, and each has its
// prices. So an attempt that has a member asks here, too, in a throttle that has a budget of money and bounds nothing else.
type purse struct {
	throttle *pipeline.Throttle
	path     string // of the file in which the next run finds what is spent
}

func newPurse(o options, clk clock.Clock) (*purse, error) {
	t, err := pipeline.NewThrottle(pipeline.Config{
		MaxConcurrency: o.concurrency * len(o.members),
		Policy:         pipeline.Static{},
		Budgets:        []pipeline.Budget{o.moneyBudget()},
		Clock:          clk,
	})
	if err != nil {
		return nil, err
	}
	p := &purse{t, o.out + ".money"}
	text, err := os.ReadFile(p.path)
	if errors.Is(err, os.ErrNotExist) || o.fresh {
		return p, nil
	}
	var before pipeline.Checkpoint
	if err == nil {
		err = json.Unmarshal(text, &before)
	}
	if err != nil {
		return nil, fmt.Errorf("-out: %s: what earlier runs have spent: %w", p.path, err)
	}
	t.Resume(before)
	return p, nil
}

// pay has a member asked when there is money for the most that this may cost, and books what it did cost.
func (p *purse) pay(ctx context.Context, at prices, j job, ask func() (answer, error)) (a answer, err error) {
	if p == nil {
		return ask()
	}
	slot, err := p.throttle.Acquire(pipeline.WithCosts(ctx, pipeline.Amounts{money: at.of(j.input, j.most)}))
	if cost := new(pipeline.CostError); errors.As(err, &cost) {
		return a, pipeline.Fatal(err)
	}
	if err != nil {
		return a, err
	}
	err = errCut // if ask panics
	defer func() { bill(slot, at, a, err) }()
	a, err = ask()
	return a, err
}

// bill ends a slot of the purse. What failed may have cost the most that it could, unless it is known to have cost nothing.
func bill(slot *pipeline.Slot, at prices, a answer, err error) {
	switch {
	case err == nil:
		slot.RecordUsage(money, at.of(a.PromptTokens, a.AnswerTokens))
	case !charged(err):
		slot.Release(pipeline.Fatal(err)) // which has used nothing
		return
	}
	slot.Release(nil)
}

// statusOverloaded is Anthropic's own, for what others answer with 503.
const statusOverloaded = 529

// charged reports whether a failed attempt may have cost something: no answer came, or the server failed at it. What was refused, or not
// sent, has cost nothing.
func charged(err error) bool {
	if said := new(serverError); errors.As(err, &said) {
		return said.status >= 500 && said.status != http.StatusServiceUnavailable && said.status != statusOverloaded
	}
	var lost *lostError
	return errors.As(err, &lost) || errors.Is(err, errCut)
}

// save keeps what is spent. What is in flight counts for the most that it may cost.
func (p *purse) save() error {
	if p == nil {
		return nil
	}
	text, err := json.Marshal(p.throttle.Checkpoint())
	if err == nil {
		err = os.WriteFile(p.path+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(p.path+".new", p.path)
	}
	if err != nil {
		return fmt.Errorf("-out: %s: what is spent: %w", p.path, err)
	}
	return nil
}
