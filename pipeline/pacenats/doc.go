// Package pacenats lets many processes, on many machines, share one limit and one queue of jobs,
// over NATS. It is a module of its own. The two can be used apart.
//
// # One throttle for all
//
//	conn, err := nats.Connect(url)
//	…
//	member, err := pacenats.Join(ctx, conn, "geocoder", cfg) // cfg is that of all together
//	…
//	defer member.Leave(ctx)
//	p := pipeline.Attach(member.Throttle(), work) // as with any other throttle
//
// What that means, and where it ends, is told in package
// [github.com/paceline-go/paceline/pipeline/pacefleet].
//
// # Jobs and results
//
//	q, err := pacenats.OpenQueue[Row, Answer](ctx, conn, "rows", Row.Key, pacenats.QueueOptions{})
//	…
//	added, err := q.Submit(ctx, rows)           // in one process
//	err = q.Work(ctx, member.Throttle(), work)  // in as many as you like
//	for r, err := range q.Results(ctx) { … }    // anywhere
//
// Work goes on until its throttle is closed, since more jobs may come; Status says what is left. A
// program that is to end with the last job asks it now and then, and closes the throttle at 0.
//
// What holds:
//
//   - Each key gets one result, whichever process, server or connection dies on the way. A job
//     that was in flight is done again: at least once towards the service.
//   - A job that has a result is not done again, however often it is submitted or delivered.
//   - A job during which MaxStarts processes vanished has a *DeadError as its result. A restart of
//     the server and a process that is told to end do not count.
//   - A job that another process still works on, which was only not heard of for a while, is left
//     to that one.
//   - A job that failed and is put off by Later holds nothing meanwhile.
//   - A process takes no more jobs than it may have in flight. Those of one that dies come back
//     after AckWait; those of one that is closed at once.
//   - When the server is away or full, work waits for it, and no result is thrown away.
//
// How: jobs are in a work queue, with one consumer. Of each job that is begun there is a record,
// written before the work starts and replaced by the result; each is written only if the one
// before is still there, which the server checks. So neither its counts of deliveries nor its
// memory of message ids is relied on: it forgets both. It also makes an ack that is lost harmless.
// A record says who has begun the job, and the next that gets it asks that one first.
//
// # Permissions
//
// A user needs to publish to $JS.API.>, $JS.ACK.>, pacejobs.>, pacefleet.> and _INBOX.>, and to
// subscribe to pacejobs.*.holder.*, pacefleet.> and _INBOX.>. What is forbidden is named in an error
// that wraps ErrForbidden.
//
// # The server
//
// Serve starts one within the process, which keeps everything in a directory: nothing to install,
// and nothing is lost when the process is killed. When the power fails, what was written in the
// last minutes may be. Where machines may fail, connect to a cluster of three: streams then have
// three copies. With nats-server 2.15.3, after the node that leads them was stopped, work went on
// within three seconds.
package pacenats
