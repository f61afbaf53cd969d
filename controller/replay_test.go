package controller

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rewrite is for a change that is meant to give other answers.
var rewrite = flag.Bool("rewrite", false, "write the answers of this version into testdata/replay.txt")

const replayFile = "testdata/replay.txt"

// A player is a machine that is played a recorded list of events. It returns what
// is in force after each. Only whole numbers are compared, no floats, which would
// be rounded otherwise on another processor.
type player func(now time.Time, event words) string

// players are the machines of the sections of the file, each at rest.
var players = map[string]func() player{
	"aimd": playAIMD, "circuit": playCircuit, "budget": playBudget,
}

// TestReplayGivesTheSameAnswers that were recorded once, on every machine, as
// often as one likes.
func TestReplayGivesTheSameAnswers(t *testing.T) {
	recorded, err := os.ReadFile(replayFile)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, events := replay(t, string(recorded))
		if *rewrite {
			if err := os.WriteFile(replayFile, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			recorded = []byte(got)
		}
		was, is := strings.Split(string(recorded), "\n"), strings.Split(got, "\n")
		for i := range is {
			if was[i] != is[i] {
				t.Fatalf("line %d, recorded, then answered:\n%s\n%s", i+1, was[i], is[i])
			}
		}
		if events < 500 {
			t.Errorf("%d events, want all that were recorded", events)
		}
	}
}

// replay plays all the events of a recording, and returns it with the answers. A
// line has the time since the section began, an event, and after an arrow what was
// answered.
func replay(t *testing.T, recorded string) (answered string, events int) {
	var play player
	var all strings.Builder
	for line := range strings.Lines(recorded) {
		line = strings.TrimSuffix(line, "\n")
		event, _, _ := strings.Cut(line, " -> ")
		w := words(strings.Fields(event))
		switch {
		case len(w) == 0 || w[0] == "#":
		case w[0] == "==":
			play = players[w[1]]()
		default:
			after, err := time.ParseDuration(w[0])
			if err != nil {
				t.Fatal(err)
			}
			line = event + " -> " + play(t0.Add(after), w[1:])
			events++
		}
		all.WriteString(line + "\n")
	}
	return all.String(), events
}

// words are what an event is told in, the first being what it is.
type words []string

func (w words) number(i int) int64 {
	n, err := strconv.ParseInt(w[i], 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func (w words) duration(i int) time.Duration {
	d, err := time.ParseDuration(w[i])
	if err != nil {
		panic(err)
	}
	return d
}

func (w words) verdict(i int) Verdict {
	return map[string]Verdict{"ignored": Ignored, "failed": Failed, "overload": Overload, "succeeded": Succeeded}[w[i]]
}

// playAIMD knows
//
//	end VERDICT final|again STARTED-AGO GAP
//	update INITIAL MAX MIN-INTERVAL MAX-INTERVAL THRESHOLD WINDOW COOLING DECAY-IN-PERCENT
func playAIMD() player {
	d := drive(AIMD{FailureThreshold: 3, FailureWindow: 5 * time.Second, CoolingPeriod: 10 * time.Second, SafeCeilingDecay: 2.5}, unpaced8)
	return func(now time.Time, w words) string {
		switch w[0] {
		case "end":
			d.Setting = d.Next(now, Outcome{
				Verdict: w.verdict(1), Final: w[2] == "final", Start: now.Add(-w.duration(3)), Gap: w.duration(4),
			})
		case "update":
			d.Setting, _ = d.Law.(*aimd).Update(AIMD{
				FailureThreshold: int(w.number(5)), FailureWindow: w.duration(6),
				CoolingPeriod: w.duration(7), SafeCeilingDecay: float64(w.number(8)) / 100,
			}, Bounds{
				InitialLimit: int(w.number(1)), MaxLimit: int(w.number(2)), MinInterval: w.duration(3), MaxInterval: w.duration(4),
			})
		}
		cooling := max(d.CoolUntil.Sub(now), 0)
		return fmt.Sprintf("%v, ceiling %d, cooling %v, %d failures", d.Setting, d.Ceiling, cooling, d.Law.(*aimd).Failures(now))
	}
}

// playCircuit knows
//
//	start
//	end WHICH VERDICT
//	record VERDICT
//	update FAILURES OPEN-FOR PROBES
func playCircuit() player {
	c := NewCircuit(Breaker{Failures: 3, OpenFor: 2 * time.Second, Probes: 2})
	var inFlight []int // their generations
	return func(now time.Time, w words) string {
		switch w[0] {
		case "start":
			if c.Ready(now) {
				generation, _ := c.Start(now)
				inFlight = append(inFlight, generation)
			}
		case "end":
			if n := len(inFlight); n > 0 {
				i := int(w.number(1)) % n
				c.Report(now, inFlight[i], w.verdict(2))
				inFlight = slices.Delete(inFlight, i, i+1)
			}
		case "record":
			c.Record(now, w.verdict(1))
		case "update":
			c.Update(Breaker{Failures: int(w.number(1)), OpenFor: w.duration(2), Probes: int(w.number(3))})
		}
		return fmt.Sprintf("%v, ready %v, left %v, %d in flight", c.State(now), c.Ready(now), c.Left(now), len(inFlight))
	}
}

// playBudget knows
//
//	reserve TOKENS
//	settle WHICH TOKENS
//	hint RETRY-AFTER LIMIT REMAINING RESET
//	tell LEFT RESET
//	update TOKENS WINDOW
func playBudget() player {
	w := NewWindow(Budget{Tokens: 1000, Window: 10 * time.Second})
	var advice Advice
	var reserved []Reservation
	return func(now time.Time, words words) string {
		switch words[0] {
		case "reserve":
			n := min(words.number(1), w.Tokens)
			if w.Wait(now, n) == 0 && advice.Wait(now) == 0 {
				reserved = append(reserved, w.Reserve(now, n))
			}
		case "settle":
			if n := len(reserved); n > 0 {
				i := int(words.number(1)) % n
				w.Settle(now, reserved[i], words.number(2))
				reserved = slices.Delete(reserved, i, i+1)
			}
		case "hint":
			advice.Take(now, Hint{
				RetryAfter: words.duration(1), Limit: words.number(2), Remaining: words.number(3), Reset: words.duration(4),
			}.WithinReason())
		case "tell":
			w.Hint(now, words.number(1), words.duration(2))
		case "update":
			w.Update(now, Budget{Tokens: words.number(1), Window: words.duration(2)})
		}
		return fmt.Sprintf("%d open, %d used, %d left, half in %v; wait %v", len(reserved),
			w.Used(now), w.Remaining(now), w.Wait(now, w.Tokens/2), advice.Wait(now))
	}
}
