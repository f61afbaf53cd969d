package main

import (
	"fmt"
	"go/ast"
	values "go/constant"
	"go/token"
	"go/types"
	"math"
	"runtime"
	"strconv"
	"time"
)

// constant puts a switch round a constant expression, which may be one name or a whole formula: true becomes false, a
// whole number one more, another number or a time twice as much, 0 becomes 1.
//
// A const cannot be switched when the program runs, so each place in a function that uses one can be.
func (r *rewriter) constant(e ast.Expr, value types.TypeAndValue, wrap func(before, behind string)) {
	if r.isTruth(e) {
		id := r.add(e.Pos(), constant, fmt.Sprintf("%s becomes %t", r.short(e), !values.BoolVal(value.Value)))
		wrap("(", fmt.Sprintf(" != mutantAt(%d))", id))
		return
	}
	name, ok := r.numberType(e, value.Type)
	if !ok {
		return
	}
	text, reads := other(value, r.flipped[e])
	id := r.add(e.Pos(), constant, fmt.Sprintf("%s becomes %s", r.short(e), reads))
	wrap(fmt.Sprintf("mutantPick[%s](%d, ", name, id), fmt.Sprintf(", %s)", text))
}

// numberType returns the name of the type of a number. Constants with a type of their own are left alone if their
// numbers only tell them apart: that is assumed of whole numbers with a name.
func (r *rewriter) numberType(e ast.Expr, t types.Type) (string, bool) {
	if !isNumber(t) {
		return "", false
	}
	switch t := types.Unalias(t).(type) {
	case *types.Basic:
		return t.Name(), true
	case *types.Named:
		name := t.Obj()
		if isDuration(t) {
			return "mutantDuration", true
		}
		if name.Parent() != r.pkg.Scope() || t.TypeArgs() != nil {
			return "", false
		}
		_, literal := e.(*ast.BasicLit)
		if t.Underlying().(*types.Basic).Info()&types.IsInteger != 0 && !literal {
			return "", false
		}
		r.aliases[name.Name()] = true
		return alias(name.Name()), true
	}
	return "", false
}

// alias is another name of a type, which no variable hides.
func alias(name string) string { return "mutantOf_" + name }

// other returns another number of the type, for the compiler and for the reader.
func other(value types.TypeAndValue, flip bool) (text, reads string) {
	basic := value.Type.Underlying().(*types.Basic)
	if basic.Info()&types.IsFloat != 0 {
		x, _ := values.Float64Val(values.ToFloat(value.Value))
		text = strconv.FormatFloat(otherFloat(x), 'g', -1, 64)
		return text, text
	}
	x, one := values.ToInt(value.Value), values.MakeInt64(1)
	candidates := []values.Value{values.BinaryOp(x, token.ADD, one), values.BinaryOp(x, token.SUB, one)}
	if isDuration(value.Type) && values.Sign(x) != 0 {
		two := values.MakeInt64(2)
		candidates = []values.Value{values.BinaryOp(x, token.MUL, two), values.BinaryOp(x, token.QUO_ASSIGN, two)}
	}
	if flip {
		candidates[0] = values.UnaryOp(token.SUB, x, 0)
	}
	chosen := candidates[0]
	if !represents(basic, chosen) {
		chosen = candidates[1]
	}
	text = chosen.ExactString()
	if isDuration(value.Type) {
		nanoseconds, _ := values.Int64Val(chosen)
		return text, time.Duration(nanoseconds).String()
	}
	return text, text
}

func otherFloat(x float64) float64 {
	switch {
	case x == 0:
		return 1
	case math.IsInf(2*x, 0):
		return x / 2
	}
	return 2 * x
}

// represents reports whether a type of whole numbers has this one.
func represents(t *types.Basic, x values.Value) bool {
	bits := int(8 * types.SizesFor("gc", runtime.GOARCH).Sizeof(t))
	var err error
	if t.Info()&types.IsUnsigned != 0 {
		_, err = strconv.ParseUint(x.ExactString(), 10, bits)
	} else {
		_, err = strconv.ParseInt(x.ExactString(), 10, bits)
	}
	return err == nil
}

func isDuration(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "time" && named.Obj().Name() == "Duration"
}
