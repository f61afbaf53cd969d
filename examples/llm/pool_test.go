package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/clock"
)

// pooled are the options of three keys of the embedded server.
func pooled(t *testing.T, args ...string) options {
	t.Helper()
	o := defaults(t)
	p, err := parse(append([]string{"-pool", "-out", o.out, "-minute", "1m"}, args...), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// charged is what the server charges for, by the prices of each member.
func (s *summary) charged() (nanodollars int64) {
	for _, m := range s.members {
		nanodollars += m.prices.of(m.stats.Input, m.stats.Output)
	}
	return nanodollars
}

// TestAPoolUsesEachQuotaInProportion: for some minutes, each prompt is answered once, nothing is refused for a quota, and at least 95% of
// each key's quota is used, so that the answers of the members are as many as their quotas are large, within 5%.
func TestAPoolUsesEachQuotaInProportion(t *testing.T) {
	t.Parallel()
	o := pooled(t)
	o.samples = 3 + 5*minutes
	synctest.Test(t, func(t *testing.T) {
		sum := runIn(t, o, piped(t, o, o.serverConfig()))
		answered := int64(0)
		for _, m := range sum.members {
			n, _, _ := m.ledger.Minutes()
			used, _ := m.used()
			t.Logf("%s: %d answered, %.1f%% of the tokens in %d minutes", m.name, m.answered, 100*used, n)
			if n < minutes || used < 0.95 {
				t.Errorf("%s: got %.1f%% of its quota used in %d minutes, want 95%% in %d", m.name, 100*used, n, minutes)
			}
			if m.ledger.MostTokens > m.tpm || m.ledger.MostRequests > m.rpm || m.stats.RefusedTokens+m.stats.RefusedRequests > 0 {
				t.Errorf("%s: got %d tokens, %d requests in a minute, %+v; want at most %d, %d and none refused", m.name, m.ledger.MostTokens, m.ledger.MostRequests, m.stats, m.tpm, m.rpm)
			}
			answered += m.stats.Answered
		}
		if !sum.complete() || answered != int64(sum.total) {
			t.Errorf("got %d of %d answers, for %d that the server gave; want each once", sum.answered, sum.total, answered)
		}
	})
}

// TestMoneyIsOneBudgetForAPool: it is spent to nearly the end and never beyond, by any member; the next run goes on from there, and
// in the end each prompt was answered once.
func TestMoneyIsOneBudgetForAPool(t *testing.T) {
	t.Parallel()
	o := pooled(t, "-dollars", "0.05")
	synctest.Test(t, func(t *testing.T) {
		b := piped(t, o, o.serverConfig())
		for run := 1; run <= 2; run++ {
			most := int64(o.dollars * dollar)
			sum := runIn(t, o, b)
			if charged := sum.charged(); charged > most || float64(charged) < 0.9*float64(most) || sum.complete() || !sum.spent {
				t.Errorf("run %d: got %s charged, want at most %s, nearly that, and answers left: %d of %d", run, inDollars(charged), inDollars(most), sum.before+sum.answered, sum.total)
			}
			o.dollars += 0.04
		}
		o.dollars = 10
		sum := runIn(t, o, b)
		if stats := b.server.Stats(); !sum.complete() || sum.before == 0 || stats.Answered != int64(sum.total) {
			t.Errorf("got %d of %d answers, %d of them before, for %d that the server gave; want each once", sum.before+sum.answered, sum.total, sum.before, stats.Answered)
		}
	})
}

// TestAMemberThatIsRefusedForGoodIsLeftOut: the others have its prompts. When there is no other, the run ends and says why.
func TestAMemberThatIsRefusedForGoodIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wrong int
		want  string
	}{"one": {1, "openai-1 is left out: 401"}, "all": {3, "anthropic is left out: 401"}} {
		t.Run(name, func(t *testing.T) {
			o := pooled(t, "-n", "100")
			cfg := o.serverConfig()
			synctest.Test(t, func(t *testing.T) {
				b := piped(t, o, cfg)
				for i := range c.wrong {
					o.members[i].key = "wrong"
				}
				var out bytes.Buffer
				sum, err := answerAll(t.Context(), o, b, clock.Real(), &out)
				if !strings.Contains(out.String(), c.want) {
					t.Errorf("got %v, want %q in it", &out, c.want)
				}
				if c.wrong == len(o.members) {
					if err == nil || !strings.Contains(err.Error(), "401") {
						t.Errorf("got %v, want it to say why", err)
					}
					return
				}
				if err != nil || !sum.complete() || sum.members[0].answered != 0 || sum.members[1].answered == 0 || sum.members[2].answered == 0 {
					t.Errorf("got %v and %+v, want all answered by the others: %v", err, sum, &out)
				}
			})
		})
	}
}

