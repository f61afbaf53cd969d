package pipeline_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeShowsWhatCompiles finds each snippet of the README, line by line,
// in a file that is compiled, of this module or of one below it.
func TestReadmeShowsWhatCompiles(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var source []byte
	for _, name := range []string{
		"example_readme_test.go", "pacegrpc/example_test.go", "pacejournal/example_test.go", "pacenats/example_test.go", "pacepage/example_test.go", "paceterm/example_test.go",
	} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, code...)
	}
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(snippets) == 0 {
		t.Fatal("the README shows no code")
	}
	for _, snippet := range snippets {
		if !strings.Contains(unindented(string(source)), unindented(snippet[1])) {
			t.Errorf("not in example_readme_test.go, nor in another example:\n%s", snippet[1])
		}
	}
}

// TestReadmeLinksToExamplesThatExist finds each example that the README names in
// the file that it links to.
func TestReadmeLinksToExamplesThatExist(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\[(Example\w*)\]\(([^)]+)\)`).FindAllStringSubmatch(string(readme), -1)
	if len(links) < 30 {
		t.Fatalf("the README links to %d examples", len(links))
	}
	for _, link := range links {
		source, err := os.ReadFile("../" + link[2])
		if err != nil {
			t.Error(err)
			continue
		}
		_, body, found := strings.Cut(string(source), "func "+link[1]+"() {")
		body, _, _ = strings.Cut(body, "\n}\n")
		if !found || !strings.Contains(strings.ToLower(body), "output:") {
			t.Errorf("%s has no %s that is run", link[2], link[1])
		}
	}
}

func unindented(code string) string {
	return regexp.MustCompile(`(?m)^[\t ]+`).ReplaceAllString(code, "")
}
