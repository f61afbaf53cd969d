package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// A source is the package that is to be changed, parsed and type-checked.
type source struct {
	pattern string // as the go command was given it
	folder  string
	rapid   bool // its tests use pgregory.net/rapid
	name    string
	fset    *token.FileSet
	files   []*ast.File
	info    *types.Info
	pkg     *types.Package
	text    map[string][]byte // by path
}

// listed is what the go command says of a package.
type listed struct {
	Dir, ImportPath, Name, Export string
	DepOnly                       bool
	GoFiles                       []string
	TestImports, XTestImports     []string
}

// load reads one package. The go command compiles what it imports.
func load(ctx context.Context, pattern string) (*source, error) {
	out, err := goCommand(ctx, "list", "-deps", "-export",
		"-json=Dir,ImportPath,Name,Export,DepOnly,GoFiles,TestImports,XTestImports", pattern)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var one listed
		if err := decoder.Decode(&one); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		exports[one.ImportPath] = one.Export
		if !one.DepOnly {
			packages = append(packages, one)
		}
	}
	if len(packages) != 1 {
		return nil, fmt.Errorf("-package: got %d packages for %q, want 1", len(packages), pattern)
	}
	p := packages[0]
	const rapid = "pgregory.net/rapid"
	s := &source{
		pattern: pattern, folder: p.Dir, name: p.Name,
		rapid: slices.Contains(p.TestImports, rapid) || slices.Contains(p.XTestImports, rapid),
		fset:  token.NewFileSet(), text: map[string][]byte{},
	}
	for _, name := range p.GoFiles {
		path := filepath.Join(p.Dir, name)
		if s.text[path], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return s, s.check(p.ImportPath, compiled(s.fset, exports))
}

// compiled imports packages from the files that they were compiled into, by path.
func compiled(fset *token.FileSet, exports map[string]string) types.Importer {
	return importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
}

// check parses and type-checks the text.
func (s *source) check(path string, imports types.Importer) error {
	paths := make([]string, 0, len(s.text))
	for path := range s.text {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		file, err := parser.ParseFile(s.fset, path, s.text[path], parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		s.files = append(s.files, file)
	}
	s.info = &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{},
		Uses:  map[*ast.Ident]types.Object{},
	}
	var err error
	s.pkg, err = (&types.Config{Importer: imports}).Check(path, s.fset, s.files, s.info)
	return err
}

// goCommand returns what a go command prints. Its errors come with what it has to say.
func goCommand(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, complaints.Bytes())
	}
	return out, nil
}
