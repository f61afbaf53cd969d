package server

import (
	"slices"
	"time"
)

// Ledger is what a server has let in, to the token: the proof that a quota was kept, and of how much of it was used.
// It is apart from what decides, and would show its mistakes.
type Ledger struct {
	Requests, Tokens         int64 // let in, and what they used; of those in flight, what they may use
	MostRequests, MostTokens int64 // in any minute, wherever it begins; tokens as they stood when the last of them was let in

	minute  time.Duration
	first   time.Time // of the requests
	last    time.Time
	window  []*entry // of the last minute, the oldest first
	tokens  int64    // of these
	minutes []use    // one after another, since the first request
}

type use struct{ requests, tokens int64 }

// entry is one request that was let in.
type entry struct {
	at     time.Time
	minute int // which one, from the first request
	tokens int64
	gone   bool // it is more than a minute ago
}

// enter notes a request that may use so many tokens.
func (l *Ledger) enter(now time.Time, tokens int64) *entry {
	if l.Requests == 0 {
		l.first = now
	}
	l.last = now
	for len(l.window) > 0 && now.Sub(l.window[0].at) >= l.minute {
		l.window[0].gone = true
		l.tokens -= l.window[0].tokens
		l.window = l.window[1:]
	}
	e := &entry{at: now, minute: int(now.Sub(l.first) / l.minute), tokens: tokens}
	l.window = append(l.window, e)
	for len(l.minutes) <= e.minute {
		l.minutes = append(l.minutes, use{})
	}
	l.Requests++
	l.minutes[e.minute].requests++
	l.add(e, tokens)
	l.MostRequests = max(l.MostRequests, int64(len(l.window)))
	l.MostTokens = max(l.MostTokens, l.tokens)
	return e
}

// settle puts what a request used in the place of what it might have used.
func (l *Ledger) settle(e *entry, used int64) {
	less := e.tokens - used
	e.tokens = used
	l.add(e, -less)
}

func (l *Ledger) add(e *entry, tokens int64) {
	l.Tokens += tokens
	l.minutes[e.minute].tokens += tokens
	if !e.gone {
		l.tokens += tokens
	}
}

// Minutes returns how many minutes are over of those in which requests came, the first beginning with the first request, and how
// much came in these. The last one, which may have been cut short by the end of the run, is not among them.
func (l *Ledger) Minutes() (minutes int, requests, tokens int64) {
	if l.Requests == 0 {
		return 0, 0, 0
	}
	over := l.minutes[:len(l.minutes)-1]
	for _, u := range over {
		requests += u.requests
		tokens += u.tokens
	}
	return len(over), requests, tokens
}

// copy returns a ledger that does not change any more.
func (l *Ledger) copy() Ledger {
	c := *l
	c.window, c.minutes = nil, slices.Clone(l.minutes)
	return c
}
