// Command limiters sends jobs through the rate limiters that people meet: middleware of Go's and Node's, and proxies, each
// the real one, on loopback, by paceline's Transport and by other clients, in real time.
//
//	go run ./bench/limiters                        from the root: all limiters and clients, half an hour
//	go run ./bench/limiters -only fastify,ulule    some limiters
//	go run ./bench/limiters -client paceline       some clients
//	go run ./bench/limiters -quick                 few jobs in short windows: that everything runs, its figures mean little
//	go run ./bench/limiters -answers               what each limiter says, instead of a ride
//
// It prints a Markdown table: goodput as a share of what a client reaches that knows the algorithm, the share of attempts
// that were refused or failed, and jobs that failed, if any. Programs that are not here are named, with how to install them.
// Packages of npm are installed into a temporary folder, or into that of -node, where they stay.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/paceline-go/paceline/bench/internal/choice"
	"github.com/paceline-go/paceline/bench/internal/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, os.Args[1:], program.Dirs())
	stop()
	switch {
	case errors.Is(err, context.Canceled):
		os.Exit(130)
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench/limiters:", err)
		os.Exit(1)
	}
}

// run looks for programs in dirs.
func run(ctx context.Context, w io.Writer, args, dirs []string) error {
	flags := flag.NewFlagSet("limiters", flag.ContinueOnError)
	only := flags.String("only", "all", "which `limiters`, separated by commas: "+choice.Names(limiters))
	who := flags.String("client", "all", "which `clients`, separated by commas: "+choice.Names(clients))
	quick := flags.Bool("quick", false, "150 jobs in windows of 1 s: shows that everything runs, its figures mean little")
	jobs := flags.Int("jobs", 400, "how many `jobs` each client does at each limiter")
	window := flags.Duration("window", 5*time.Second, "`how long` a window is, in whole seconds")
	beside := flags.Int("beside", 12, "how `many` rides are under way at once; they hardly load the machine")
	nodeDir := flags.String("node", "", "a `folder` for the packages of npm, which stay there; none: a temporary one")
	trace := flags.Bool("trace", false, "print each answer, too")
	answers := flags.Bool("answers", false, "print what each limiter says at first, and when it refuses")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *quick {
		*jobs, *window = 150, time.Second
	}
	switch {
	case *jobs < 1:
		return fmt.Errorf("-jobs: got %d, want at least 1", *jobs)
	case *beside < 1:
		return fmt.Errorf("-beside: got %d, want at least 1", *beside)
	case *window < time.Second || *window%time.Second != 0:
		return fmt.Errorf("-window: got %v, want whole seconds, at least 1s", *window)
	}
	chosen, err := choice.Of("only", limiters, *only)
	if err != nil {
		return err
	}
	theClients, err := choice.Of("client", clients, *who)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "limiters")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Apache serves as another user
		return err
	}
	h := &house{dir: dir, dirs: dirs, nodeDir: *nodeDir, trace: *trace, progress: os.Stderr}
	h.packages = sync.OnceValues(func() (string, error) { return h.install(ctx) })
	if *answers {
		return h.tellAnswers(ctx, w, chosen, *window)
	}
	return h.measure(ctx, w, chosen, theClients, *jobs, *window, *beside)
}

// A house is where limiters are started.
type house struct {
	dir      string   // for what they need
	dirs     []string // of programs
	trace    bool     // print each answer
	nodeDir  string   // for the packages of npm; empty: below dir
	packages func() (dir string, err error)
	progress io.Writer
}
