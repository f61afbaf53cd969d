package pipeline_test

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// members are the exported fields and methods of types, each with its type: "Limit int64". Other
// packages' names are without the package if it is one of ours, as in package pipeline.
type members map[string][]string

// add adds what a file declares.
func (m members) add(file *ast.File) {
	own := func(e ast.Expr) string {
		return strings.NewReplacer("controller.", "", "stage.", "").Replace(types.ExprString(e))
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.IsExported() {
			of := strings.TrimPrefix(own(f.Recv.List[0].Type), "*")
			m[of] = append(m[of], f.Name.Name+strings.TrimPrefix(own(f.Type), "func"))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, f := range s.Fields.List {
			if f.Names == nil {
				m[spec.Name.Name] = append(m[spec.Name.Name], own(f.Type))
			}
			for _, name := range f.Names {
				if name.IsExported() {
					m[spec.Name.Name] = append(m[spec.Name.Name], name.Name+" "+own(f.Type))
				}
			}
		}
		return true
	})
}

// membersOf returns the members of the types of a package in a folder.
func membersOf(t *testing.T, dir string) members {
	t.Helper()
	m := make(members)
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		m.add(f)
	}
	return m
}

// notForReaders are methods that fmt, log/slog and package errors call, or that only the house needs.
var notForReaders = []string{"String", "Error", "Unwrap", "LogValue", "Start", "WithDefaults", "WithinReason", "Length", "Delay", "Add"}

// TestEachFieldIsDocumentedWherePeopleLook: go doc pipeline.Retry shows the comment of a name for a
// type of another package, and neither its fields nor its methods. So the comment declares them once
// more, and is to say the same as the type.
func TestEachFieldIsDocumentedWherePeopleLook(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "api.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]members{"controller": membersOf(t, "../controller"), "stage": membersOf(t, "../stage")}
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
		name := spec.Name.Name
		want := slices.DeleteFunc(known[from.X.(*ast.Ident).Name][from.Sel.Name], func(member string) bool {
			method, _, is := strings.Cut(member, "(")
			return is && slices.Contains(notForReaders, method)
		})
		if got := declaredIn(t, name, spec.Doc.Text()); !slices.Equal(sortedNames(got), sortedNames(want)) {
			t.Errorf("go doc pipeline.%s declares\n\t%s\nwant\n\t%s", name, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		seen += len(want)
		return true
	})
	if seen < 120 {
		t.Errorf("got %d fields and methods, want at least 120", seen)
	}
}

func sortedNames(members []string) []string {
	return slices.Sorted(slices.Values(members))
}

// declaredIn returns what the code in the comment of a type declares of it.
func declaredIn(t *testing.T, name, comment string) []string {
	t.Helper()
	code := "package declared\n\n"
	for line := range strings.Lines(comment) {
		if rest, is := strings.CutPrefix(line, "\t"); is || line == "\n" {
			code += rest
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, code, 0)
	if err != nil {
		t.Errorf("go doc pipeline.%s: %v", name, err)
		return nil
	}
	if tidy, err := format.Source([]byte(code)); err != nil || squeezed(string(tidy)) != squeezed(code) {
		t.Errorf("go doc pipeline.%s is not as gofmt has it, want\n%s", name, tidy)
	}
	m := make(members)
	m.add(file)
	return m[name]
}

// squeezed returns s without empty lines.
func squeezed(s string) string {
	for strings.Contains(s, "\n\n") {
		s = strings.ReplaceAll(s, "\n\n", "\n")
	}
	return strings.TrimSpace(s)
}
