package pipeline_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"testing"
)

// structsOf returns the exported fields of the exported structs of a package in a folder.
func structsOf(t *testing.T, dir string) map[string][]string {
	t.Helper()
	fields := make(map[string][]string)
	for _, file := range parsed(t, dir) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			s, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					if name.IsExported() {
						fields[spec.Name.Name] = append(fields[spec.Name.Name], name.Name)
					}
				}
			}
			return true
		})
	}
	return fields
}

func parsed(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// TestEachFieldIsDocumentedWherePeopleLook: go doc pipeline.Retry shows the comment of a name for
// a type of another package, and not its fields. So the comment names them.
func TestEachFieldIsDocumentedWherePeopleLook(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "api.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]map[string][]string{"controller": structsOf(t, "../controller"), "stage": structsOf(t, "../stage")}
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		from, ok := spec.Type.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		for _, field := range known[from.X.(*ast.Ident).Name][from.Sel.Name] {
			seen++
			if !regexp.MustCompile(`\b` + field + `\b`).MatchString(spec.Doc.Text()) {
				t.Errorf("go doc pipeline.%s does not tell of its field %s", spec.Name.Name, field)
			}
		}
		return true
	})
	if seen < 80 {
		t.Errorf("got %d fields, want at least 80", seen)
	}
}
