package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/modfile"
)

// A goModule is one of the modules of the workspace.
type goModule struct {
	dir       string // from the root, with slashes; ".": the root
	path      string
	published bool // the root and what is below pipeline; the others are for work here
}

// tag is that of a version of it.
func (m goModule) tag(version string) string {
	if m.dir == "." {
		return version
	}
	return m.dir + "/" + version
}

// findModules returns the modules that go.work in a folder names, the root first.
func findModules(root string) ([]goModule, error) {
	name := filepath.Join(root, "go.work")
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	work, err := modfile.ParseWork(name, data, nil)
	if err != nil {
		return nil, err
	}
	var modules []goModule
	for _, use := range work.Use {
		dir := filepath.ToSlash(filepath.Clean(use.Path))
		data, err := os.ReadFile(filepath.Join(root, dir, "go.mod"))
		if err != nil {
			return nil, err
		}
		modules = append(modules, goModule{dir, modfile.ModulePath(data), dir == "." || strings.HasPrefix(dir, "pipeline/")})
	}
	if len(modules) == 0 || modules[0].dir != "." {
		return nil, fmt.Errorf("%s: want the root first among what it uses", name)
	}
	return modules, nil
}

// require sets what the modules require of each other to a version.
func require(root string, modules []goModule, version string) error {
	ours := make(map[string]bool)
	for _, m := range modules {
		ours[m.path] = true
	}
	for _, m := range modules {
		name := filepath.Join(root, m.dir, "go.mod")
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := modfile.Parse(name, data, nil)
		if err != nil {
			return err
		}
		for _, r := range file.Require {
			if ours[r.Mod.Path] {
				if err := file.AddRequire(r.Mod.Path, version); err != nil {
					return err
				}
			}
		}
		if data, err = file.Format(); err != nil {
			return err
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// unreleased is the heading of what the next release brings.
const unreleased = "\n## Unreleased\n"

// dateChangelog makes what is unreleased the section of a version.
func dateChangelog(root, version string, at time.Time) error {
	name := filepath.Join(root, "CHANGELOG.md")
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, after, found := strings.Cut(string(data), unreleased)
	news, _, _ := strings.Cut(after, "\n## ")
	if !found || strings.TrimSpace(news) == "" {
		return fmt.Errorf("%s: got nothing below %q, want what is new in %s", name, strings.TrimSpace(unreleased), version)
	}
	heading := fmt.Sprintf("\n## %s - %s\n", strings.TrimPrefix(version, "v"), at.Format(time.DateOnly))
	return os.WriteFile(name, []byte(before+unreleased+heading+after), 0o644)
}
