package service

// Stats counts what a service saw since it started. Each request ends in
// exactly one of the counters below Requests, once it is answered.
type Stats struct {
	Requests           int64
	Served             int64 // answered 200
	Failed             int64 // answered 500 after all the work
	Abandoned          int64 // accepted, but the caller left before the answer
	RefusedRequests    int64 // answered 429: too many per second
	RefusedTokens      int64 // answered 429: the quota of tokens was used up
	RefusedConcurrency int64 // answered 429: too many at once
	Unavailable        int64 // answered 503 in an outage
	Invalid            int64 // answered 400

	Tokens int64 // charged for
}

// Refused is the number of requests that were turned away without work.
func (s Stats) Refused() int64 {
	return s.RefusedRequests + s.RefusedTokens + s.RefusedConcurrency + s.Unavailable
}
