package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/paceline-go/paceline/examples/command"
	"github.com/paceline-go/paceline/pipeline/pacenats"
)

func main() { command.Main(run) }

// run returns the exit status: 1 if something is not done, 2 for a wrong command line, 130
// after Ctrl-C.
func run(args []string, stdout, stderr io.Writer) int {
	name, commands := "", map[string]func([]string, io.Writer, io.Writer) int{
		"": demo, "submit": submit, "work": work, "status": status,
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	do := commands[name]
	if do == nil {
		fmt.Fprintf(stderr, "fleet: got command %q, want submit, work, status, or none\n", name)
		return 2
	}
	return do(args, stdout, stderr)
}

// broker is where jobs and results are.
type broker struct{ url, queue string }

func (b *broker) flags(f *flag.FlagSet) {
	f.StringVar(&b.url, "url", "nats://127.0.0.1:4222", "of the NATS server, or of several, separated by commas")
	f.StringVar(&b.queue, "queue", "sun", "name of the queue and of the fleet")
}

// open connects and opens the queue.
func (b *broker) open(ctx context.Context) (*nats.Conn, *queue, error) {
	conn, err := nats.Connect(b.url, nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond))
	if err != nil {
		return nil, nil, fmt.Errorf("-url: got %q: %w", b.url, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q, err := pacenats.OpenQueue[Place, Day](ctx, conn, b.queue, Place.Key, pacenats.QueueOptions{AckWait: 2 * time.Second})
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, q, nil
}

// parse reads a command line that has flags alone. An error is told already.
func parse(f *flag.FlagSet, args []string, stderr io.Writer) error {
	f.SetOutput(stderr)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		err := fmt.Errorf("arguments: got %q, want flags alone", f.Args())
		fmt.Fprintf(stderr, "%s: %v\n", f.Name(), err)
		return err
	}
	return nil
}
