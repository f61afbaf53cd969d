// Package service is an HTTP service that pushes back, to try a client on: a
// real server on the loopback interface that computes something real, takes
// its time, limits its callers, fails now and then, and lives through outages.
//
//	call ──► schedule ──► concurrency ──► requests/s ──► token quota ──► fault ──► answer
//	            │              │              │               │            │
//	           503            429            429             429          500
//
// GET /v1/sun?lat=52.52&lon=13.41&date=2026-06-21 answers with the place's
// geohash, sunrise, solar noon, sunset and length of day, and with the tokens
// that the call cost. A refusal with 429 carries Retry-After, and every answer
// carries the RateLimit and RateLimit-Policy fields of the IETF's
// draft-ietf-httpapi-ratelimit-headers.
//
// What a call meets is decided by a state machine that is given the time, so
// that a schedule of minutes is tested in microseconds.
package service
