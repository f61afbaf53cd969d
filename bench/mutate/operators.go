package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
)

// An operator is exchanged for another by a function of package switches.
type operator struct {
	kind     kind
	other    token.Token
	function string
}

var operators = map[token.Token]operator{
	token.LSS: {boundary, token.LEQ, "mutantLess"},
	token.LEQ: {boundary, token.LSS, "mutantAtMost"},
	token.GTR: {boundary, token.GEQ, "mutantMore"},
	token.GEQ: {boundary, token.GTR, "mutantAtLeast"},
	token.ADD: {arithmetic, token.SUB, "mutantAdd"},
	token.SUB: {arithmetic, token.ADD, "mutantSubtract"},
	token.MUL: {arithmetic, token.QUO, "mutantMultiply"},
	token.QUO: {arithmetic, token.MUL, "mutantDivide"},
}

// binary exchanges the operator of x op y. What it returns is to be called when x and y have their switches.
func (r *rewriter) binary(n *ast.BinaryExpr) (leave func()) {
	switch n.Op {
	case token.EQL:
		return r.opposite(n, equality, token.NEQ)
	case token.NEQ:
		return r.opposite(n, equality, token.EQL)
	case token.LAND:
		return r.deMorgan(n, token.LOR)
	case token.LOR:
		return r.deMorgan(n, token.LAND)
	}
	op, ok := operators[n.Op]
	if !ok || !r.fits(op, n) {
		return func() {}
	}
	r.insert(n.Pos(), fmt.Sprintf("%s(%d, ", op.function, r.addOperator(n.OpPos, op.kind, n.Op, op.other)))
	return func() {
		r.replace(n.OpPos, n.OpPos+token.Pos(len(n.Op.String())), ",")
		r.insert(n.End(), ")")
	}
}

func (r *rewriter) addOperator(pos token.Pos, kind kind, is, other token.Token) int {
	return r.add(pos, kind, fmt.Sprintf("%s becomes %s", is, other))
}

// fits reports whether the function takes the operands and returns what is wanted.
func (r *rewriter) fits(op operator, n *ast.BinaryExpr) bool {
	if op.kind == boundary {
		return isBool(r.info.TypeOf(n)) && !isTypeParam(r.info.TypeOf(n.X))
	}
	return isNumber(r.info.TypeOf(n))
}

// opposite turns x == y into ((x == y) != on).
func (r *rewriter) opposite(n *ast.BinaryExpr, kind kind, other token.Token) (leave func()) {
	if !isBool(r.info.TypeOf(n)) {
		return func() {}
	}
	id := r.addOperator(n.OpPos, kind, n.Op, other)
	r.insert(n.Pos(), "((")
	return func() { r.insert(n.End(), fmt.Sprintf(") != mutantAt(%d))", id)) }
}

// deMorgan turns x && y into ((x != on) && (y != on)) != on. If it is on, that is !(!x && !y), which is x || y, and y
// is evaluated exactly when it would be there.
func (r *rewriter) deMorgan(n *ast.BinaryExpr, other token.Token) (leave func()) {
	if !isBool(r.info.TypeOf(n.X)) || !isBool(r.info.TypeOf(n.Y)) {
		return func() {}
	}
	id := r.addOperator(n.OpPos, logic, n.Op, other)
	on := fmt.Sprintf(" != mutantAt(%d))", id)
	r.insert(n.Pos(), "(((")
	r.insert(n.Y.Pos(), "(")
	return func() {
		r.insert(n.X.End(), on)
		r.insert(n.End(), on+")"+on)
	}
}

// assignment turns x += y into x = x + y, with a switch. It leaves an x alone that is more than a name, since it would
// be evaluated twice.
func (r *rewriter) assignment(n *ast.AssignStmt) (leave func()) {
	sign, ok := map[token.Token]token.Token{
		token.ADD_ASSIGN: token.ADD, token.SUB_ASSIGN: token.SUB,
		token.MUL_ASSIGN: token.MUL, token.QUO_ASSIGN: token.QUO,
	}[n.Tok]
	if !ok || !isName(n.Lhs[0]) || !isNumber(r.info.TypeOf(n.Lhs[0])) {
		return func() {}
	}
	op := operators[sign]
	id := r.addOperator(n.TokPos, op.kind, sign, op.other)
	r.replace(n.TokPos, n.TokPos+2, fmt.Sprintf("= %s(%d, %s, ", op.function, id, r.original(n.Lhs[0])))
	return func() { r.insert(n.End(), ")") }
}

// bound exchanges min and max.
func (r *rewriter) bound(n *ast.CallExpr) {
	function, other := "mutantMin", "max"
	switch {
	case r.isBuiltin(n.Fun, "min"):
	case r.isBuiltin(n.Fun, "max"):
		function, other = "mutantMax", "min"
	default:
		return
	}
	if isTypeParam(r.info.TypeOf(n)) {
		return
	}
	id := r.add(n.Pos(), bound, fmt.Sprintf("%s becomes %s", r.original(n.Fun), other))
	r.replace(n.Pos(), n.Lparen+1, fmt.Sprintf("%s(%d, ", function, id))
}

func (s *source) isBuiltin(function ast.Expr, name string) bool {
	ident, ok := ast.Unparen(function).(*ast.Ident)
	if !ok {
		return false
	}
	builtin, ok := s.info.Uses[ident].(*types.Builtin)
	return ok && builtin.Name() == name
}

// isName reports whether an expression is x, x.y and so on.
func isName(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return true
	case *ast.SelectorExpr:
		return isName(e.X)
	}
	return false
}

// isBool reports whether it is bool itself, or becomes it.
func isBool(t types.Type) bool {
	basic, ok := t.(*types.Basic)
	return ok && basic.Info()&types.IsBoolean != 0
}

// isNumber reports whether it is a type of whole or real numbers.
func isNumber(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&(types.IsInteger|types.IsFloat) != 0 && basic.Info()&types.IsUntyped == 0
}

func isTypeParam(t types.Type) bool {
	_, ok := t.(*types.TypeParam)
	return ok
}
