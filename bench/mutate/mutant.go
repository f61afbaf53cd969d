package main

import "fmt"

// A mutant is one change of the source.
type mutant struct {
	id           int
	file         string // without its folder
	line, column int
	kind         kind
	change       string // for the reader
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", m.file, m.line, m.column, m.kind, m.change)
}

// A kind is a rule by which mutants are made.
type kind string

const (
	boundary   kind = "boundary"   // < and <=, > and >=
	equality   kind = "equality"   // == and !=
	arithmetic kind = "arithmetic" // + and -, * and /
	logic      kind = "logic"      // && and ||
	bound      kind = "bound"      // min and max
	condition  kind = "condition"  // the opposite, of an if or a case
	result     kind = "result"     // the opposite, of a bool that is returned
	constant   kind = "constant"   // another number, false for true
	statement  kind = "statement"  // a call, an assignment or x++ left out
)

var kinds = []kind{boundary, equality, arithmetic, logic, bound, condition, result, constant, statement}
