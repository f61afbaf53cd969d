package prose

import (
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"strings"
)

// A passage is a text of a file, with the line where it begins.
type passage struct {
	line int
	text string
}

// comments returns all comments of a Go file.
func comments(file *ast.File, fset *token.FileSet) []passage {
	var all []passage
	for _, group := range file.Comments {
		all = append(all, passage{fset.Position(group.Pos()).Line, group.Text()})
	}
	return all
}

// docs returns the paragraphs of what go doc shows of a file: the comments of the package and
// of what is exported, without code.
func docs(file *ast.File, fset *token.FileSet) []passage {
	var all []passage
	add := func(group *ast.CommentGroup) {
		if group != nil {
			for _, text := range paragraphs(group.Text()) {
				all = append(all, passage{fset.Position(group.Pos()).Line, text})
			}
		}
	}
	add(file.Doc)
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && exportedReceiver(d) {
				add(d.Doc)
			}
		case *ast.GenDecl:
			if !declaresExported(d) {
				continue
			}
			add(d.Doc)
			ast.Inspect(d, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.TypeSpec:
					add(n.Doc)
				case *ast.ValueSpec:
					add(n.Doc)
				case *ast.Field:
					if len(n.Names) > 0 && n.Names[0].IsExported() {
						add(n.Doc)
					}
				}
				return true
			})
		}
	}
	return all
}

func exportedReceiver(f *ast.FuncDecl) bool {
	if f.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && !exported {
			exported = id.IsExported()
			return false
		}
		return !exported
	})
	return exported
}

func declaresExported(d *ast.GenDecl) bool {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() {
				return true
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() {
					return true
				}
			}
		}
	}
	return false
}

// paragraphs returns the running text of a doc comment, each item of a list by itself.
func paragraphs(text string) []string {
	var all []string
	var add func(blocks []comment.Block)
	add = func(blocks []comment.Block) {
		for _, block := range blocks {
			switch b := block.(type) {
			case *comment.Paragraph:
				all = append(all, plain(b.Text))
			case *comment.List:
				for _, item := range b.Items {
					add(item.Content)
				}
			}
		}
	}
	var p comment.Parser
	add(p.Parse(text).Content)
	return all
}

func plain(text []comment.Text) string {
	var b strings.Builder
	for _, t := range text {
		switch t := t.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.Link:
			b.WriteString(plain(t.Text))
		case *comment.DocLink:
			b.WriteString(plain(t.Text))
		}
	}
	return b.String()
}

// parse reads a Go file.
func parse(name string, data []byte) (*ast.File, *token.FileSet, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, data, parser.ParseComments|parser.SkipObjectResolution)
	return file, fset, err
}
