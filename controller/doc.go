// Package controller decides how hard a service may be pressed: how many
// attempts may be in flight, how far apart they start, and whether any may
// start at all.
//
// The core is pure. Every decision is a small state machine that starts no
// goroutine and reads no clock: it is given the time and an event, and returns
// what is in force from now on. One type, one file:
//
//	outcome ──▶ Policy (AIMD, Static, yours) ──▶ Setting: limit, interval
//	        ──▶ Circuit                      ──▶ open, half-open, closed
//	        ──▶ Window                       ──▶ what is left of a budget
//	        ──▶ Quickest                     ──▶ the least time that an attempt needs
//	hint    ──▶ Advice, Window               ──▶ what the server asks for
//	        ──▶ Pacer, Bucket                ──▶ when the next attempt may start
//	        ──▶ Progress                     ──▶ rate and ETA
//
// Around it stands one goroutine, the Controller, which owns the policy and
// the progress. It receives reports of outcomes over a channel, steps the
// policy through them, answers with the setting now in force, and hands what
// changed to the user's callbacks, which run on a goroutine of their own so
// that none of them can hold anything up.
//
// Because the core is pure, a day of traffic can be simulated in milliseconds
// and a decision can be replayed from a log of outcomes.
package controller
