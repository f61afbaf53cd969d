package controller

// A mean is one of the last 64 or so.
type mean struct{ n, value float64 }

// meanSpan is how many values a mean is of.
const meanSpan = 64

func (m *mean) add(x float64) {
	if m.n < meanSpan {
		m.n++
		m.value += (x - m.value) / m.n
		return
	}
	m.value += (x - m.value) / meanSpan // a multiplication: the law takes each outcome's latency
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

// settle returns x, or 0 if it is next to nothing. A mean that only shrinks would end
// at numbers so small that a processor takes a hundred times as long for them.
func settle(x float64) float64 {
	if x < 1e-9 {
		return 0
	}
	return x
}
