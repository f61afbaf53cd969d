// Package sdks has no code but tests: what the official SDKs of OpenAI, Anthropic, Google and AWS,
// and retryablehttp, do by themselves when they are refused, and that each works with a throttle as
// pipeline/pacehttp/SDKS.md says; and a ride at go-grpc-middleware's rate limit. It is a module of
// its own, so that nobody else needs them.
//
//	go test ./bench/sdks
package sdks
