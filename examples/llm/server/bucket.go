package server

import "time"

// bucket is a quota as OpenAI counts it: full at the start, refilled evenly, so many in a minute, and charged with a request when
// that arrives. That it is no window which begins anew shows in what users report: "Limit 200000, Used 162960, Requested 42288.
// Please try again in 1.574s" (github.com/openai/codex/issues/88) is the time that 5,248 take to flow back at 200,000 a minute,
// and "limit-requests: 5000, remaining-requests: 4999, reset-requests: 12ms" (community.openai.com/t/1268905) is one of 5,000.
//
// It counts in whole numbers, n tokens as n × minute, so that it is exact to the token.
type bucket struct {
	limit  int64
	minute time.Duration
	level  int64 // what is used, × minute, at the time at
	at     time.Time
}

func (b *bucket) flow(now time.Time) {
	if since := now.Sub(b.at); since < b.minute {
		b.level = max(0, b.level-int64(since)*b.limit)
	} else {
		b.level = 0
	}
	b.at = now
}

// wait returns how long it takes until n fit in; 0: they do now.
func (b *bucket) wait(now time.Time, n int64) time.Duration {
	b.flow(now)
	return b.timeOf(b.level + n*int64(b.minute) - b.limit*int64(b.minute))
}

func (b *bucket) take(n int64) { b.level += n * int64(b.minute) }
func (b *bucket) give(n int64) { b.level = max(0, b.level-n*int64(b.minute)) }

// used is rounded up, so that what remains never seems to be more than it is.
func (b *bucket) used() int64      { return (b.level + int64(b.minute) - 1) / int64(b.minute) }
func (b *bucket) remaining() int64 { return max(0, b.limit-b.used()) }

// reset returns how long it takes until all of it is there again.
func (b *bucket) reset() time.Duration { return b.timeOf(b.level) }

// timeOf returns how long so much takes to flow back, rounded up.
func (b *bucket) timeOf(level int64) time.Duration {
	return time.Duration(max(0, level+b.limit-1) / b.limit)
}
