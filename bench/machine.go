package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// peers are the modules whose versions a reader needs in order to measure the same again.
var peers = []string{
	"github.com/sourcegraph/conc",
	"golang.org/x/sync",
	"github.com/panjf2000/ants/v2",
	"github.com/alitto/pond/v2",
	"github.com/failsafe-go/failsafe-go",
	"golang.org/x/time",
	"go.uber.org/ratelimit",
	"go.opentelemetry.io/otel",
	"modernc.org/sqlite",
}

func printMachine(w io.Writer) {
	fmt.Fprintf(w, "Machine: %d cores, GOMAXPROCS %d, %s, %s %s/%s. It is shared: compare within a table, not between runs.\n\n",
		runtime.NumCPU(), runtime.GOMAXPROCS(0), cpuModel(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(w, "Peers: %s.\n\n", strings.Join(peerVersions(), ", "))
}

// cpuModel asks Linux; elsewhere the architecture, which is printed anyway, has to do.
func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		if key, value, ok := strings.Cut(string(line), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

func peerVersions() []string {
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			versions[m.Path] = m.Version
		}
	}
	var named []string
	for _, path := range peers {
		named = append(named, strings.TrimSuffix(path, "/v2")+" "+versions[path])
	}
	return named
}
