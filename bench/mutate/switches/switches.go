// Package switches is what a changed package gets in addition: bench/mutate copies this file into it, under the
// package's own name. Each place that can be changed asks here, with its number, whether it is the one that is. So one
// test binary holds all mutants, and the environment says which of them is on.
package switches

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// The environment variables.
const (
	mutantVariable  = "MUTANT"         // the number of the mutant that is on; default: none
	mutantLimit     = "MUTANT_STEPS"   // function calls and rounds of loops before the process ends; default: no limit
	mutantRecording = "MUTANT_REACHED" // a file for the numbers of all places that were reached; default: none
)

// mutantEndless is the exit code of a process that took more steps than it may.
const mutantEndless = 97

type mutantDuration = time.Duration

var (
	mutantChosen = mutantNumber(mutantVariable, -1)
	mutantMost   = mutantNumber(mutantLimit, math.MaxInt64)
	mutantFile   = mutantOpen(os.Getenv(mutantRecording))
	mutantSeen   [1 << 16]atomic.Bool // by number, which is enough for 50,000 lines
	mutantSteps  atomic.Int64
)

func mutantNumber(name string, none int64) int64 {
	text := os.Getenv(name)
	if text == "" {
		return none
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return number
}

func mutantOpen(name string) *os.File {
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	return file
}

// mutantAt reports whether the mutant is on.
func mutantAt(id int64) bool { return mutantMatters(id, true) }

// mutantMatters does too. A place counts as reached only if the mutant makes a difference now: a test in which it never
// does cannot notice it.
func mutantMatters(id int64, differs bool) bool {
	if mutantFile != nil && differs {
		mutantReach(id)
	}
	return id == mutantChosen
}

// mutantReach writes down that somebody came by. It writes at once, since a test may end the process.
func mutantReach(id int64) {
	if !mutantSeen[id].Swap(true) {
		fmt.Fprintf(mutantFile, "at %d\n", id)
	}
}

// mutantStep counts a call or a round of a loop. A mutant that never ends is found by their number, which does not
// depend on how busy the machine is.
func mutantStep() {
	steps := mutantSteps.Add(1)
	if steps > mutantMost {
		os.Exit(mutantEndless)
	}
	if mutantFile != nil && steps&(steps-1) == 0 { // at each power of two, which is close enough
		fmt.Fprintf(mutantFile, "steps %d\n", steps)
	}
}

// mutantPick returns one of two values.
func mutantPick[T any](id int64, value, mutated T) T {
	if mutantAt(id) {
		return mutated
	}
	return value
}

func mutantLess[T cmp.Ordered](id int64, x, y T) bool {
	if mutantMatters(id, x == y) {
		return x <= y
	}
	return x < y
}

func mutantAtMost[T cmp.Ordered](id int64, x, y T) bool {
	if mutantMatters(id, x == y) {
		return x < y
	}
	return x <= y
}

func mutantMore[T cmp.Ordered](id int64, x, y T) bool {
	if mutantMatters(id, x == y) {
		return x >= y
	}
	return x > y
}

func mutantAtLeast[T cmp.Ordered](id int64, x, y T) bool {
	if mutantMatters(id, x == y) {
		return x > y
	}
	return x >= y
}

type mutantNumeric interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 |
		~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~uintptr | ~float32 | ~float64
}

func mutantAdd[T mutantNumeric](id int64, x, y T) T {
	if mutantAt(id) {
		return x - y
	}
	return x + y
}

func mutantSubtract[T mutantNumeric](id int64, x, y T) T {
	if mutantAt(id) {
		return x + y
	}
	return x - y
}

func mutantMultiply[T mutantNumeric](id int64, x, y T) T {
	if mutantAt(id) {
		return x / y
	}
	return x * y
}

func mutantDivide[T mutantNumeric](id int64, x, y T) T {
	if mutantAt(id) {
		return x * y
	}
	return x / y
}

func mutantMin[T cmp.Ordered](id int64, least T, others ...T) T {
	return mutantBound(mutantAt(id), least, others)
}

func mutantMax[T cmp.Ordered](id int64, least T, others ...T) T {
	return mutantBound(!mutantAt(id), least, others)
}

// mutantBound returns the greatest or the least.
func mutantBound[T cmp.Ordered](greatest bool, bound T, others []T) T {
	for _, one := range others {
		if greatest {
			bound = max(bound, one)
		} else {
			bound = min(bound, one)
		}
	}
	return bound
}
