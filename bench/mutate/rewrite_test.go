package main

import (
	"context"
	"go/token"
	"slices"
	"strings"
	"sync"
	"testing"
)

// sourceOf returns a package of one file, x.go, with a function of this body.
func sourceOf(t *testing.T, body string) *source {
	t.Helper()
	s := &source{name: "x", fset: token.NewFileSet(), text: map[string][]byte{"x.go": []byte(`package x

import ("fmt"; "math"; "time")

var _ = fmt.Sprint(math.Pi, time.Second)

type kind int
const (first kind = iota; second)
type rate float64
const share = 0.5
type thing struct { n int; x float64; on bool; wait time.Duration; kind kind; list []int; rate rate }
func (t *thing) call() bool { return t.on }

func f(t *thing, a, b bool, x, y float64) (bool, error) {
` + body + `
}`)}}
	if err := s.check("x", compiled(token.NewFileSet(), library(t))); err != nil {
		t.Fatal(err)
	}
	return s
}

// library tells where the compiled standard packages are that we need.
func library(t *testing.T) map[string]string {
	t.Helper()
	exports, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	return exports
}

var standard = sync.OnceValues(func() (map[string]string, error) {
	out, err := goCommand(context.Background(), "list", "-deps", "-export", "-f", "{{.ImportPath}} {{.Export}}",
		"cmp", "fmt", "math", "os", "strconv", "sync/atomic", "time")
	exports := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	return exports, err
})

func TestEachRuleMakesItsMutants(t *testing.T) {
	for _, one := range []struct {
		body string
		want []string
	}{
		{"_ = x < y", []string{"boundary: < becomes <="}},
		{"_ = x >= y", []string{"boundary: >= becomes >"}},
		{"_ = x == y", []string{"equality: == becomes !="}},
		{"_ = x - y*x", []string{"arithmetic: - becomes +", "arithmetic: * becomes /"}},
		{"x += y", []string{"statement: leave out x += y", "arithmetic: + becomes -"}},
		{"_ = a && b", []string{"logic: && becomes ||"}},
		{"_ = min(x, y)", []string{"bound: min becomes max"}},
		{"if a {}", []string{"condition: not a"}},
		{"if x == y {}", []string{"equality: == becomes !="}},
		{"for a {}", nil},
		{"switch { case a: case x < y: }", []string{"condition: not a", "condition: not x < y", "boundary: < becomes <="}},
		{"return t.call(), nil", []string{"result: not t.call()"}},
		{"return false, nil", []string{"constant: false becomes true"}},
		{"t.on = true", []string{"statement: leave out t.on = true"}},
		{"t.n++", []string{"statement: leave out t.n++"}},
		{"t.call()", []string{"statement: leave out t.call()"}},
		{"_ = t.n + 7", []string{"arithmetic: + becomes -", "constant: 7 becomes 8"}},
		{"_ = 0.5 * x", []string{"arithmetic: * becomes /", "constant: 0.5 becomes 1"}},
		{"_ = x > share", []string{"boundary: > becomes >=", "constant: share becomes 1"}},
		{"_ = t.wait > 0", []string{"boundary: > becomes >=", "constant: 0 becomes 1ns"}},
		{"_ = t.wait > 2*time.Second", []string{"boundary: > becomes >=", "constant: 2*time.Second becomes 4s"}},
		{"_ = t.list[:0]", []string{"constant: 0 becomes 1"}},
		{"_ = t.rate * 2", []string{"arithmetic: * becomes /", "constant: 2 becomes 4"}},
		{"_ = math.Inf(1)", []string{"constant: 1 becomes -1"}},
		{"_ = math.IsInf(x, -1)", []string{"constant: -1 becomes 1"}},
		{"_ = uint8(255)", []string{"constant: uint8(255) becomes 254"}},
		{"_ = thing{n: 3, on: true}", []string{"constant: 3 becomes 4", "constant: true becomes false"}},
		{"go func() { t.n = 3 }()", []string{"statement: leave out t.n = 3", "constant: 3 becomes 4"}},
		// Not changed:
		{"_ = t.kind == second; t.kind = first", []string{"equality: == becomes !=", "statement: leave out t.kind = first"}},
		{"_ = fmt.Sprintf(`%d`, 3+t.n)", nil},
		{"panic(x + y)", nil},
		{"const n = 4; _ = [n]int{2: 0}", []string{"constant: 0 becomes 1"}},
		{"_ = make([]int, 0, 8)", []string{"constant: 0 becomes 1"}},
		{"_ = `a` + fmt.Sprint(x)", nil},
	} {
		body := one.body
		if !strings.HasPrefix(body, "return") && !strings.HasPrefix(body, "panic") {
			body += "\npanic(`end`)"
		}
		texts, r := sourceOf(t, body).rewrite()
		var got []string
		for _, m := range r.mutants {
			if m.line == 15 { // the others are of call
				got = append(got, string(m.kind)+": "+m.change)
			}
		}
		if !slices.Equal(got, one.want) {
			t.Errorf("%s\n got %q\nwant %q", one.body, got, one.want)
		}
		compiles(t, r, texts["x.go"])
	}
}

// compiles checks that the text is a program, and that its lines have kept their numbers.
func compiles(t *testing.T, r *rewriter, text []byte) {
	t.Helper()
	changed := &source{fset: token.NewFileSet(), text: map[string][]byte{"x.go": text, "switches.go": r.switches()}}
	if err := changed.check("x", compiled(token.NewFileSet(), library(t))); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	if got, want := strings.Count(string(text), "\n"), strings.Count(string(r.text["x.go"]), "\n"); got != want {
		t.Errorf("got %d lines, want %d", got, want)
	}
}

func TestSwitchesAreNested(t *testing.T) {
	texts, _ := sourceOf(t, "if a && x < y+1 { t.x += 2*x }\npanic(`end`)").rewrite()
	want := "if (((((a != mutantAt(2)) && (mutantLess(3, x , mutantAdd(4, y,mutantPick[float64](5, 1, 2)))" +
		" != mutantAt(2))) != mutantAt(2))) != mutantAt(1)) {"
	if got := strings.Split(string(texts["x.go"]), "\n")[14]; !strings.HasPrefix(got, want) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}
