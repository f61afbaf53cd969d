package pacepage

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// The page says each reason of the policy, and each thing that holds attempts up, in words of its
// own. One that it does not know would be said as nothing.
func TestThePageHasWordsForEachReasonAndHold(t *testing.T) {
	script, err := os.ReadFile("assets/page.js")
	if err != nil {
		t.Fatal(err)
	}
	table := func(name string) string {
		_, table, _ := strings.Cut(string(script), "\tconst "+name+" = {\n")
		if table == "" {
			_, table, _ = strings.Cut(string(script), "const "+name+" = {\n")
		}
		table, _, _ = strings.Cut(table, "};")
		return table
	}
	said := 0
	for r := pipeline.NoReason + 1; !strings.HasPrefix(r.String(), "reason("); r++ {
		if said++; !strings.Contains(table("reasons"), "\t\""+r.String()+"\": \"") {
			t.Errorf("got no words for the reason %q", r)
		}
	}
	for h := pipeline.HeldByLimit; !strings.HasPrefix(h.String(), "hold("); h++ {
		said++
		for _, name := range []string{"causes", "why", "holds"} {
			if !strings.Contains(table(name), h.String()+": ") {
				t.Errorf("%s: got no words for what holds attempts up: %q", name, h)
			}
		}
	}
	if said < 20 {
		t.Errorf("got %d reasons and holds, want at least 20", said)
	}
}

// What the log says of jobs that are set aside: never among the retries, of which there are many.
func TestTheLogTellsWhatBecomesOfAJobThatIsSetAside(t *testing.T) {
	for want, e := range map[string]pipeline.Event{
		"one is set aside for up to 1m0s, since it is refused while others are accepted: too large": {Kind: pipeline.EventSetAside, Wait: time.Minute, Err: errors.New("too large")},
		"one that was set aside is tried again":                                                     {Kind: pipeline.EventTakenUp},
		"one that was set aside is given up: too large":                                             {Kind: pipeline.EventGivenUp, Err: errors.New("too large")},
	} {
		var l log
		if entry, _ := l.add("geocoder", e, 1, 1); entry.text() != want || entry.subject != aboutJobs || len(l.rare) != 1 {
			t.Errorf("got %q about %s, want %q", entry.text(), entry.subject, want)
		}
	}
}

// What the log says of budgets and of the pace, with and without a name.
func TestTheLogNamesBudgets(t *testing.T) {
	for want, e := range map[string]pipeline.Event{
		"tokens: exhausted for 1m0s":                 {Kind: pipeline.EventBudgetExhausted, Budget: "tokens", Wait: time.Minute},
		"exhausted for 1m0s":                         {Kind: pipeline.EventBudgetExhausted, Wait: time.Minute},
		"tokens: exhausted":                          {Kind: pipeline.EventBudgetExhausted, Budget: "tokens"},
		"tokens: room again":                         {Kind: pipeline.EventBudgetRestored, Budget: "tokens"},
		"tokens: a job has used more than all of it": {Kind: pipeline.EventBudgetTooSmall, Budget: "tokens"},
		"room again":                                 {Kind: pipeline.EventBudgetRestored},
		"interval 1 s → 2 s: refused at this rate": {
			Kind: pipeline.EventDecelerated, From: pipeline.Setting{Limit: 3, Interval: time.Second},
			To: pipeline.Setting{Limit: 3, Interval: 2 * time.Second, Reason: pipeline.ReasonRefusedRate},
		},
		"limit 4 → 3: refused at this many": {
			Kind: pipeline.EventDecelerated, From: pipeline.Setting{Limit: 4}, To: pipeline.Setting{Limit: 3, Reason: pipeline.ReasonRefusedLimit},
		},
	} {
		var l log
		if entry, _ := l.add("geocoder", e, 1, 1); entry.text() != want || (e.Budget != "" && entry.subject != aboutBudget) {
			t.Errorf("got %q about %s, want %q", entry.text(), entry.subject, want)
		}
	}
}
