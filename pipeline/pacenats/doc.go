// Package pacenats lets many processes, on many machines, work under one limit, over NATS. It
// is a module of its own.
//
//	conn, err := nats.Connect(url)
//	…
//	member, err := pacenats.Join(ctx, conn, "geocoder", cfg) // cfg is that of all together
//	…
//	defer member.Leave(ctx)
//	p := pipeline.Attach(member.Throttle(), work) // as with any other throttle
//
// What that means is told in package [github.com/paceline-go/paceline/pipeline/pacefleet].
// Serve starts a server within the process, for one machine; else connect to your cluster.
package pacenats
