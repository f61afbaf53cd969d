package prose

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheTreeIsEasyToRead(t *testing.T) {
	faults, err := check("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		t.Error(f)
	}
}

// long is a sentence of so many words.
func long(words int) string { return "It" + strings.Repeat(" goes", words-2) + " on." }

func TestWhatIsHardIsFound(t *testing.T) {
	page := func(text string) (string, string) { return "README.md", text }
	exported := func(text string) (string, string) {
		return "pipeline/a.go", "package a\n\n// " + strings.ReplaceAll(text, "\n", "\n// ") + "\nfunc F() {}\n"
	}
	inside := func(text string) (string, string) {
		return "pipeline/a.go", "package a\n\n// " + text + "\nfunc f() {}\n"
	}
	for _, c := range []struct {
		what string
		in   func(string) (string, string)
		text string
		want string // a part of the only fault; "": none
	}{
		{"a hard word in a page", page, "# Title\n\nIt waits, lest it fail.", `README.md:3: got "lest"`},
		{"a hard word in a comment inside", inside, "f is for whoever calls.", `pipeline/a.go:3: got "whoever"`},
		{"a hard word in a table", page, "| a | b |\n| --- | --- |\n| dear | 1 |", `README.md:3: got "dear"`},
		{"a part of a word", page, "The whorl of a dearth, unheeded.", ""},
		{"a long sentence in a page", page, "Short one. " + long(41), "README.md:1: got a sentence of 41 words"},
		{"a sentence that is just short enough", page, long(40), ""},
		{"two sentences", page, long(30) + " " + long(30), ""},
		{"a stop that ends nothing", page, strings.Replace(long(44), "goes goes goes", "goes e.g. goes", 1), "got a sentence of 44 words"},
		{"a long sentence over lines", page, strings.ReplaceAll(long(41), " ", "\n"), "README.md:1: got a sentence of 41 words"},
		{"items of a list", page, "- It" + strings.Repeat(" goes", 25) + "\n- it" + strings.Repeat(" goes", 25), ""},
		{"code in a page", page, "```go\n" + long(60) + "\n```", ""},
		{"code in a line", page, "It is `" + long(60) + "` here.", ""},
		{"a long sentence in go doc", exported, "F is so. " + long(41), "pipeline/a.go:3: got a sentence of 41 words"},
		{"code in go doc", exported, "F is so:\n\n\t" + long(60), ""},
		{"a long sentence inside", inside, long(60), ""},
		{"a riddle", page, "It is so. Who changes has to be asked more often.", `begins with "Who"`},
		{"a question", page, "Who is it?", ""},
		{"an inversion", exported, "F is so. So is G.", `begins with "So is"`},
		{"a report of measurements", func(text string) (string, string) { return "bench/README.md", text }, long(60), ""},
	} {
		name, text := c.in(c.text)
		faults, err := inspect(name, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case c.want == "" && len(faults) > 0:
			t.Errorf("%s: got %q, want nothing", c.what, faults)
		case c.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], c.want)):
			t.Errorf("%s: got %q, want one with %q", c.what, faults, c.want)
		}
	}
}

// A rule whose pattern matches nothing would be silent for ever.
func TestEachRuleFindsItsFirstWord(t *testing.T) {
	for text, want := range map[string]string{
		"whoever": "whoever", "Whence it came": "Whence", "heeded": "heeded", "The dearest": "dearest", "is roused": "roused",
		"was hired": "hired", "begotten": "begotten", "for naught": "naught", "as far as is known": "as far as is",
		"for want of it": "for want of", "of late": "of late", "who knows what": "who knows", "a holdup": "holdup",
	} {
		if faults := checkWords(text); len(faults) != 1 || !strings.Contains(faults[0], `"`+want+`"`) {
			t.Errorf("%q: got %q, want one of %q", text, faults, want)
		}
	}
}

// What go doc shows before the first heading of a package's comment is what a reader sees of it
// without scrolling: it says what the package is for and how it is used.
func TestTheFirstScreenOfEachPackageSaysEnough(t *testing.T) {
	const lines = 40
	seen := 0
	for name, comment := range packageComments(t, "../..") {
		seen++
		intro, _, _ := strings.Cut(comment, "\n# ")
		got := strings.Split(strings.TrimSpace(intro), "\n")
		if len(got) < 2 || len(got) > lines {
			t.Errorf("%s: got %d lines before the first heading, want 2 to %d", name, len(got), lines)
		}
	}
	if seen < 12 {
		t.Errorf("got %d packages, want at least 12", seen)
	}
}

// packageComments returns the comments of the packages that users import, by their folders.
func packageComments(t *testing.T, root string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || !forUsers(name) || strings.HasPrefix(name, "examples/") {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		file, _, err := parse(name, data)
		if err == nil {
			all[path.Dir(name)] += file.Doc.Text()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
