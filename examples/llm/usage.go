package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// What an attempt uses, beside a request and its tokens. A millionth of a dollar is too coarse for money: a token of a small
// model costs less.
const (
	input  = "input"
	output = "output"
	money  = "nanodollars"

	dollar = 1_000_000_000 // of these
)

// prices are what a million tokens cost, in dollars. In nanodollars, a thousand of these are what one costs.
type prices struct{ input, output float64 }

// String is what the flag is set to.
func (p *prices) String() string {
	if *p == (prices{}) {
		return ""
	}
	return fmt.Sprintf("%v,%v", p.input, p.output)
}

// Set reads two prices with a comma between them.
func (p *prices) Set(text string) error {
	var in, out float64
	if n, err := fmt.Sscanf(strings.ReplaceAll(text, ",", " "), "%g %g", &in, &out); n != 2 || err != nil || !(in > 0 && in < 1e6) || !(out > 0 && out < 1e6) {
		return errors.New(`want two prices in dollars, above 0, such as "0.15,0.60"`)
	}
	*p = prices{in, out}
	return nil
}

// of returns what tokens cost, in nanodollars, rounded to the nearest for each kind of token.
func (p prices) of(inputTokens, outputTokens int64) int64 {
	return inputTokens*int64(p.input*1000+0.5) + outputTokens*int64(p.output*1000+0.5)
}

// costs are what an attempt may use. The sum of tokens is for providers that have one quota for both.
func (o options) costs(j job) pipeline.Amounts { return o.usage(j.input, j.most) }

func (o options) usage(in, out int64) pipeline.Amounts {
	return pipeline.Amounts{"": in + out, input: in, output: out, money: o.prices.of(in, out)}
}

// recordAll says what an attempt has used.
func recordAll(slot *pipeline.Slot, used pipeline.Amounts) {
	for name, n := range used {
		slot.RecordUsage(name, n)
	}
}

// budgetsOf are the quotas that the throttle is told, named as the headers name them, so that what they say of the quotas is taken
// for these; and what the run may cost.
func (o options) budgetsOf(window time.Duration) (all []pipeline.Budget) {
	switch {
	case !o.budgets:
	case o.itpm > 0:
		all = []pipeline.Budget{
			{Name: "requests", Tokens: o.rpm, Window: window, Requests: true},
			{Name: "input-tokens", Counts: input, Tokens: o.itpm, Window: window},
			{Name: "output-tokens", Counts: output, Tokens: o.otpm, Window: window},
		}
	default:
		all = []pipeline.Budget{
			{Name: "requests", Tokens: o.rpm, Window: window, Requests: true},
			{Name: "tokens", Tokens: o.tpm, Window: window},
		}
	}
	if o.dollars > 0 {
		all = append(all, o.moneyBudget())
	}
	return all
}

// moneyBudget is what the run may cost, those before it included.
func (o options) moneyBudget() pipeline.Budget {
	return pipeline.Budget{Name: "money", Counts: money, Tokens: int64(o.dollars * dollar), Window: pipeline.Forever}
}

// quotas says what the quotas of a minute are.
func (o options) quotas() string {
	if o.itpm > 0 {
		return fmt.Sprintf("%s requests, %s input tokens and %s output tokens a minute", thousands(o.rpm), thousands(o.itpm), thousands(o.otpm))
	}
	return fmt.Sprintf("%s requests and %s tokens a minute", thousands(o.rpm), thousands(o.tpm))
}

// inDollars writes an amount of money, with the digits that matter.
func inDollars(nanodollars int64) string { return fmt.Sprintf("$%.4f", float64(nanodollars)/dollar) }
