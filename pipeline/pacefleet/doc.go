// Package pacefleet keeps many processes under one limit: they share attempts in flight, a
// pace and budgets, as the pipelines of one process share a throttle. Nobody has to know
// the limit, and nobody asks for each job.
//
//	member, err := pacefleet.Join(ctx, transport, cfg) // cfg is that of all together
//	…
//	defer member.Leave(ctx)
//	p := pipeline.Attach(member.Throttle(), work) // as with any other throttle
//
// It needs a Transport between the processes, which is four methods; package pacenats has
// one, over NATS.
//
// # How
//
// One process leads. It hears from each other what came of its attempts, in a few words and a
// bit more than once a second. It hears soon if something was refused, and at once if one has
// new work. It steps the policy through that, as if all were one process. It answers with
// leases: so many in flight, so far apart, so much of each budget, for two seconds. Processes
// spend their leases by the same gate as without a fleet.
//
//	throttle ──reports──▶ leader: policy, shares ──leases──▶ throttle
//
// Shares are max-min fair by what is wanted: a process that needs less than an equal share keeps what it
// needs, and the others share the rest. The sum of all leases of slots and of budgets is never
// above the whole: what one is to get, another has confirmed to have given back. The pace is
// the exception: it changes hands without that, since it is a guess of the policy's.
//
// # What holds
//
//   - A budget is never exceeded, whichever process dies or is cut off. One percent of it is never leased.
//   - When the leader is gone, another one leads within two seconds, with what was learned. For
//     the two seconds after that, nobody gets more than it had.
//   - The lease of a process that dies ends after two seconds. What it may have used of a budget
//     counts as used for a window.
//   - A process that hears no leader goes on with a tenth of its slots and its pace, which the
//     policy of the others will notice if it is too much, and with its part of that one percent.
//     Status and the log say so. When nothing is left of it, as of a small budget, it waits.
//   - No clocks are compared.
//
// # Where it ends
//
//   - A limit that nobody has told is found by a policy that hears of everything a bit later than
//     in one process. With 8 processes that costs a percent or two, with 32 more, with a hundred
//     twice as many are refused as should be, and with a thousand far too many. A budget is kept
//     with a thousand.
//   - With more processes than slots, the slots go round, once a second.
//   - What a server tells of quotas in its answers each process reads for itself, but for pauses,
//     which all are told of.
//   - Circuit and retries are each process's own.
//
// Sources: O'Neil, The Escrow Transactional Method (TODS 1986), and Barbará and Garcia-Molina,
// The Demarcation Protocol (EDBT 1992), for shares of what must not be exceeded; Gray and
// Cheriton, Leases (SOSP 1989); Bertsekas and Gallager, Data Networks, 6.5.2, for max-min
// fairness.
package pacefleet
