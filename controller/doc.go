// Package controller decides how hard a service may be pressed: how many
// attempts may be in flight, how far apart they start, and whether any may
// start at all.
//
// The core is pure. Every decision is a small state machine that starts no
// goroutine and reads no clock: it is given the time and an event, and returns
// what is in force from now on. One type, one file:
//
//	outcome ──▶ Policy (Seek, AIMD, Static, yours) ──▶ Setting: limit, interval
//	        ──▶ Circuit                      ──▶ open, half-open, closed
//	        ──▶ Window                       ──▶ what is left of a budget
//	        ──▶ Quickest                     ──▶ the least time that an attempt needs
//	hint    ──▶ Advice, Told, Window         ──▶ what the server asks for, what is left of its quotas
//	        ──▶ Pacer, Bucket                ──▶ when the next attempt may start
//	        ──▶ Progress                     ──▶ rate and ETA
//
// Around it stands one goroutine, the Controller, which owns the policy and
// the progress. It receives reports of outcomes over a channel, steps the
// policy through them, answers with the setting now in force, and hands what
// changed to the user's callbacks, which run on a goroutine of their own so
// that none of them can hold anything up.
//
// # Seek
//
// Seek presses a service as hard as it can take, hardly ever hears a refusal, and is
// not told the limit. Who knows TCP knows half of it: there is a window (the limit of
// attempts in flight), a pace as in BBR (the interval), a round trip (an attempt),
// and loss (a refusal). Three things are different, and they make the rest.
//
// A refusal costs what a success would have brought. TCP loses a packet and sends it
// again; a client that is refused has wasted a request and, at many services, its
// good name. So refusals are money: each success earns 1/200 of one (Seek.Refusals),
// and finding out spends them. What AIMD and CUBIC leave to chance, the share of
// refusals, is thereby a parameter, and how often to ask follows from it.
//
// There are two kinds of limit. One who limits the rate refuses at a constant rate,
// whatever is in flight; one who limits concurrency refuses above a constant number
// in flight, whatever the rate. So there are two levers, and a refusal has to be put
// down to one of them. Seek makes experiments: only one lever is moved at a time, and
// only the one that holds attempts up (holdup.go), since moving the other shows
// nothing. A refusal of an attempt that started in a trial is put down to that trial;
// one at rest, to what let the attempt through. If it was put down to the pace, but
// comes time and again with the same number worked on, and none was ever accepted
// with as many, then it is concurrency after all (seek.blame). A wrong guess mends
// itself: the lever that is not the limit is moved up again, and nothing is refused.
//
// What a service accepts between two refusals is exact. A bucket is empty when it
// refuses, whatever its burst; so between two refusals it accepted what it was given,
// give or take one. That bounds the rate from above, the more closely the further
// they are apart (refusals.go), as BBR's delivery rate does from below. A refusal of
// an attempt from before the last cut is no reason to cut again, but it counts here.
//
// The phases:
//
//   - Start: from a tenth of the maximum, both levers double each round trip, until
//     something is refused or attempts begin to wait for one another. Then the pace
//     goes back to half, which had worked.
//   - Trials: each lever knows what works and what does not (lever.go). In between, it
//     bisects; beyond, each trial that succeeds makes the next twice as far; one that
//     fails takes it back at once, and costs about one refusal. When what is known is
//     close, a few in a hundred, it rests until a refusal has been earned.
//   - Storms: refusals of attempts that started one right after another stop everything
//     for three times as long as they have lasted already, and lower the lever twice as
//     far each time. So a step down by ten costs some five refusals and the one round
//     trip that is in flight.
//   - Down: nothing accepted where twenty should have been, or failures in a row
//     (downtime.go). One attempt now and then asks whether the service is there again;
//     the first success brings back all that was in force. A service that goes down
//     by the minute has a quota: then that, and the pace that just uses it up, is known.
//   - Hints: a refusal that says when to come again is believed. Two that say it exactly
//     give the rate, by the same argument as above, without an error. And a service that
//     says so is asked less often.
//   - Queues: a service that refuses nothing is watched by how long attempts take
//     (queueing.go), as in Vegas, but only against what they took with less in flight,
//     so that it does not drift. What is in flight beyond what the service works on is
//     taken away, since it only waits there.
//   - Failures are no sign of overload, unless far more fail than did before.
//
// What it cannot do: to find out costs refusals, and who does 200 attempts a minute can
// spend one a minute. So a slow service that changes often is followed late. And where
// several clients share a bucket without a burst, they refuse each other by chance,
// whatever they do.
//
// Sources: Cardwell et al., BBR (ACM Queue 14-5, 2016); Chiu and Jain (1989); Ha, Rhee
// and Xu, CUBIC (RFC 9438); Brakmo and Peterson, Vegas (1994); Google, Site Reliability
// Engineering, ch. 21.
//
// Because the core is pure, a day of traffic can be simulated in milliseconds
// and a decision can be replayed from a log of outcomes.
package controller
