// Package paceotel tells OpenTelemetry what a throttle does: metrics of the
// throttle, and a span and a duration for each attempt. It is a module of its own,
// needs OpenTelemetry's API alone, and leaves to the program which SDK and exporter
// there are.
//
//	cfg := paceotel.Config{Name: "geocoder"}
//	p, err := pipeline.New(paceotel.Work(cfg, geocode, nil), pipeline.Config{MaxConcurrency: 64})
//	…
//	_, err = paceotel.Observe(cfg, p.Throttle()) // until Unregister of what it returns
//	…
//	defer meterProvider.Shutdown(ctx)            // collects once more, so do not Unregister before
//
// # Metrics
//
// Observe's. All have the attribute paceline.throttle.name.
//
//	name                            instrument      unit       by
//	paceline.attempts               Counter         {attempt}  paceline.attempt.outcome: succeeded, failed, overload, ignored
//	paceline.retries                Counter         {attempt}
//	paceline.jobs                   Counter         {job}      paceline.job.result: succeeded, failed
//	paceline.tokens                 Counter         {token}
//	paceline.usage                  Counter         {unit}     paceline.usage.name: what RecordUsage was told
//	paceline.hold.time              Counter         s          paceline.hold.cause: limit, pace, budget, rate, circuit, server
//	paceline.event.dropped          Counter         {event}
//	paceline.concurrency.limit      UpDownCounter   {attempt}
//	paceline.concurrency.usage      UpDownCounter   {attempt}
//	paceline.concurrency.ceiling    UpDownCounter   {attempt}
//	paceline.concurrency.max        UpDownCounter   {attempt}
//	paceline.job.waiting            UpDownCounter   {job}
//	paceline.dispatch.interval      Gauge           s
//	paceline.pause.remaining        Gauge           s
//	paceline.budget.limit           UpDownCounter   {token}    paceline.budget.name
//	paceline.budget.usage           UpDownCounter   {token}    paceline.budget.name
//	paceline.budget.remaining       UpDownCounter   {token}    paceline.budget.name
//	paceline.throttle.status        UpDownCounter   1          paceline.throttle.state: running, cooling, circuit_open, down, draining, closed
//	paceline.circuit.status         UpDownCounter   1          paceline.circuit.state: closed, open, half_open
//
// paceline.hold.time grows by a second a second while jobs wait and something keeps
// the next attempt from starting: its rates by cause say what limits the run. Where
// there is a status, 1 is the state that it is in, and the others are 0. A budget
// without a name goes by its place among the budgets, from 0; of one of requests, a
// token is a request, and of one that Counts something by name, a unit of that.
//
// Work's, for each attempt, and for each job's first one:
//
//	paceline.attempt.duration       Histogram       s          paceline.attempt.outcome, error.type
//	paceline.job.wait_time          Histogram       s
//
// error.type is the Go type of the error that the work returned, without what it was
// wrapped in by Fatal, Final, Overloaded, Transient, Partial (of several, the worst) and
// fmt.Errorf, or what a method ErrorType() string of it returns.
//
// Exporters to Prometheus make paceline_attempts_total of paceline.attempts, and
// paceline_hold_time_seconds_total of paceline.hold.time.
//
// # Spans
//
// Work makes one span for each attempt, retries included, named after the throttle:
// "attempt geocoder". It covers the work, not the waiting for its turn. Attributes:
// paceline.throttle.name, paceline.attempt.number (0 on the job's first),
// paceline.attempt.outcome, paceline.attempt.tokens and, by name, paceline.attempt.usage.NAME
// if the work has recorded some, and error.type if there is an error, which is then the status of the span, too.
//
// Where the attempts are made inside of a client, by pacehttp.Transport or by the
// interceptors of pacegrpc, there is no work to wrap. Observe the throttle, and let
// otelhttp.NewTransport be the Transport's Base, or otelgrpc's handler the client's:
// they make a span for each attempt.
//
// Names and units follow OpenTelemetry's semantic conventions for names, metrics
// and errors (https://opentelemetry.io/docs/specs/semconv/general/).
package paceotel
