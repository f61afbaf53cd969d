package prose

import (
	"regexp"
	"strings"
)

var (
	link   = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	code   = regexp.MustCompile("`[^`]*`")
	item   = regexp.MustCompile(`^\s*([-*+]|\d+\.)\s+`)
	fence  = regexp.MustCompile("^\\s*(```|~~~)")
	table  = regexp.MustCompile(`^\s*\|`)
	header = regexp.MustCompile(`^\s*(#|>|<)`)
)

// markdown returns the paragraphs of a page, the items of its lists and the cells of its
// tables, without code and headings. Code in a line counts as one word.
func markdown(page string) []passage {
	var all []passage
	var open passage
	end := func() {
		if open.text != "" {
			all = append(all, open)
		}
		open = passage{}
	}
	fenced := false
	for i, line := range strings.Split(page, "\n") {
		if fence.MatchString(line) {
			end()
			fenced = !fenced
			continue
		}
		if fenced || header.MatchString(line) || strings.TrimSpace(line) == "" {
			end()
			continue
		}
		line = link.ReplaceAllString(code.ReplaceAllString(line, "code"), "$1")
		if table.MatchString(line) {
			end()
			for _, cell := range strings.Split(line, "|") {
				if cell = strings.TrimSpace(cell); cell != "" {
					all = append(all, passage{i + 1, cell})
				}
			}
			continue
		}
		if item.MatchString(line) {
			end()
			line = item.ReplaceAllString(line, "")
		}
		if open.text == "" {
			open.line = i + 1
		}
		open.text += line + "\n"
	}
	end()
	return all
}
