package controller

import "math"

// queueing notices that attempts wait for one another at a service that refuses
// nothing: they take longer than they do when nothing is in their way. One attempt
// says nothing, since they differ; so samples are compared, and the difference has
// to be a quarter and four times its error.
//
// What is usual is only seen with no more in flight than when it was seen first, or
// it would creep up with the limit, as it does in TCP Vegas. And if there is less in
// flight and they take as long, it is the service that has become slower: then that
// is usual now.
type queueing struct {
	usual  sample
	at     float64 // the limit with which it was seen
	recent sample
	since  float64 // the recent ones are counted
	waited float64 // how long they took when the limit was lowered for it; 0: it was not
	seen   int     // samples one after another that took longer
}

// add takes how long an attempt took.
func (q *queueing) add(now, took float64) {
	if q.recent.n == 0 {
		q.since = now
	}
	q.recent.add(took)
}

// longer compares the recent attempts with the usual ones, and forgets them. It
// returns how many times longer they take, 1 if that is no sign of anything, as it is
// not before it was seen so many times in a row.
func (q *queueing) longer(limit float64, times int) float64 {
	recent := q.recent
	q.recent = sample{}
	q.seen++
	more := recent.mean - q.usual.mean
	switch {
	case q.usual.n == 0:
		q.usual, q.at, q.seen = recent, limit, 0
	case more < 0.25*q.usual.mean || more < 4*math.Sqrt(recent.error2()+q.usual.error2()):
		if limit <= q.at {
			q.usual.merge(recent)
		}
		q.waited, q.seen = 0, 0
	case q.waited > 0 && recent.mean > 0.95*q.waited:
		q.usual, q.at, q.waited, q.seen = recent, limit, 0, 0
	case q.seen >= times:
		q.waited, q.seen = recent.mean, 0
		return recent.mean / q.usual.mean
	}
	return 1
}