// TestSinglePromptsGoThroughAPool, ahead of its bulk.
func TestSinglePromptsGoThroughAPool(t *testing.T) {
	t.Parallel()
	o := pooled(t, "-single", "2s", "-n", "200", "-concurrency", "1")
	synctest.Test(t, func(t *testing.T) {
		sum := runIn(t, o, piped(t, o, o.serverConfig()))
		if !sum.complete() || len(sum.single.took) < 10 || sum.single.failed > 0 {
			t.Errorf("got %d answers, %d singles, %d failed; want all, at least 10, none", sum.answered, len(sum.single.took), sum.single.failed)
		}
		for i, w := range sum.single.waited {
			if w > 4*time.Second {
				t.Errorf("single %d waited for %v, want no longer than an answer takes", i, w)
			}
		}
	})
}

func TestMembersAreChecked(t *testing.T) {
	t.Setenv("PACELINE_LLM_KEY", "secret")
	good := "openai,PACELINE_LLM_KEY,http://localhost:1/v1,gpt-4o-mini,500,30000"
	for want, args := range map[string][]string{
		"-member":                   {"-pool", "-member", good},
		"six with commas":           {"-member", "openai,PACELINE_LLM_KEY"},
		"provider: got":             {"-member", strings.Replace(good, "openai", "other", 1)},
		"which is not set":          {"-member", strings.Replace(good, "KEY,", "NONE,", 1)},
		"that no other member has":  {"-member", good, "-member", good},
		"URL: got":                  {"-member", strings.Replace(good, "http://", "", 1)},
		"model: got nothing":        {"-member", strings.Replace(good, "gpt-4o-mini", "", 1)},
		`rpm: got "many"`:           {"-member", strings.Replace(good, "500", "many", 1)},
		`tpm: got "0"`:              {"-member", strings.Replace(good, "30000", "0", 1)},
		"-model":                    {"-member", good, "-model", "gpt-4o"},
		"-batch":                    {"-pool", "-batch", "x"},
		"-url":                      {"-pool", "-url", "http://localhost:1"},
		"-key":                      {"-pool", "-key", "secret"},
		"-provider":                 {"-pool", "-provider", "anthropic"},
		"-itpm":                     {"-pool", "-itpm", "1", "-otpm", "1"},
		"those of mine are not kno": {"-dollars", "1", "-member", strings.Replace(good, "gpt-4o-mini", "mine", 1)},
	} {
		var said bytes.Buffer
		if _, err := parse(args, &said); err == nil || !strings.Contains(said.String(), want) {
			t.Errorf("%q: got %v and %q, want %q in it", args, err, &said, want)
		}
	}
	o, err := parse([]string{"-member", good}, t.Output())
	if err != nil || len(o.members) != 1 || o.members[0].key != "secret" || o.embedded() || o.minute != time.Minute {
		t.Errorf("got %+v and %v, want the member, a real server and a real minute", o, err)
	}
}

// TestAPoolOfServersElsewhere: members that are given one by one are asked where they are, and answers say by which model.
func TestAPoolOfServersElsewhere(t *testing.T) {
	t.Setenv("PACELINE_LLM_FIRST", "first")
	t.Setenv("PACELINE_LLM_SECOND", "second")
	f := newSerialFixture(t)
	var err error
	if f.options, err = parse([]string{
		"-member", "openai,PACELINE_LLM_FIRST," + f.url + "/v1,gpt-4o-mini,1000,100000",
		"-member", "anthropic,PACELINE_LLM_SECOND," + f.url + ",claude-haiku-4-5,1000,100000",
		"-out", f.out, "-n", "40", "-concurrency", "4", "-dollars", "5",
	}, t.Output()); err != nil {
		t.Fatal(err)
	}
	sum := f.run(t, t.Context())
	if !sum.complete() || sum.members[0].answered+sum.members[1].answered != 40 || sum.members[0].answered == 0 || sum.members[1].answered == 0 {
		t.Errorf("got %+v, want 40 answers of both", sum.members)
	}
	text, err := os.ReadFile(f.out)
	if err != nil {
		t.Fatal(err)
	}
	for i, model := range []string{`"model":"gpt-4o-mini"`, `"model":"claude-haiku-4-5"`} {
		if got := strings.Count(string(text), model); got != sum.members[i].answered {
			t.Errorf("got %d lines with %s, want %d", got, model, sum.members[i].answered)
		}
	}
}

func TestWhatWasRefusedOrNotSentCostsNothing(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&serverError{status: 500}, true}, {&serverError{status: 504}, true},
		{&serverError{status: 503}, false}, {&serverError{status: 529}, false}, {&serverError{status: 429}, false},
		{&setupError{&serverError{status: 401}}, false},
		{loss(errCut), true}, {loss(io.ErrUnexpectedEOF), true},
		{loss(&net.OpError{Op: "dial", Err: io.EOF}), false}, // nothing was sent
	} {
		if got := charged(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}

func TestWhatAMemberUsedIsOfTheMinutesThatHaveBegun(t *testing.T) {
	for minutes, want := range map[float64]string{0: "50.0% of 1 minute", 0.2: "50.0% of 1 minute", 1.5: "25.0% of 2 minutes"} {
		part, of := portion{member: member{tpm: 1000}, tokens: 500, minutes: minutes}.used()
		if got := fmt.Sprintf("%.1f%% of %s", 100*part, of); got != want {
			t.Errorf("%v minutes: got %s, want %s", minutes, got, want)
		}
	}
}
