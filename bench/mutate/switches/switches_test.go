package switches

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAPlaceIsChangedOnlyIfItsMutantIsOn(t *testing.T) {
	defer func() { mutantChosen = -1 }()
	for _, one := range []struct {
		name    string
		at      func() any
		is, was any
	}{
		{"<", func() any { return mutantLess(7, 1.0, 1.0) }, true, false},
		{"<=", func() any { return mutantAtMost(7, 1, 1) }, false, true},
		{">", func() any { return mutantMore(7, "a", "a") }, true, false},
		{">=", func() any { return mutantAtLeast(7, 1, 1) }, false, true},
		{"+", func() any { return mutantAdd(7, 6, 2) }, 4, 8},
		{"-", func() any { return mutantSubtract(7, 6.5, 2) }, 8.5, 4.5},
		{"*", func() any { return mutantMultiply(7, 2*time.Second, 2) }, time.Second, 4 * time.Second},
		{"/", func() any { return mutantDivide(7, 6, 2) }, 12, 3},
		{"min", func() any { return mutantMin(7, 2, 1, 3) }, 3, 1},
		{"max", func() any { return mutantMax(7, 2, 1, 3) }, 1, 3},
		{"number", func() any { return mutantPick[mutantDuration](7, 1, 2) }, time.Duration(2), time.Duration(1)},
	} {
		for _, chosen := range []int64{-1, 6, 8} {
			mutantChosen = chosen
			if got := one.at(); got != one.was {
				t.Errorf("%s with mutant %d: got %v, want %v", one.name, chosen, got, one.was)
			}
		}
		mutantChosen = 7
		if got := one.at(); got != one.is {
			t.Errorf("%s changed: got %v, want %v", one.name, got, one.is)
		}
	}
}

func TestEachPlaceIsRecordedOnceAndStepsNowAndThen(t *testing.T) {
	name := filepath.Join(t.TempDir(), "reached")
	mutantFile = mutantOpen(name)
	defer func() {
		mutantFile.Close()
		mutantFile = nil
		mutantSteps.Store(0)
		mutantSeen[3].Store(false)
		mutantSeen[4].Store(false)
	}()
	for range 5 {
		mutantStep()
		mutantAt(3)
		mutantAt(4)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want := "steps 1\nat 3\nat 4\nsteps 2\nsteps 4\n"
	if got := string(text); got != want {
		t.Errorf("got %q, want %q", got, strings.TrimSpace(want))
	}
}
