// Command picture runs a command in a terminal, and draws what the terminal shows
// after a while, as an SVG. From the root of the repo:
//
//	go run ./pipeline/paceterm/internal/picture -after 19s -out pipeline/paceterm/pictures/etl.svg go run ./examples/etl -fresh
package main

import (
	"flag"
	"fmt"
	"html"
	"io"
	"log"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/creack/pty"
	"github.com/paceline-go/paceline/clock"
)

func main() {
	log.SetFlags(0)
	columns := flag.Int("columns", 108, "width of the terminal")
	after := flag.Duration("after", 0, "when to look at the terminal, from its first word on, and to press Ctrl-C; 0: at the end")
	out := flag.String("out", "terminal.svg", "where to draw")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal("picture: want a command")
	}
	text, err := run(*columns, *after, flag.Args())
	if err != nil {
		log.Fatal("picture: ", err)
	}
	lines := append([]string{"$ " + strings.Join(flag.Args(), " ")}, screen(text, *columns)...)
	if err := os.WriteFile(*out, []byte(draw(lines, *columns)), 0o644); err != nil {
		log.Fatal("picture: ", err)
	}
}

// run returns what a command has written to a terminal after a while, and then
// presses Ctrl-C.
func run(columns int, after time.Duration, args []string) (string, error) {
	cmd := exec.Command(args[0], args[1:]...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: uint16(columns)})
	if err != nil {
		return "", err
	}
	defer terminal.Close()
	read := make(chan string)
	go func() {
		defer close(read)
		buffer := make([]byte, 1<<16)
		for {
			n, err := terminal.Read(buffer)
			if n > 0 {
				read <- string(buffer[:n])
			}
			if err != nil {
				return // EIO, when the command has ended
			}
		}
	}()
	var look <-chan time.Time
	var all strings.Builder
	for {
		select {
		case text, more := <-read:
			if !more {
				return all.String(), cmd.Wait()
			}
			if look == nil && after > 0 {
				look = clock.Real().After(after)
			}
			all.WriteString(text)
		case <-look:
			if _, err := terminal.Write([]byte{3}); err != nil {
				return "", err
			}
			for range read { // until it has ended
			}
			_ = cmd.Wait() // its status tells of the interrupt
			return all.String(), nil
		}
	}
}

// screen returns what a terminal shows after text, of which it knows the codes that
// a progress bar needs.
func screen(text string, columns int) []string {
	lines, column := []string{""}, 0
	text = strings.NewReplacer("\x1b[0K", "\x00", "\x1b[2K", "\x01").Replace(text)
	for _, r := range text {
		line := []rune(lines[len(lines)-1])
		switch r {
		case '\r':
			column = 0
			continue
		case '\n':
			lines = append(lines, "")
			continue
		case '\x00': // clears the rest of the line
			line = line[:min(column, len(line))]
		case '\x01': // clears the line
			line = nil
		default:
			if column == columns {
				lines, line, column = append(lines, ""), nil, 0
			}
			for len(line) <= column {
				line = append(line, ' ')
			}
			line[column] = r
			column++
		}
		lines[len(lines)-1] = string(line)
	}
	return lines
}

// Sizes of the picture.
const (
	charWidth  = 8.43
	lineHeight = 19
	margin     = 18
	bar        = 34
)

// draw draws lines in a window.
func draw(lines []string, columns int) string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	width, height := int(float64(columns)*charWidth)+2*margin, bar+len(lines)*lineHeight+margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="9" fill="#12181c"/>`+"\n", width, height)
	for i := range 3 {
		fmt.Fprintf(&b, `<circle cx="%d" cy="17" r="5.5" fill="#3a444b"/>`+"\n", margin+5+18*i)
	}
	io.WriteString(&b, `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#d7dee2">`+"\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " ")
		if line == "" {
			continue
		}
		fill := ""
		if strings.HasPrefix(line, "$ ") {
			fill = ` fill="#4fd1ab"`
		}
		// textLength keeps columns where they are, whatever the font.
		fmt.Fprintf(&b, `<text x="%d" y="%d" xml:space="preserve" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</text>`+"\n",
			margin, bar+i*lineHeight+14, float64(len([]rune(line)))*charWidth, fill, html.EscapeString(line))
	}
	io.WriteString(&b, "</g>\n</svg>\n")
	return b.String()
}
