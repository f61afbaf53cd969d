// Command fleet does jobs in several processes that share one limit, which nobody has told them,
// over NATS. By itself it starts all there is: a NATS server, a service that pushes back, and
// four worker processes, of which it kills one every few seconds, the leader too. In the end it
// counts whether each job has exactly one result.
//
//	go run ./examples/fleet
//
// For real use, with a server of yours and jobs out of a CSV file with id, lat and lon:
//
//	go run ./examples/fleet submit -url nats://localhost:4222 -in places.csv
//	go run ./examples/fleet work   -url nats://localhost:4222 -service http://localhost:8080   # as often as you like
//	go run ./examples/fleet status -url nats://localhost:4222
//
// The three lines that matter:
//
//	if _, err := q.Submit(interrupt, places(o.jobs)); err != nil {
//	member, err := pacenats.Join(ctx, conn, w.queue, pipeline.Config{ // the same in each worker
//	err = q.Work(ctx, member.Throttle(), w.ask)
package main
