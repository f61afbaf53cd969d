package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/controller"
)

// A hinted error is one of the user's own that says when to come again.
type hinted struct{ after time.Duration }

func (hinted) Error() string               { return "busy" }
func (h hinted) RetryAfter() time.Duration { return h.after }

func TestErrorIsClassifiedByItsOutermostMark(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name    string
		err     error
		verdict controller.Verdict
		mark    mark
		after   time.Duration
	}{
		{"none", nil, controller.Succeeded, 0, 0},
		{"plain", io.EOF, controller.Failed, 0, 0},
		{"fatal", Fatal(io.EOF), controller.Ignored, fatal, 0},
		{"transient", Transient(io.EOF), controller.Failed, transient, 0},
		{"overloaded", Overloaded(io.EOF, 2*s), controller.Overload, overloaded, 2 * s},
		{"overloaded, no hint", Overloaded(io.EOF, 0), controller.Overload, overloaded, 0},
		{"overloaded, a hint of the past", Overloaded(io.EOF, -s), controller.Overload, overloaded, 0},
		{"has RetryAfter", hinted{3 * s}, controller.Overload, overloaded, 3 * s},
		{"has RetryAfter of the past", hinted{-s}, controller.Overload, overloaded, 0},
		{"wrapped", fmt.Errorf("calling: %w", Overloaded(io.EOF, s)), controller.Overload, overloaded, s},
		{"wrapped RetryAfter", fmt.Errorf("calling: %w", hinted{s}), controller.Overload, overloaded, s},
		{"joined", errors.Join(io.EOF, Fatal(io.EOF)), controller.Ignored, fatal, 0},
		{"fatal inside transient", Transient(Fatal(io.EOF)), controller.Failed, transient, 0},
		{"transient inside fatal", Fatal(Transient(io.EOF)), controller.Ignored, fatal, 0},
		{"overloaded inside fatal", Fatal(Overloaded(io.EOF, s)), controller.Ignored, fatal, 0},
		{"RetryAfter inside fatal", Fatal(hinted{s}), controller.Ignored, fatal, s},
		{"RetryAfter inside transient", Transient(hinted{s}), controller.Failed, transient, s},
		{"RetryAfter of the past inside transient", Transient(hinted{-s}), controller.Failed, transient, 0},
		{"RetryAfter inside overloaded", Overloaded(hinted{s}, 0), controller.Overload, overloaded, s},
		{"RetryAfter overruled", Overloaded(hinted{s}, 2*s), controller.Overload, overloaded, 2 * s},
		{"cancelled", fmt.Errorf("calling: %w", context.Canceled), controller.Ignored, 0, 0},
		{"cancelled and overloaded", Overloaded(context.Canceled, 0), controller.Overload, overloaded, 0},
		{"transient, cancelled", Transient(context.Canceled), controller.Ignored, transient, 0},
		{"deadline", context.DeadlineExceeded, controller.Failed, 0, 0},
		{"panic", fmt.Errorf("calling: %w", NewPanicError("oh")), controller.Ignored, 0, 0},
		{"panic with a transient error", NewPanicError(Transient(io.EOF)), controller.Ignored, transient, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Classify(test.err); got != test.verdict {
				t.Errorf("Classify: got %v, want %v", got, test.verdict)
			}
			if m, after := markOf(test.err); m != test.mark || after != test.after {
				t.Errorf("mark: got %v, %v, want %v, %v", m, after, test.mark, test.after)
			}
		})
	}
}

func TestMarkOfNoErrorIsNone(t *testing.T) {
	if Fatal(nil) != nil || Transient(nil) != nil || Overloaded(nil, time.Second) != nil {
		t.Error("a marked nil is not nil")
	}
}

func TestErrorsSayWhatWasGivenAndWhatExpected(t *testing.T) {
	for _, test := range []struct {
		err  error
		want []string
	}{
		{&CircuitOpenError{RetryAfter: 30 * time.Second}, []string{"circuit is open", "30s"}},
		{&RetriesExhaustedError{Attempts: 4, Err: io.EOF}, []string{"4 attempts", "EOF"}},
		{&CostError{Cost: -3}, []string{"got -3", "at least 0"}},
		{&CostError{Cost: 8, Limit: 5, Budget: "tpm"}, []string{"got 8", "at most 5", `"tpm"`}},
		{&WeightError{Weight: 8, Burst: 5}, []string{"got 8", "at most 5", "burst"}},
		{&WeightError{Weight: -1, Burst: 5}, []string{"got -1", "at least 0"}},
		{&WeightError{Weight: -1}, []string{"got -1", "at least 0"}},
		{NewPanicError("oh"), []string{"panic: oh"}},
		{Fatal(io.EOF), []string{"EOF"}},
	} {
		for _, want := range test.want {
			if got := test.err.Error(); !strings.Contains(got, want) {
				t.Errorf("%T: got %q, want %q in it", test.err, got, want)
			}
		}
	}
}

func TestCauseIsSeenThroughTheErrorsAroundIt(t *testing.T) {
	for name, err := range map[string]error{
		"exhausted":  &RetriesExhaustedError{Err: io.EOF},
		"fatal":      Fatal(io.EOF),
		"transient":  Transient(io.EOF),
		"overloaded": Overloaded(io.EOF, 0),
		"panic":      NewPanicError(io.EOF),
	} {
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: the cause is not seen", name)
		}
	}
	if err := NewPanicError("no error"); err.Unwrap() != nil {
		t.Errorf("a panic without an error has a cause: %v", err.Unwrap())
	}
}

func TestPanicErrorHasTheStackOfThePanic(t *testing.T) {
	var err *PanicError
	func() {
		defer func() { err = NewPanicError(recover()) }()
		explode()
	}()
	if err.Value != "boom" || !strings.Contains(string(err.Stack), "explode") {
		t.Errorf("got %v with the stack\n%s", err.Value, err.Stack)
	}
}

func explode() { panic("boom") }
