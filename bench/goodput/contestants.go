package main

import (
	"github.com/paceline-go/paceline/pipeline"
)

// ours is the contestant that the goals are for.
const ours = "paceline"

// contestants are in the order of the tables; the first is the one that is pictured.
func contestants() []contestant {
	return []contestant{
		{name: ours, call: paceline(pipeline.Seek{})},
		{name: "paceline, AIMD", call: paceline(pipeline.AIMD{})},
		{name: "fixed pool + backoff", call: fixedPool},
		{name: "x/time/rate, told the limit", call: toldRate},
		{name: "failsafe-go, retry + adaptive limiter", call: failsafeLimiter},
		{name: "failsafe-go, retry + breaker", call: failsafeBreaker},
		{name: "aws-sdk-go-v2, adaptive mode", call: awsAdaptive},
		{name: "paceline, a pipeline for each member", call: eachMember, family: poolFamily},
		{name: "least busy, as LiteLLM's router", call: leastBusy, family: poolFamily},
	}
}
