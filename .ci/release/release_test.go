package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

const root = "../.."

// copyTree copies what git knows of the repository, and what it would add, and returns a
// version that is of these files alone.
func copyTree(t *testing.T, to string) (version string) {
	t.Helper()
	files, err := git(root, "ls-files", "--cached", "--others", "--exclude-standard")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	for _, name := range strings.Split(files, "\n") {
		data, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // removed, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		sum.Write([]byte(name))
		sum.Write(data)
		target := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return "v0.0.1-test." + hex.EncodeToString(sum.Sum(nil)[:6])
}

// writeProxy writes what a module proxy has of the published modules.
func writeProxy(t *testing.T, tree, proxy string, modules []goModule, version string) {
	t.Helper()
	for _, m := range modules {
		if !m.published {
			continue
		}
		escaped, err := module.EscapePath(m.path)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(proxy, filepath.FromSlash(escaped), "@v")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC()})
		if err != nil {
			t.Fatal(err)
		}
		mod, err := os.ReadFile(filepath.Join(tree, m.dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{"list": []byte(version + "\n"), version + ".info": info, version + ".mod": mod} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		file, err := os.Create(filepath.Join(dir, version+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		if err := zip.CreateFromDir(file, module.Version{Path: m.path, Version: version}, filepath.Join(tree, m.dir)); err != nil {
			t.Fatal(err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// forget removes a version of our modules from the module cache.
func forget(t *testing.T, version string) {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	top := filepath.Join(strings.TrimSpace(string(cache)), "github.com", "paceline-go")
	_ = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !strings.HasSuffix(name, "@"+version) {
			return nil
		}
		_ = os.RemoveAll(name)
		return filepath.SkipDir
	})
}

// Each module can be had from a module proxy by somebody who has nothing of this repository,
// and a program that uses it runs.
func TestEachModuleCanBeInstalled(t *testing.T) {
	tree, proxy := t.TempDir(), t.TempDir()
	version := copyTree(t, tree)
	modules, err := findModules(tree)
	if err != nil {
		t.Fatal(err)
	}
	if err := require(tree, modules, version); err != nil {
		t.Fatal(err)
	}
	writeProxy(t, tree, proxy, modules, version)
	t.Cleanup(func() { forget(t, version) })
	others, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	// Each module with PACELINE_FULL, as in CI; otherwise the root, and one that requires it.
	small := []string{"paceline", "paceterm"}
	for _, m := range modules {
		if !m.published || os.Getenv("PACELINE_FULL") == "" && !slices.Contains(small, filepath.Base(m.path)) {
			continue
		}
		t.Run(filepath.Base(m.path), func(t *testing.T) {
			program, err := os.ReadFile(filepath.Join("testdata", filepath.Base(m.path), "main.go"))
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			run := func(arguments ...string) string {
				t.Helper()
				cmd := exec.Command("go", arguments...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-modcacherw", "GONOSUMDB=github.com/paceline-go",
					"GOPROXY=file://"+proxy+","+strings.TrimSpace(string(others)))
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("go %s: %v\n%s", strings.Join(arguments, " "), err, out)
				}
				return string(out)
			}
			run("mod", "init", "example.com/new")
			run("get", m.path+"@"+version)
			if err := os.WriteFile(filepath.Join(dir, "main.go"), program, 0o644); err != nil {
				t.Fatal(err)
			}
			run("mod", "tidy")
			if out := run("run", "."); !strings.HasSuffix(out, "it works\n") {
				t.Errorf("got %q, want a program that says that it works", out)
			}
		})
	}
}

// A release sets the requirements, dates the changelog, commits and tags, and refuses what it
// could not undo.
func TestReleaseTagsEachModule(t *testing.T) {
	tree := t.TempDir()
	copyTree(t, tree)
	for _, arguments := range [][]string{
		{"init", "--quiet"}, {"config", "user.name", "somebody"}, {"config", "user.email", "somebody@example.com"},
		{"add", "--all"}, {"commit", "--quiet", "--message", "everything"},
	} {
		if _, err := git(tree, arguments...); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, version := range []string{"", "1.2.3", "v1.2", "v1.2.3+x"} {
		if err := release(tree, version, at); err == nil || !strings.Contains(err.Error(), "version: got") {
			t.Errorf("version %q: got error %v, want one of the version", version, err)
		}
	}
	if err := release(tree, "v0.1.0", at); err != nil {
		t.Fatal(err)
	}
	modules, err := findModules(tree)
	if err != nil {
		t.Fatal(err)
	}
	tags, err := git(tree, "tag")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range modules {
		if has := strings.Contains("\n"+tags+"\n", "\n"+m.tag("v0.1.0")+"\n"); has != m.published {
			t.Errorf("%s: got a tag %v, want %v", m.path, has, m.published)
		}
		data, err := os.ReadFile(filepath.Join(tree, m.dir, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "github.com/paceline-go/paceline v0.0.0") {
			t.Errorf("%s still requires v0.0.0", m.path)
		}
	}
	changes, err := os.ReadFile(filepath.Join(tree, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(changes), "## Unreleased\n\n## 0.1.0 - 2027-01-02\n\n###") {
		t.Errorf("got a changelog that begins with %.200q, want a section of 0.1.0", changes)
	}
	if left, err := git(tree, "status", "--porcelain"); err != nil || left != "" {
		t.Errorf("got %q left over, error %v, want all committed", left, err)
	}
	if err := release(tree, "v0.2.0", at); err == nil || !strings.Contains(err.Error(), "got nothing below") {
		t.Errorf("got error %v, want one of an empty changelog", err)
	}
	if _, err := git(tree, "checkout", "--quiet", "--", "."); err != nil {
		t.Fatal(err)
	}
	if err := release(tree, "v0.1.0", at); err == nil || !strings.Contains(err.Error(), "want one after v0.1.0") {
		t.Errorf("got error %v, want one of a version that is not new", err)
	}
	if err := os.WriteFile(filepath.Join(tree, "new.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := release(tree, "v0.2.0", at); err == nil || !strings.Contains(err.Error(), "work tree: got changes") {
		t.Errorf("got error %v, want one of changes", err)
	}
}
