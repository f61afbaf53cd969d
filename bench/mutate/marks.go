package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
)

// marks are what a node says of those inside it.
type marks struct {
	skipped map[ast.Node]bool // not to be changed, with all inside
	dropped map[ast.Node]bool // statements that can be left out
	negated map[ast.Node]kind // conditions that can be turned round
	flipped map[ast.Node]bool // numbers of which only the sign counts
}

func newMarks() marks {
	return marks{map[ast.Node]bool{}, map[ast.Node]bool{}, map[ast.Node]kind{}, map[ast.Node]bool{}}
}

// forText reports whether a function is only there to be read.
func forText(f *ast.FuncDecl) bool {
	return slices.Contains([]string{"String", "GoString", "Error", "LogValue", "MarshalText", "MarshalJSON"}, f.Name.Name)
}

// look marks what is inside a node.
func (m *marks) look(s *source, n ast.Node) {
	switch n := n.(type) {
	case *ast.BlockStmt:
		m.drop(s, n.List)
	case *ast.CommClause:
		m.drop(s, n.Body)
	case *ast.CaseClause:
		m.drop(s, n.Body)
	case *ast.IfStmt:
		m.negate(s, condition, n.Cond)
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, clause := range n.Body.List {
				m.negate(s, condition, clause.(*ast.CaseClause).List...)
			}
		}
	case *ast.ReturnStmt:
		m.negate(s, result, n.Results...)
	case *ast.AssignStmt:
		for _, value := range n.Rhs { // leaving the whole out is about the same
			m.skipped[value] = m.dropped[n] && s.isTruth(value)
		}
	case *ast.CallExpr:
		m.call(s, n)
	case *ast.CompositeLit:
		m.literal(s, n)
	case *ast.GenDecl:
		m.skipped[n] = n.Tok != token.VAR
	case *ast.ArrayType, *ast.MapType, *ast.ChanType, *ast.FuncType, *ast.StructType, *ast.InterfaceType:
		m.skipped[n] = true
	}
}

// drop marks those of a list of statements that can be left out, and the function still compiles.
func (m *marks) drop(s *source, list []ast.Stmt) {
	for _, one := range list {
		switch one := one.(type) {
		case *ast.ExprStmt:
			call, ok := one.X.(*ast.CallExpr)
			m.dropped[one] = ok && !s.makesText(call)
		case *ast.AssignStmt:
			m.dropped[one] = one.Tok != token.DEFINE && slices.ContainsFunc(one.Lhs, func(to ast.Expr) bool {
				name, ok := to.(*ast.Ident)
				return !ok || name.Name != "_"
			})
		case *ast.IncDecStmt:
			m.dropped[one] = true
		}
	}
}

// negate marks those expressions that are true or false. Of x == y, another rule makes x != y, and of true, false.
func (m *marks) negate(s *source, kind kind, list ...ast.Expr) {
	for _, one := range list {
		binary, ok := ast.Unparen(one).(*ast.BinaryExpr)
		compares := ok && (binary.Op == token.EQL || binary.Op == token.NEQ)
		if isBool(s.info.TypeOf(one)) && !compares && !s.isTruth(one) {
			m.negated[one] = kind
		}
	}
}

// call marks what goes into a text, or says only how much memory is wanted.
func (m *marks) call(s *source, n *ast.CallExpr) {
	switch {
	case s.makesText(n):
		m.skipped[n] = true
	case s.isBuiltin(n.Fun, "make"):
		_, isSlice := s.info.TypeOf(n).Underlying().(*types.Slice)
		for i, size := range n.Args[1:] {
			_, isMap := s.info.TypeOf(n).Underlying().(*types.Map)
			m.skipped[size] = isMap || isSlice && i == 1
		}
	case s.packageOf(n.Fun) == "math":
		if name := n.Fun.(*ast.SelectorExpr).Sel.Name; name == "Inf" || name == "IsInf" {
			m.flipped[n.Args[len(n.Args)-1]] = true
		}
	}
}

// literal marks indices, which have to be constants, and names of fields.
func (m *marks) literal(s *source, n *ast.CompositeLit) {
	if _, isMap := s.info.TypeOf(n).Underlying().(*types.Map); isMap {
		return
	}
	for _, element := range n.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			m.skipped[pair.Key] = true
		}
	}
}

// makesText reports whether a call only makes a text of something.
func (s *source) makesText(call *ast.CallExpr) bool {
	return s.isBuiltin(call.Fun, "panic") || slices.Contains([]string{"fmt", "errors", "log/slog"}, s.packageOf(call.Fun))
}

// packageOf returns the path of the package that pkg.Function is of, else "".
func (s *source) packageOf(function ast.Expr) string {
	selector, ok := function.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	ident, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	name, ok := s.info.Uses[ident].(*types.PkgName)
	if !ok {
		return ""
	}
	return name.Imported().Path()
}

// isTruth reports whether it is the constant true or false.
func (s *source) isTruth(e ast.Expr) bool {
	value := s.info.Types[e]
	return value.Value != nil && isBool(value.Type)
}
