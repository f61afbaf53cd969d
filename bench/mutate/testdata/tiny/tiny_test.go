package tiny

import "testing"

func TestSum(t *testing.T) {
	if got := Sum(4); got != 10 {
		t.Errorf("got %d, want 10", got)
	}
}

func TestSumOfNothing(t *testing.T) {
	if got := Sum(-1); got != 0 {
		t.Errorf("got %d, want 0", got)
	}
}

func TestThatAlwaysFails(t *testing.T) {
	t.Errorf("got %d for Sum(2)", Sum(2))
}
