// Command release makes a release of all modules of this repository, in one step:
//
//	go run ./.ci/release v0.2.0
//
// It runs in the root of a clean work tree. It dates the changelog, sets what the modules
// require of each other to that version, commits this, and gives each published module its
// tag: v0.2.0 for the root, pipeline/pacegrpc/v0.2.0 and so on for the others. At the end it
// prints the command that publishes them.
//
// The go.mod files keep their replace directives, which are for work on this repository: the
// go command ignores those of a dependency.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./.ci/release VERSION")
		os.Exit(2)
	}
	if err := release(".", os.Args[1], time.Now()); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release commits and tags a version of the repository in a folder.
func release(root, version string, at time.Time) error {
	if semver.Canonical(version) != version || version == "" {
		return fmt.Errorf("version: got %q, want one such as v0.2.0", version)
	}
	if changed, err := git(root, "status", "--porcelain"); err != nil || changed != "" {
		return fmt.Errorf("work tree: got changes, want none: %s%v", changed, err)
	}
	tags, err := git(root, "tag", "--list", "v*")
	if err != nil {
		return err
	}
	for _, tag := range strings.Fields(tags) {
		if semver.Compare(version, tag) <= 0 {
			return fmt.Errorf("version: got %s, want one after %s", version, tag)
		}
	}
	modules, err := findModules(root)
	if err != nil {
		return err
	}
	if err := dateChangelog(root, version, at); err != nil {
		return err
	}
	if err := require(root, modules, version); err != nil {
		return err
	}
	if _, err := git(root, "commit", "--all", "--message", "Release "+version); err != nil {
		return err
	}
	var all []string
	for _, m := range modules {
		if tag := m.tag(version); m.published {
			if _, err := git(root, "tag", "--annotate", tag, "--message", tag); err != nil {
				return err
			}
			all = append(all, tag)
		}
	}
	fmt.Printf("%s is committed and tagged. To publish it: git push --atomic origin HEAD %s\n", version, strings.Join(all, " "))
	return nil
}

// git runs git in a folder and returns what it prints.
func git(root string, arguments ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", root}, arguments...)...)
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(arguments, " "), err, errors.String())
	}
	return strings.TrimSpace(string(out)), nil
}
