package main

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOnTheTinyPackage has mutants that are noticed, that are not, that no test reaches, and one that never ends.
func TestOnTheTinyPackage(t *testing.T) {
	got := output(t, "-survivors")
	for _, want := range []string{
		"Left out, since they fail without a mutant: TestThatAlwaysFails\n",
		"| tiny.go           |      12 |       6 |  50.0% |                    1 |",
		`
Not noticed:
tiny.go:8:2: statement: leave out n = min(n, most)
tiny.go:8:13: constant: most becomes 101
tiny.go:10:8: boundary: > becomes >=
tiny.go:18:38: result: not x < 0.5 (no test gets there)
tiny.go:18:40: boundary: < becomes <= (no test gets there with both sides equal)
tiny.go:18:42: constant: 0.5 becomes 1 (no test gets there)

6 of 12 mutants noticed, 50.0%, in `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout %s", got, want)
		}
	}
}

func TestTestsThatTakeLongAreLeftOut(t *testing.T) {
	got := output(t, "-longest", "3")
	for _, want := range []string{"Left out, since they fail without a mutant: TestThatAlwaysFails\n", "Left out, since they take long: TestSum\n", "2 of 12 mutants noticed"} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwithout %s", got, want)
		}
	}
}

func TestASampleIsTheSameForTheSameSeed(t *testing.T) {
	one, same, other := drawn(make1000(), 50, 1), drawn(make1000(), 50, 1), drawn(make1000(), 50, 2)
	if len(one) != 50 || one[0] != same[0] || one[49] != same[49] {
		t.Errorf("got %v and %v, want the same 50", one, same)
	}
	if one[0] == other[0] && one[49] == other[49] {
		t.Errorf("got %v for two seeds", one)
	}
	if all := drawn(make1000(), 0, 1); len(all) != 1000 {
		t.Errorf("got %d, want all 1000", len(all))
	}
}

func make1000() []mutant {
	all := make([]mutant, 1000)
	for i := range all {
		all[i].id = i
	}
	return all
}

func TestWhatCannotBeDoneIsSaid(t *testing.T) {
	for _, one := range []struct{ args, want string }{
		{"-package ./testdata/tiny -files big.go", `-files: got "big.go", in which nothing can be changed`},
		{"-package ./...", `-package: got`},
		{"-package ./nowhere", "go list"},
	} {
		err := run(t.Context(), io.Discard, io.Discard, strings.Fields(one.args))
		if err == nil || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: got %v, want %s", one.args, err, one.want)
		}
	}
}

func TestQuickTestsShareAProcess(t *testing.T) {
	var tests []test
	for _, took := range []time.Duration{10, 20, 60, 30, 150, 300, 900, 900} { // ms
		tests = append(tests, test{took: took * time.Millisecond})
	}
	var got []int
	for _, batch := range batches(tests) {
		got = append(got, len(batch))
	}
	if want := []int{3, 2, 1, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("got batches of %v, want %v", got, want)
	}
}

func output(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := run(t.Context(), &out, io.Discard, append([]string{"-package", "./testdata/tiny"}, args...)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
