package choice

import "testing"

type one string

func (o one) ID() string { return string(o) }

func TestChosenAreInTheOrderOfAll(t *testing.T) {
	all := []one{"a", "b", "c"}
	for asked, want := range map[string]string{"all": "a, b, c", "b": "b", "c,a": "a, c"} {
		if got, err := Of("x", all, asked); err != nil || Names(got) != want {
			t.Errorf("%q: got %v, %v, want %s", asked, got, err, want)
		}
	}
	const want = `-x: got "d", want some of a, b, c, or all`
	if _, err := Of("x", all, "a,d"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
