// Package prose looks for what is hard to read in the tree's comments and pages. Its test looks
// at all of them:
//
//	go test ./.ci/prose
//
// In every comment and page it looks for words that stopped readers. In pages, and in what go
// doc shows of the packages that users import, it also looks for long sentences, and for those
// that do not begin with their subject.
package prose

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// check looks at all files below root, and returns a line for each thing that is hard.
func check(root string) (faults []string, err error) {
	err = fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case "testdata", "node_modules", ".git":
				return fs.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(name); ext != ".go" && ext != ".md" {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		found, err := inspect(name, data)
		faults = append(faults, found...)
		return err
	})
	return faults, err
}

// inspect returns what is hard in a file.
func inspect(name string, data []byte) ([]string, error) {
	var all, read []passage // all: for words; read: for sentences
	if strings.HasSuffix(name, ".md") {
		all = markdown(string(data))
		if !strings.HasPrefix(name, "bench/") { // reports of measurements are long lists of figures
			read = all
		}
	} else {
		file, fset, err := parse(name, data)
		if err != nil {
			return nil, err
		}
		all = comments(file, fset)
		if forUsers(name) {
			read = docs(file, fset)
		}
	}
	var faults []string
	for _, p := range all {
		for _, f := range checkWords(p.text) {
			faults = append(faults, fmt.Sprintf("%s:%d: %s", name, p.line, f))
		}
	}
	for _, p := range read {
		for _, f := range checkSentences(p.text) {
			faults = append(faults, fmt.Sprintf("%s:%d: %s", name, p.line, f))
		}
	}
	return faults, nil
}

// forUsers reports whether a Go file is of a package that users import, or of a command's
// explanation of itself.
func forUsers(name string) bool {
	if strings.HasSuffix(name, "_test.go") || strings.Contains(name, "/internal/") {
		return false
	}
	for _, top := range []string{"clock/", "controller/", "stage/", "pipeline/", "examples/"} {
		if strings.HasPrefix(name, top) {
			return true
		}
	}
	return false
}
