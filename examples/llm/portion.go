package main

import (
	"fmt"
	"io"
	"math"

	"github.com/paceline-go/paceline/examples/llm/server"
)

// portion is what a member of a pool has done.
type portion struct {
	member
	answered int
	tokens   int64
	stats    server.Stats
	ledger   server.Ledger // as the embedded server counted
	minutes  float64       // that the run took
}

// portions are those of the members of a pool; nil: there is one key.
func (r *runner) portions() (all []portion) {
	tokens := map[string]int64{}
	if p, ok := r.engine.(*pool); ok {
		for _, k := range p.keys.Snapshot().Keys {
			tokens[k.Key] = k.Tokens
		}
	}
	for _, m := range r.members {
		s := portion{member: m, answered: r.by[m.name], tokens: tokens[m.name], minutes: float64(r.ended.Sub(r.started)) / float64(r.minute)}
		if b := r.backend.server; b != nil {
			s.stats, s.ledger = b.OfKey(m.key)
		}
		all = append(all, s)
	}
	return all
}

// used is the share of its quota of tokens that a member had used, of whole minutes if there are any, as the server counted; else of the
// minutes that have begun, in each of which all of it may be used at once.
func (s portion) used() (part float64, of string) {
	if n, _, tokens := s.ledger.Minutes(); n > 0 {
		return float64(tokens) / float64(s.tpm*int64(n)), plural(n, "whole minute")
	}
	n := max(int(math.Ceil(s.minutes)), 1)
	return float64(s.tokens) / float64(s.tpm*int64(n)), plural(n, "minute")
}

// printMembers says who has answered how many, and what was used of the quotas.
func (s *summary) printMembers(out io.Writer) {
	for i, m := range s.members {
		word := ""
		if i == 0 {
			word = "pool"
		}
		part, of := m.used()
		refused := ""
		if m.ledger.Requests > 0 {
			refused = fmt.Sprintf("; %s refused for its quotas", thousands(m.stats.RefusedRequests+m.stats.RefusedTokens))
		}
		line(out, word, "%s: %s answered for %s tokens, %.1f%% of its quota in %s%s", m.name, thousands(m.answered), thousands(m.tokens), 100*part, of, refused)
	}
}
