package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path/filepath"
	"strings"
)

// A rewriter puts a switch at each place of a file that can be changed. It only inserts text and replaces operators, so
// all lines keep their numbers.
type rewriter struct {
	*source
	marks
	mutants []mutant
	aliases map[string]bool // names of the package's own types of numbers
	edits   []edit          // of the file
	open    []func()        // what is left to do for each node that we are in
}

// rewrite returns the text of each file with switches, by path, and all mutants.
func (s *source) rewrite() (map[string][]byte, *rewriter) {
	r := &rewriter{source: s, aliases: map[string]bool{}}
	texts := map[string][]byte{}
	for _, file := range s.files {
		r.edits = nil
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && !forText(f) {
				r.function(f)
			}
		}
		path := s.fset.Position(file.Pos()).Filename
		texts[path] = edited(s.text[path], r.edits)
	}
	return texts, r
}

func (r *rewriter) function(f *ast.FuncDecl) {
	r.marks = newMarks()
	r.step(f.Body)
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if n == nil {
			leave := r.open[len(r.open)-1]
			r.open = r.open[:len(r.open)-1]
			leave()
			return true
		}
		r.look(r.source, n)
		if r.skipped[n] {
			return false
		}
		leave, inside := r.enter(n)
		if !inside {
			leave()
			return false
		}
		r.open = append(r.open, leave)
		return true
	})
}

// step has the rounds of a loop, or the calls of a function, counted.
func (r *rewriter) step(body *ast.BlockStmt) { r.insert(body.Lbrace+1, "mutantStep();") }

// enter puts the switches before a node. It returns what puts those after it, and whether the nodes inside may have
// switches too.
func (r *rewriter) enter(n ast.Node) (leave func(), inside bool) {
	var after []func()
	wrap := func(before, behind string) {
		r.insert(n.Pos(), before)
		after = append(after, func() { r.insert(n.End(), behind) })
	}
	if r.dropped[n] {
		wrap(fmt.Sprintf("if !mutantAt(%d) { ", r.add(n.Pos(), statement, "leave out "+r.short(n))), " }")
	}
	if kind, ok := r.negated[n]; ok {
		wrap("((", fmt.Sprintf(") != mutantAt(%d))", r.add(n.Pos(), kind, "not "+r.short(n))))
	}
	inside = true
	switch n := n.(type) {
	case *ast.ForStmt:
		r.step(n.Body)
	case *ast.RangeStmt:
		r.step(n.Body)
	case *ast.AssignStmt:
		after = append(after, r.assignment(n))
	case ast.Expr:
		if value := r.info.Types[n]; value.Value != nil {
			r.constant(n, value, wrap)
			inside = false
		} else if binary, ok := n.(*ast.BinaryExpr); ok {
			after = append(after, r.binary(binary))
		} else if call, ok := n.(*ast.CallExpr); ok {
			r.bound(call)
		}
	}
	return func() {
		for i := len(after) - 1; i >= 0; i-- {
			after[i]()
		}
	}, inside
}

// add notes a mutant and returns its number.
func (r *rewriter) add(pos token.Pos, kind kind, change string) int {
	id, at := len(r.mutants), r.fset.Position(pos)
	r.mutants = append(r.mutants, mutant{id, filepath.Base(at.Filename), at.Line, at.Column, kind, change})
	return id
}

func (r *rewriter) insert(pos token.Pos, text string) { r.replace(pos, pos, text) }

func (r *rewriter) replace(from, to token.Pos, text string) {
	file := r.fset.File(from)
	r.edits = append(r.edits, edit{file.Offset(from), file.Offset(to), text})
}

// original returns the text of a node, without switches.
func (r *rewriter) original(n ast.Node) string {
	from, to := r.fset.Position(n.Pos()), r.fset.Position(n.End())
	return string(r.text[from.Filename][from.Offset:to.Offset])
}

// short returns the text of a node on one line, or the beginning of it.
func (r *rewriter) short(n ast.Node) string {
	const most = 60 // characters
	text := []rune(strings.Join(strings.Fields(r.original(n)), " "))
	if len(text) > most {
		return string(text[:most-1]) + "…"
	}
	return string(text)
}
