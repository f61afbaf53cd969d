// Command etl takes a table of cities, asks a service about each of them, and
// loads the answers into SQLite, without losing or doubling a row, whatever the
// service does and whenever the program is stopped.
//
//	extract ──► jobs ──► paceline: enrich over HTTP ──► pacejournal ──► load
//	   CSV                    │                         each answer     SQLite
//	                  embedded service, which pushes back
//
// Run it from the root of the repo, stop it with Ctrl-C or SIGKILL, run it again:
//
//	go run ./examples/etl
//	go run ./examples/etl -h
//
// The three lines that matter:
//
//	cfg.Budgets = []pipeline.Budget{{Name: "tokens", Tokens: grant, Window: quotaWindow}}
//	for res := range j.journal.Each(ctx, p.Cost(cost), extracted.rows(ctx, j.in)) {
//	return pacehttp.Check(res)
package main
