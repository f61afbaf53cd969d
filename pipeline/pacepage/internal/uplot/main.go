// Command uplot brings the files of a released version of uPlot, with npm, which
// checks the package against the registry's own checksum. It is for go generate.
package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// files are what is taken out of the package, in the order of their checksums.
var files = []string{"LICENSE", "dist/uPlot.iife.min.js", "dist/uPlot.min.css"}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("uplot: want a version and a directory")
	}
	if err := bring(os.Args[1], os.Args[2]); err != nil {
		log.Fatal("uplot: ", err)
	}
}

func bring(version, dir string) error {
	work, err := os.MkdirTemp("", "uplot")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	pack := exec.Command("npm", "pack", "--silent", "uplot@"+version)
	pack.Dir, pack.Stderr = work, os.Stderr
	name, err := pack.Output()
	if err != nil {
		return fmt.Errorf("npm pack: %w", err)
	}
	contents, err := unpack(filepath.Join(work, strings.TrimSpace(string(name))))
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, file := range files {
		content, ok := contents["package/"+file]
		if !ok {
			return fmt.Errorf("uplot@%s: no %s in it", version, file)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), filepath.Base(file))
	}
	if err := os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums.String()), 0o644); err != nil {
		return err
	}
	return note(version, filepath.Join(dir, "README.md"))
}

func unpack(path string) (map[string][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	plain, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	contents := make(map[string][]byte)
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return contents, nil
		}
		if err != nil {
			return nil, err
		}
		if contents[h.Name], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
}

// note puts the version into the README.
func note(version, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	old := regexp.MustCompile(`(uPlot\]\([^)]*\)) [0-9.]+`)
	return os.WriteFile(path, old.ReplaceAll(text, []byte("${1} "+version)), 0o644)
}
