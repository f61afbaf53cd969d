package paceterm

import (
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"
	"github.com/paceline-go/paceline/pipeline"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func throttle(t *testing.T, change ...func(*pipeline.Config)) *pipeline.Throttle {
	t.Helper()
	cfg := pipeline.Config{Policy: pipeline.Static{}}
	for _, c := range change {
		c(&cfg)
	}
	th, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

func of(total int) func(*pipeline.Config) { return func(c *pipeline.Config) { c.TotalJobs = total } }

// A terminal is a real one, of which a test sees the screen.
type terminal struct {
	tty, end *os.File
	shown    chan string // all that was written, when tty is closed
}

func newTerminal(t *testing.T, width uint16) *terminal {
	t.Helper()
	end, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{tty, end, make(chan string, 1)}
	t.Cleanup(func() {
		tty.Close()
		end.Close()
	})
	term.resize(t, width)
	go func() {
		var all strings.Builder
		buffer := make([]byte, 4096)
		for {
			n, err := end.Read(buffer)
			all.Write(buffer[:n])
			if err != nil {
				term.shown <- all.String()
				return
			}
		}
	}()
	return term
}

func (term *terminal) resize(t *testing.T, width uint16) {
	t.Helper()
	if err := pty.Setsize(term.tty, &pty.Winsize{Rows: 24, Cols: width}); err != nil {
		t.Fatal(err)
	}
}

// text closes the terminal and returns all that was written to it.
func (term *terminal) text() string {
	term.tty.Close()
	return <-term.shown
}

// screen returns the lines that a terminal of a width shows after text: it knows the
// few codes that a progress bar needs.
func screen(t *testing.T, text string, width int) []string {
	t.Helper()
	lines, column := []string{""}, 0
	put := func(r rune) {
		if column == width {
			lines, column = append(lines, ""), 0
		}
		line := []rune(lines[len(lines)-1])
		for len(line) <= column {
			line = append(line, ' ')
		}
		line[column] = r
		lines[len(lines)-1] = string(line)
		column++
	}
	for len(text) > 0 {
		if rest, ok := strings.CutPrefix(text, "\x1b[0K"); ok { // clears the rest of the line
			line := []rune(lines[len(lines)-1])
			lines[len(lines)-1] = string(line[:min(column, len(line))])
			text = rest
			continue
		}
		if rest, ok := strings.CutPrefix(text, "\x1b[2K"); ok { // clears the line
			lines[len(lines)-1] = ""
			text = rest
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch r {
		case '\r':
			column = 0
		case '\n':
			lines = append(lines, "")
		case '\x1b':
			t.Fatalf("an unknown code before %q", text)
		default:
			put(r)
		}
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}
