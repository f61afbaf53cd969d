package pipeline_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages returns the README and the pages of docs, by their paths.
func pages(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, name := range append(names, "../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// TestReadmeShowsWhatCompiles finds each snippet of the README and of docs, line by line,
// in a file that is compiled, of this module or of another one.
func TestReadmeShowsWhatCompiles(t *testing.T) {
	var source []byte
	for _, name := range []string{
		"example_readme_test.go", "pacegrpc/example_test.go", "pacejournal/example_test.go", "pacenats/example_test.go",
		"pacepage/example_test.go", "paceterm/example_test.go", "../examples/first/main.go",
	} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, code...)
	}
	shown := 0
	for page, text := range pages(t) {
		for _, snippet := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1) {
			shown++
			if !strings.Contains(unindented(string(source)), unindented(snippet[1])) {
				t.Errorf("%s: not in example_readme_test.go, nor in another example:\n%s", page, snippet[1])
			}
		}
	}
	if shown < 12 {
		t.Errorf("got %d snippets, want at least 12", shown)
	}
}

// TestReadmeLinksToExamplesThatExist finds each example that the README and docs name in
// the file that they link to.
func TestReadmeLinksToExamplesThatExist(t *testing.T) {
	links := 0
	for page, text := range pages(t) {
		for _, link := range regexp.MustCompile(`\[(Example\w*)\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
			links++
			source, err := os.ReadFile(filepath.Join(filepath.Dir(page), link[2]))
			if err != nil {
				t.Error(err)
				continue
			}
			_, body, found := strings.Cut(string(source), "func "+link[1]+"() {")
			body, _, _ = strings.Cut(body, "\n}\n")
			if !found || !strings.Contains(strings.ToLower(body), "output:") {
				t.Errorf("%s: %s has no %s that is run", page, link[2], link[1])
			}
		}
	}
	if links < 30 {
		t.Errorf("got %d examples, want at least 30", links)
	}
}

// TestReadmeLinksLeadSomewhere finds each file, folder and heading that the README and docs
// link to.
func TestReadmeLinksLeadSomewhere(t *testing.T) {
	for page, text := range pages(t) {
		text = regexp.MustCompile("(?s)```.*?```").ReplaceAllString(text, "")
		for _, link := range regexp.MustCompile(`(?:\]\(|src="|srcset=")([^)"]+)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			path, heading, _ := strings.Cut(link[1], "#")
			target := filepath.Join(filepath.Dir(page), path)
			info, err := os.Stat(target)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if heading == "" {
				continue
			}
			if info.IsDir() {
				target = filepath.Join(target, "README.md")
			}
			there, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if !strings.Contains(headings(string(there)), "\n"+heading+"\n") {
				t.Errorf("%s: %s has no heading %s", page, target, heading)
			}
		}
	}
}

// TestReadmeIsShort holds the README to what one reads in five minutes.
func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(pages(t)["../README.md"], "\n"); lines > 160 {
		t.Errorf("got %d lines, want at most 160: more belongs into docs", lines)
	}
}

// headings returns the anchors of a page's headings, a line each.
func headings(page string) string {
	anchors := "\n"
	for _, h := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		anchor := regexp.MustCompile(`[^\pL\pN -]`).ReplaceAllString(strings.ToLower(h[1]), "")
		anchors += strings.ReplaceAll(anchor, " ", "-") + "\n"
	}
	return anchors
}

func unindented(code string) string {
	return regexp.MustCompile(`(?m)^[\t ]+`).ReplaceAllString(code, "")
}
