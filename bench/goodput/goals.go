package main

import (
	"cmp"
	"fmt"
	"time"
)

// The goals: as the 5th or 95th percentile over all services, whichever is the worse side.
const (
	leastGoodput    = 0.97
	mostWasted      = 0.01
	mostWastedTold  = 0.002 // where the service tells of its limits
	mostSlow        = 1.5
	leastJain       = 0.95
	fastestDown     = 2 * time.Second
	fastestUp       = 10 * time.Second
	fastestRecovery = 5 * time.Second
	longestGood     = 1.3 // times as long as good rows need
	longestAll      = 1.5
)

// leastOf is the goal for goodput of families at which not all of leastGoodput can be had.
var leastOf = map[string]float64{
	"bad rows":       1 / longestGood,
	"chance":         0.90,
	"hosted model":   0.90,
	"pauses":         0.85,
	"sliding window": 0.90,
	"mixed":          0.80,
}

// judge says for each goal of the family whether it holds.
func judge(family string, all []outcome) []string {
	goodput := quantile(values(all, func(o outcome) float64 { return o.Goodput }), 0.05)
	wasted := quantile(values(all, func(o outcome) float64 { return o.Wasted }), 0.95)
	beyond := quantile(values(all, outcome.beyond), 0.95)
	lost := 0
	for _, o := range all {
		lost += o.Lost
	}
	least := cmp.Or(leastOf[family], leastGoodput)
	said := []string{
		verdict(goodput >= least, "at least %s of goodput", percent(least), percent(goodput)),
		verdict(lost == 0, "%s jobs failed", "no", count(lost)),
	}
	switch family {
	case "noise": // what is wasted are the errors themselves
		return said
	case "bad rows":
		longest, tried := quantile(values(all, outcome.all), 0.95), tooOftenIn(all)
		return append(said, verdict(longest <= longestAll, "all rows within %s", multiple(longestAll), multiple(longest)),
			verdict(tried == 0, "%s jobs tried too often", "no", count(tried)))
	case "chance", "hosted model", "pauses", "sliding window", "mixed":
		return append(said, verdict(beyond <= mostWasted,
			"at most %s wasted beyond chance", percent(mostWasted), percent(beyond)))
	case "rate, hints":
		said = append(said, verdict(wasted <= mostWastedTold, "at most %s wasted", percent(mostWastedTold), percent(wasted)))
	default:
		said = append(said, verdict(wasted <= mostWasted, "at most %s wasted", percent(mostWasted), percent(wasted)))
	}
	switch family {
	case "rate steps":
		said = append(said, adapted("down", all, outcome.downs, fastestDown), adapted("up", all, outcome.ups, fastestUp))
	case "outage":
		said = append(said, adapted("back", all, outcome.ups, fastestRecovery))
	case "queue":
		slow := quantile(slows(all), 0.95)
		said = append(said, verdict(slow <= mostSlow, "p99 latency at most %s", multiple(mostSlow), multiple(slow)))
	case "shared":
		fair := quantile(jains(all), 0.05)
		said = append(said, verdict(fair > leastJain, "Jain's index above %s", fmt.Sprint(leastJain), fmt.Sprintf("%.3f", fair)))
	}
	return said
}

// adapted judges the time that it took to adapt to changes.
func adapted(what string, all []outcome, of func(outcome) []time.Duration, most time.Duration) string {
	return verdict(quantileOf(all, 0.95, of) <= most, what+" within %s", most.String(), duration(all, 0.95, of))
}

// quantileOf is a quantile over all changes of all services, 0 if there are none.
func quantileOf(all []outcome, q float64, of func(outcome) []time.Duration) time.Duration {
	var each []time.Duration
	for _, o := range all {
		each = append(each, of(o)...)
	}
	if len(each) == 0 {
		return 0
	}
	return quantile(each, q)
}

func verdict(holds bool, goal, want, got string) string {
	said := "holds"
	if !holds {
		said = "**missed**"
	}
	return fmt.Sprintf(goal+": %s (%s)", want, said, got)
}
