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
}

// add takes how long an attempt took.
func (q *queueing) add(now, took float64) {
	if q.recent.n == 0 {
		q.since = now
	}
	q.recent.add(took)
}

// longer compares the recent attempts with the usual ones, and forgets them. It
// returns how many times longer they take, 1 if that is no sign of anything.
func (q *queueing) longer(limit float64) float64 {
	recent := q.recent
	q.recent = sample{}
	more := recent.mean - q.usual.mean
	switch {
	case q.usual.n == 0:
		q.usual, q.at = recent, limit
	case more < 0.25*q.usual.mean || more < 4*math.Sqrt(recent.error2()+q.usual.error2()):
		if limit <= q.at {
			q.usual.merge(recent)
		}
		q.waited = 0
	case q.waited > 0 && recent.mean > 0.95*q.waited:
		q.usual, q.at, q.waited = recent, limit, 0
	default:
		q.waited = recent.mean
		return recent.mean / q.usual.mean
	}
	return 1
}

// A sample is a mean and what is needed for its error (Welford 1962).
type sample struct{ n, mean, squares float64 }

func (s *sample) add(x float64) {
	s.n++
	off := x - s.mean
	s.mean += off / s.n
	s.squares += off * (x - s.mean)
}

// error2 is the square of the mean's standard error.
func (s *sample) error2() float64 { return s.squares / (s.n * max(s.n-1, 1)) }

// merge adds what another sample saw, and forgets what is long past.
func (s *sample) merge(o sample) {
	if s.n > memory {
		s.squares *= memory / s.n
		s.n = memory
	}
	n, off := s.n+o.n, o.mean-s.mean
	s.squares += o.squares + off*off*s.n*o.n/n
	s.mean += off * o.n / n
	s.n = n
}

// A mean is one of the last 64 or so.
type mean struct{ n, value float64 }

func (m *mean) add(x float64) {
	m.n = min(m.n+1, 64)
	m.value += (x - m.value) / m.n
}
