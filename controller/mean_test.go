package controller

import (
	"math"
	"testing"

	"pgregory.net/rapid"
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

// As the textbook has it, in two passes.
func TestSampleIsTheMeanAndItsError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Float64Range(0, 100), 2, 100).Draw(t, "all")
		cut := rapid.IntRange(1, len(all)-1).Draw(t, "cut")
		var one, first, second sample
		for i, x := range all {
			one.add(x)
			if i < cut {
				first.add(x)
			} else {
				second.add(x)
			}
		}
		first.merge(second)
		mean, squares, n := 0.0, 0.0, float64(len(all))
		for _, x := range all {
			mean += x / n
		}
		for _, x := range all {
			squares += (x - mean) * (x - mean)
		}
		want := squares / (n - 1) / n
		for name, s := range map[string]sample{"added": one, "merged": first} {
			if s.n != n || math.Abs(s.mean-mean) > 1e-9 || math.Abs(s.error2()-want) > 1e-6 {
				t.Fatalf("%s: mean %v, error² %v of %v; want %v, %v of %v", name, s.mean, s.error2(), s.n, mean, want, n)
			}
		}
	})
}

func TestSampleOfOneHasNoError(t *testing.T) {
	var s sample
	if s.add(7); s.error2() != 0 {
		t.Errorf("an error² of %v, want 0, since nothing is known", s.error2())
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
