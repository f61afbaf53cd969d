package controller

import (
	"math"
	"testing"
)

func TestMeanIsOfAllAtFirstAndThenOfTheLastSixtyFourOrSo(t *testing.T) {
	var m mean
	for _, x := range []float64{1, 2, 6} {
		m.add(x)
	}
	if m.n != 3 || !about(m.value, 3) {
		t.Errorf("got %+v, want 3, of 3", m)
	}
	m = mean{n: 64}
	m.add(64)
	if m.n != 64 || m.value != 1 {
		t.Errorf("got %+v, want a sixty-fourth of the newest, and no more than 64", m)
	}
}

func TestSampleKnowsTheErrorOfItsMean(t *testing.T) {
	for _, c := range []struct {
		of          []float64
		mean, error float64
	}{
		{[]float64{7}, 7, 0}, // nothing is known of it, and it is not infinite
		{[]float64{1, 3}, 2, 1},
		{[]float64{2, 4, 4, 4, 5, 5, 7, 9}, 5, 4. / 7},
	} {
		var s sample
		for _, x := range c.of {
			s.add(x)
		}
		if !about(s.mean, c.mean) || !about(s.error2(), c.error) {
			t.Errorf("%v: mean %v, error² %v; want %v and %v", c.of, s.mean, s.error2(), c.mean, c.error)
		}
	}
}

func TestSamplesThatAreMergedAreOne(t *testing.T) {
	var a, b, both sample
	for i, x := range []float64{2, 4, 4, 4, 5, 5, 7, 9} {
		both.add(x)
		if i < 3 {
			a.add(x)
		} else {
			b.add(x)
		}
	}
	a.merge(b)
	if a.n != both.n || !about(a.mean, both.mean) || !about(a.squares, both.squares) {
		t.Errorf("got %+v, want %+v", a, both)
	}
}

func TestSampleForgetsWhatIsLongPastWhenAnotherIsMerged(t *testing.T) {
	s := sample{n: 4 * memory, mean: 5, squares: 400}
	s.merge(sample{n: memory, mean: 7})
	want := sample{n: 2 * memory, mean: 6, squares: 100 + 4*memory/2}
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

func TestNextToNothingSettlesAtNothing(t *testing.T) {
	for x, want := range map[float64]float64{1: 1, 1.5e-9: 1.5e-9, 1e-9: 1e-9, 0.9e-9: 0, math.SmallestNonzeroFloat64: 0, 0: 0} {
		if got := settle(x); got != want {
			t.Errorf("%v settles at %v, want %v", x, got, want)
		}
	}
}
