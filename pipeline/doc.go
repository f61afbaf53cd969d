// Package pipeline feeds jobs to a service that pushes back, as hard as it can
// take and no harder. When the service refuses, the run slows down instead of
// failing.
//
//	jobs ──▶ Pipeline ──▶ results
//	            │ attempts: the first and the retries
//	            ▼
//	         Throttle: circuit, budgets, rate, pace, limit
//	            │ adjusted from how the attempts end
//	            ▼
//	        your work ──▶ the service
//
//	p, err := pipeline.New(work, pipeline.Config{MaxConcurrency: 50, Retry: &pipeline.Retry{}})
//	…
//	for r := range p.Each(ctx, jobs) { // r.In, r.Out, r.Err
//
// A [Pipeline] takes jobs from a channel (Run) or an iterator (Each), and calls
// the work for each of them. It gives each back exactly once, as a [Result]: with
// a value, an error, a panic turned into an error, or the context's cause if it
// never started. Memory grows with the concurrency, never with the number of
// jobs; a slow reader of results slows the intake. [Work] says what the error of
// an attempt means, [Config] what can be set. With [Interruptible], Ctrl-C loses
// nothing.
//
// [New] makes a pipeline with a throttle of its own. Several pipelines may share
// one [Throttle] ([Attach]), and then they share its limit, pace, budgets and
// circuit, and take turns. A [Share] says who gets more, and who goes first. A
// [Chain] puts pipelines one behind the other. With [Grow], jobs give further jobs, and
// with [FlatMap] one job has many results.
//
// Single calls go through a throttle too: [Execute] and [Wrap] in the caller's
// goroutine, with retries, and Acquire for a slot that is held by hand. With
// [WithMaxWait] they are rejected at once if they would wait for too long. [Keyed]
// keeps a throttle for each endpoint or tenant, and [ByKey] is a pipeline over all of
// them. A [Pool] is of several that can do the same jobs; [ByChoice] is a pipeline over it.
//
// This is the one package that most users import. It names what packages controller and
// stage define, with the fields, their defaults and the methods: go doc pipeline.Retry shows them
// all, and so does go doc pipeline.Slot. For one field alone, such as Retry.Park, go doc looks in
// this package only and finds nothing.
package pipeline
