// Package controller decides how hard a service may be pressed: how many
// attempts may be in flight, how far apart they start, and whether any may
// start at all.
//
// The core is pure. Every decision is a small state machine that starts no
// goroutine and reads no clock: it is given the time and an event, and returns
// what is in force from now on. One type, one file:
//
//	outcome ──▶ Policy (Seek, Vegas, AIMD, Static, yours) ──▶ Setting: limit, interval, reason
//	        ──▶ Peers, Evidence              ──▶ whether a refusal is the job's own
//	        ──▶ Circuit                      ──▶ open, half-open, closed
//	        ──▶ Window                       ──▶ what is left of a budget
//	        ──▶ Quickest                     ──▶ the least time that an attempt needs
//	hint    ──▶ Advice                       ──▶ when the server accepts again
//	        ──▶ Told                         ──▶ what is left of the quotas that it tells of
//	        ──▶ Pacer, Bucket                ──▶ when the next attempt may start
//	        ──▶ Progress                     ──▶ rate and ETA
//
// Around it stands one goroutine, the Controller, which owns the policy and
// the progress. It receives reports of outcomes over a channel, steps the
// policy through them, answers with the setting now in force, and hands what
// changed to the user's callbacks. They run on a goroutine of their own, so
// none of them can hold anything up.
//
// # Vegas
//
// Vegas finds the limit of what refuses nothing, such as a handler of one's own, by how long
// attempts take. See vegas.go.
//
// # Seek
//
// Seek presses a service as hard as it can take, and is not told the limit. It adjusts
// two things: the limit of attempts in flight, which is TCP's window, and the pace, at
// which attempts start, as in BBR. An attempt is the round trip, a refusal is the loss.
//
// Two things are different from TCP. A refusal costs about what a success would have
// brought, so refusals are paid for: each success earns a share of one, 1/200 unless
// Seek.Refusals says otherwise. And there are two kinds of limit. One service limits the
// rate, another the number at once, and Seek has to find out which.
//
// Whose fault is it? Each refusal and each failure raises this question. There are four
// answers, and different machines give them:
//
//   - The job's: it is refused each time, others are accepted. Peers and Evidence find
//     it out, and Outcome.Own tells Seek, which does not slow down for it.
//   - Chance's: a share is refused whatever the pressure. chance knows the share, and
//     only what exceeds it is a sign.
//   - The pressure's: fewer are refused when there is less of it. Then the limit or the
//     pace is lowered.
//   - The service is away: nothing new succeeds. outage notices, and asks now and then.
//
// A failure that is no refusal is the job's by default: it uses up an attempt of the job
// and moves nothing. Only first attempts count as signs, since a job that has failed once
// may fail each time. When far more fail than usual, surge tries half the pressure, and then all
// of it again. If far fewer fail with half of it, failures are refusals from then on.
//
// Each machine has a file of its own:
//
//   - seek.go: takes each outcome to the machines; setting.go: makes the Setting
//   - startup.go: the start, in which limit and pace double
//   - constraint.go: what holds attempts up: the pace, the limit, or too few jobs
//   - trial.go: when a trial begins and ends
//   - bracket.go: what works and what fails, for the limit or the pace
//   - chance.go: the share refused by chance, and the weight of refusals
//   - refuse.go: whether a refusal is a sign; cut.go: of what, and how far down
//   - late.go: refusals that are heard of after a cut
//   - recovery.go: the time since the last cut
//   - descent.go: cuts one after another, and what was in force before them
//   - delivery.go: what was accepted between refusals
//   - stretch.go: from pause to pause, and whether the pressure was the reason
//   - lean.go: what was accepted in the mean, windows that are used up included
//   - price.go: how many refusals may be spent, and what a pause costs
//   - surge.go: far more failures than usual; experiment.go: whether less pressure changes that
//   - spacing.go: whether it is the limit, or how close together attempts start
//   - brownout.go: a time in which much is refused whatever the pressure
//   - silent.go: refusals that do not say when to come again, where others do
//   - outage.go and down.go: down, and back
//   - quota.go: what a service gives by the minute, hour or day
//   - costs.go: how far the costs of jobs are apart
//   - queueing.go and crowd.go: attempts that wait for one another at the service
//   - evidence.go: whether a refusal is the job's own; the stage asks it
//   - reason.go: why something was changed
//
// Start. The first attempt goes alone. From then on the limit starts at a tenth of the
// maximum, and limit and pace double each round trip. About two refusals of three
// attempts end the start, or one that asks for a pause, or a queue at the service. The
// pace goes back to half, which had worked.
//
// Trials. Only one of the two is raised at a time, and only the one that holds attempts
// up: raising the other shows nothing. A trial that works stays, one that fails is taken
// back at once. A bracket holds what works and the least that fails. In between, the next
// trial is half-way; if no failure is known, it goes twice as far as the last one. When
// the two are close, Seek rests until a refusal has been earned. For half a minute after the
// rate of a quick service has changed, rests are shorter. If refusals are heard of at
// once, the first step is a fifth, too: it costs as many refusals as a small one, and shows
// itself in a tenth of the time. Later it would drive others off that share the service.
//
// Evidence. A refusal has a weight: the logarithm of how much likelier it is if the
// pressure is too high than if it is chance. A success has a small negative weight. The
// sum is a sequential test (Wald), which is never below zero outside of trials, so that a
// change is noticed as quickly at any time (Page). At first nothing is known to be
// refused by chance, so one refusal decides. The share by chance is learned far below what
// was sent before a descent, a row of cuts that did not help: a limit would have been left
// behind there, so what is still refused is chance. Once the share is known, several
// refusals have to come together, and a trial holds only with evidence of its own. What was
// lowered for chance is tried again.
//
// Brownouts. A service in trouble may refuse every second attempt for some seconds. A bucket
// is empty when it refuses, so at a quarter of what was accepted since, it refuses nothing.
// If a tenth or more is refused there all the same, it is a brownout: what was in force before
// the fall is in force again, and what is refused until it is over is chance. If the pace has
// fallen to less than half when nothing is refused any more, the next trial doubles it: what
// failed while it fell says little.
//
// Silent refusals. Where refusals say when to come again, one that does not is hardly for the
// pressure, and neither is one of a service that says it is overloaded (HTTP 529), or tells that much is
// left of its quotas. A twentieth of these is taken for chance, and if more come together, for a
// brownout, without trying whether less pressure helps. But there may be a limit that nobody tells of: what
// goes on for half a minute is the pressure's.
//
// Failures that are refusals. Some limiters close connections, or answer 500. Where all fail, that
// looks as if the service were away. So it is asked with those jobs that can spare an attempt, and
// seldom where each costs a job. If it was down for longer than it has been back when it fails
// again, it comes back with what it gave in the mean, both times included.
//
// Spacing. With few at work and a pace that nobody needs, two attempts may start within a
// millisecond, and a bucket that holds one refuses the second. So when a higher limit has
// failed four times, it is tried once with the pace that it needs and no more.
//
// Blame. A refusal in a trial is put down to what was on trial. Outside of trials, it is
// put down to what let the attempt through. If that was the pace, but refusals come time
// and again with the same number at work, and none was accepted with as many, it is the
// limit (seek.blame). If a refusal asks for a pause and as many at work are accepted all the time, it
// is the rate, though the pace holds nothing up. A wrong guess mends itself: what is not limited is raised again, and
// nothing is refused.
//
// What was accepted. A bucket is empty when it refuses, whatever its burst. So between
// two refusals it accepted what it was given, give or take one. That bounds the rate from
// above, as BBR's delivery rate does from below. If refusals ask for pauses, the bucket may
// fill up meanwhile. Then there are two bounds: what was accepted over the whole time is
// the least the rate can be, and over the time without the pauses the most. The pace goes
// half-way between. A bucket holds no more than was accepted before its first refusal, since
// it was full then: with that the least is close to the most after a longer time.
//
// Windows. A window that was used up gives nothing until it is over, and then less for a
// while. So Seek asks an eighth of the mean meanwhile, and half as long as the silence has
// lasted. When much less is sent than was given in the mean, windows included, and nothing
// is refused any more, the mean is tried at once. A window of tokens that is used up may have
// room for a small job: that does not mean that the service is back, and slow.
//
// Recovery. Attempts from before a cut are no reason to cut again: they were under way.
// But they count for what was accepted, and the pace is corrected when all have been
// heard of. What a trial's attempts were refused says nothing of the pace before it; it is
// paid for. Refusals with nothing accepted in between lower the limit twice as far
// each time.
//
// Others. A pace that has worked for a hundred attempts and is refused all the same is
// lowered by a twentieth, and that costs nothing: others have begun. A larger client is
// refused more often, and so gives way more often (Chiu and Jain).
//
// Price. Only refusals that the pressure has caused are paid for; those by chance are
// free. A pause stops everything, so where refusals ask for pauses a trial is rarer and
// longer. A limit that holds attempts up and has never failed is raised first there, in large steps: a
// faster pace would not be sent, and show nothing.
//
// Stalls. A service that refuses again after a pause in which its bucket must have been
// given something is not limited but stalled. That is an outage. Refusals alone for
// two round trips are one, too, if twenty attempts should have been accepted meanwhile. Less
// pressure is refused later, by a bucket and by a window alike. So a refusal that asks for a
// pause is a stall's if it comes much sooner than one under as much pressure, or at a pace that
// is less than what was surely given recently. It moves nothing, and nor does what it refuses of the
// attempts that were under way. Where refusals ask for long pauses and a stall
// cannot be told from pressure, more is tried soon afterwards, and in a large step.
//
// Outage. First attempts of different jobs fail in a row, more than the usual share of
// failures explains, or the service refuses everything, as above. If it fails, it may be that many
// bad jobs stand one after another. So half of what was sent goes on, of jobs that have not
// failed yet and can be tried again, and less with each that fails: half of that after a
// few dozen. When there are no more of those, one attempt now and then asks whether it is back,
// and the waits grow to a minute. If probes are refused, each wait is half as long as the
// service has been down, since some services begin a ban anew with each request. The first
// success brings back all that was in force. A service that has never worked is not taken for
// down because of failures. What was in flight before, which may take long, keeps no probe from
// starting.
//
// Quota. A service that goes down with a minute, an hour or a day in between has a quota.
// What it gave in one window is the rate from then on.
//
// Queueing. A service that refuses nothing is watched by how long attempts take, as in
// Vegas, but only against what they took with no more in flight, so that it does not
// drift. What only waits there is taken out of flight.
//
// Reasons. Setting.Reason says why the limit or the pace was changed last.
//
// What it cannot do:
//
//   - Follow a slow service that changes often. A client that makes 200 attempts a minute earns one
//     refusal a minute, and finding out costs refusals.
//   - Share evenly always. Several clients at one bucket refuse each other as chance would,
//     and none knows of the others. Two end with half of the other's share or more in three
//     of four cases, three in four of ten; one that has fallen far behind may stay there. At
//     a limit on what is in flight, one that comes late may get nothing.
//   - Learn soon that less than one percent is refused by chance, where that takes seconds.
//   - Tell a block of bad rows from an outage, until a good row comes by. A handful in a
//     row are taken for one. More than a thousand cost much time; so do some dozens without
//     Retry, when each attempt costs a job.
//   - Take more than about 5% of refusals for chance. More is taken for pressure.
//   - See through a brownout in which half of everything is refused, where refusals take as
//     long as successes. It is taken for pressure, and climbed back from.
//   - Make up soon for a start that was ended by a few refusals by chance.
//
// Sources:
//
//   - evidence: Wald, Sequential Tests of Statistical Hypotheses (1945); Page, Continuous
//     Inspection Schemes (1954)
//   - start, pace and recovery: Cardwell et al., BBR (ACM Queue 14-5, 2016); RFC 9438 (CUBIC)
//   - shares: Chiu and Jain (1989)
//   - trials under random loss: Dong et al., PCC (NSDI 2015) and PCC Vivace (NSDI 2018)
//   - queueing: Brakmo and Peterson, Vegas (1994)
//   - means and variances: Welford (1962)
//   - overload: Google, Site Reliability Engineering, ch. 21
//
// Because the core is pure, a day of traffic can be simulated in milliseconds
// and a decision can be replayed from a log of outcomes.
package controller
