// Package pacepage serves a live page on which to watch throttles. It shows the limit
// against what is in flight, the interval, goodput and refusals, budgets, the circuit,
// what holds attempts up, progress, and events as they happen. It goes a minute, ten
// minutes or an hour back. It needs one line, loads nothing from elsewhere, and is
// readable on a phone and in the dark:
//
//	http.Handle("/pace/", pacepage.New(ctx, map[string]*pipeline.Throttle{"geocoder": t}))
//
// Keys serves a page of the keys of a pipeline.Keyed, or the members of a pipeline.Pool: what is
// held up first.
//
// It is a module of its own:
//
//	go get github.com/paceline-go/paceline/pipeline/pacepage
//
// One goroutine looks at each throttle once a second until ctx is done. It keeps some
// 150 kilobytes of each, however long that takes. Viewers are told what is new once a
// second; one who is a minute behind is cut off, and begins anew.
//
// Anyone who can open the page sees the names of throttles and budgets, and the text of
// errors. It has no password: put it behind your own.
//
// # The numbers, for others
//
// GET data.json, beside the page, answers with what the page knows. Two parameters
// choose: throttle, the name of one (default: all), and back, how many seconds: 60,
// 600 (the default), 3600, or fit: 60 until there is more than that, then 600. All
// durations are in seconds, all times Unix seconds; null is a number that is not known.
//
//	at         when the throttles were looked at
//	back       how far back the history goes
//	step       time between its points: 1, 2 or 10
//	whole      true; in the stream, false for what is new since the message before
//	throttles  by name:
//	  name
//	  snapshot  the fields of pipeline.Snapshot in snake_case, but for TokensUsed and
//	            TokensRemaining; eta is null where it is unknown, last_error_at where
//	            there was none; budgets have name,
//	            unit ("tokens", "requests", or the name of what is counted), tokens
//	            (all that there is), window (0: for ever), used and remaining; used
//	            has what was recorded by name, null if nothing was
//	  history   columns of numbers, one for each step, the oldest first:
//	    t                  when the step began
//	    concurrency, in_flight, waiting, dispatch_interval    means over the step
//	    goodput            jobs done a second
//	    refused, failed    attempts a second that were refused, and that failed
//	    circuit            the worst of the step: "closed", "half_open" or "open"
//	    held               by cause (limit, pace, budget, rate, circuit, server): the
//	                       share of the step in which jobs waited for it, 0 to 1
//	    budgets            a column for each budget: the share that is used at the end
//	                       of the step, 0 to 1
//	events     the latest 200 that matter, and 200 of the pace and of retries:
//	  id, throttle, kind (of the latest, as pipeline.EventKind is written), text
//	  subject    "circuit", "service", "budget", "server", "jobs", "lifetime", "pace"
//	             or "retries"
//	  at, until, times    first, last and number of those that were so close together
//	                      that they are told as one
//	keys       on a page of keys alone, which has no throttles and no events:
//	  at         when they were looked at
//	  count, held_up        keys that have a throttle now, and those of them that are held up: jobs
//	                        wait, or none could start, since the circuit is open, the service is
//	                        down, or the server asked for a pause
//	  in_flight, waiting, inside, buffer, stopped_by    as in pipeline.KeyedSnapshot
//	  completed, failed, retries, refusals    of the runs; for a pipeline.Keyed or a Pool of the
//	                        keys that are there, and null where idle ones were not asked
//	  goodput, refused      jobs done and attempts refused a second, since the look before
//	  rows       at most 50, what is held up the most first: key, held_up, goodput, refused,
//	             and the key's snapshot as above
//
// GET stream, with the same parameters, is a stream of Server-Sent Events: the same
// document whole, and then once a second what is new in it. A step that goes on comes
// again, with the same t; so does an event, with the same id.
package pacepage
