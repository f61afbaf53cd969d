// Package choice picks, by their names, what a flag asks for.
package choice

import (
	"fmt"
	"strings"
)

// Named is what has a name to choose it by.
type Named interface{ ID() string }

// Of returns those of all that asked names, separated by commas, in the order of all; "all": all of them. flag is for
// the error.
func Of[T Named](flag string, all []T, asked string) ([]T, error) {
	if asked == "all" {
		return all, nil
	}
	wanted := map[string]bool{}
	for _, name := range strings.Split(asked, ",") {
		wanted[name] = true
	}
	var chosen []T
	for _, one := range all {
		if wanted[one.ID()] {
			chosen = append(chosen, one)
			delete(wanted, one.ID())
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("-%s: got %q, want some of %s, or all", flag, name, Names(all))
	}
	return chosen, nil
}

// Names lists all names, for people.
func Names[T Named](all []T) string {
	var names []string
	for _, one := range all {
		names = append(names, one.ID())
	}
	return strings.Join(names, ", ")
}
