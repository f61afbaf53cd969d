// Package stage moves jobs through goroutines. What may move, and when, is
// decided in package controller.
//
//	doors ──jobs──▶ dispatcher ──attempts──▶ pool ─┐
//	  ▲             queue, retries, gate           │
//	  └──results──── breaker, budget, pace ◀──ends─┘
//	                     │  ▲
//	            outcomes ▼  │ setting
//	                  controller
//
// The dispatcher is an actor: everything that decides whether an attempt may
// start belongs to it alone, and others send it messages. It takes the next
// attempt of the highest priority: retries first, then the doors in turn, by their
// weights, and jobs that have not failed yet first while the service is probed. It
// lets the attempt wait for the
// circuit, the budgets, the rate and the pace, and hands it to the pool. The
// pool has as many workers as the limit says. A worker runs the work, judges
// how it ended and sends the job back to the dispatcher, which settles the
// books, passes the outcome on to the controller and returns the job to its
// door or tries it again.
//
// A single call is a job that its caller waits for. It takes its turn with the
// doors, but is run by the caller, in no worker. It may say for how long it waits
// at most, and comes back when that is known to be too short.
//
// Doors of several dispatchers may have one owner, and one Inbox: those of a run by
// key. A roaming door is one of several for the same jobs, those of a pool: it gives
// back what it cannot start soon.
//
// Nothing of it runs without need: the dispatcher has a goroutine while it has
// messages, unless a caller who has something for it does its turn; the workers and the controller
// have theirs while a door is open.
package stage
