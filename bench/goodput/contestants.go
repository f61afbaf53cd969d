package main

import "github.com/paceline-go/paceline/pipeline"

// contestants in the order of the tables.
func contestants() []contestant {
	return []contestant{
		{name: "paceline, AIMD", call: paceline(pipeline.AIMD{})},
		{name: "fixed pool + backoff", call: fixedPool},
		{name: "x/time/rate, told the limit", call: toldRate},
		{name: "failsafe-go, retry + adaptive limiter", call: failsafeLimiter},
		{name: "failsafe-go, retry + breaker", call: failsafeBreaker},
		{name: "aws-sdk-go-v2, adaptive mode", call: awsAdaptive},
	}
}
