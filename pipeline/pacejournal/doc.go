// Package pacejournal lets a run go on after a crash: a journal, in an SQLite file, stands
// between jobs and results. It is a module of its own.
//
//	journal, err := pacejournal.Open[Row, Answer]("run.db", Row.Key, pacejournal.Options{Run: "model 5, prompt 2"})
//	…
//	defer journal.Close()
//	p, err := pipeline.New(work, cfg)
//	…
//	for r := range journal.Each(ctx, p, rows) { // instead of p.Each(ctx, rows)
//		…
//	}
//
// Give the same jobs to every run. Each job is looked up by its key: one that the journal
// knows comes back as it was, the others go through the pipeline, and their results are
// stored before they come out of the loop.
//
//	jobs ──▶ known? ──no──▶ pipeline ──▶ stored ──▶ results
//	            └────────────yes───────────────────────▲
//
// A run whose jobs give further jobs goes on with Grow.
//
// # What holds
//
//   - A result that came out of the loop is stored, whenever the process is killed; with
//     Options.Sync, whenever the power fails, too.
//   - A job whose result is stored is not done again. It is in the journal once.
//   - A job that was in flight when the process was killed is done again: at least once
//     towards the service. IdempotencyKey names it to a service that can do things once.
//   - A failure is a result. It is kept as text, with its attempts, and comes back as
//     a *FailedError, until Retry has it done again.
//   - What was cut off, by a cancelled context or a closed throttle, is not a result.
//   - One process at a time has the file; the kernel lets go of it when the process is gone.
//   - Memory does not grow with the number of jobs.
//
// # What is kept of the throttle
//
// A pipeline's throttle goes on where that of the run before was: see
// [github.com/paceline-go/paceline/pipeline.Throttle.Resume]. A budget of a day that was
// used up at a kill is used up after it, but for what was used in the last second.
//
// # The file
//
// WAL mode: while the journal is open, the file has a second one beside it, with -wal at
// the end of its name; copy both or none. A thousand results a second are not a thousand
// commits: what has gathered while one is written is the next. For people, sqlite3 shows
// the table job once the journal is closed:
//
//	sqlite3 run.db "SELECT key, attempts, error FROM job WHERE error IS NOT NULL"
package pacejournal
