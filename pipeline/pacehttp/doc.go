// Package pacehttp makes HTTP clients polite. Their requests pass a throttle of
// package pipeline. It finds out how hard it may press the server, listens to
// what the server says of its limits, and tries again what may be tried again.
//
//	throttle, err := pipeline.NewThrottle(pipeline.Config{MaxConcurrency: 20, Retry: &pipeline.Retry{}})
//	…
//	client := pacehttp.NewClient(throttle, &http.Client{Timeout: 10 * time.Second})
//
// There are four ways in:
//
//	NewClient ──▶ a client whose requests wait for their turn; its Timeout is for one attempt
//	Transport ──▶ the same, below any client and any SDK
//	Do        ──▶ one call, with the reading of its response as part of it
//	Attempt   ──▶ the same once, as the work of a pipeline or of Execute
//
// In front of a server of your own, Handler lets in what it can take, and refuses the rest with
// a time to come again.
//
// There is also what they are made of, for clients with errors of their own: Check and Mark
// say what a response or an error means, Hints what it tells of quotas.
//
// # What a response means
//
//	429; 418, 420, 430 with Retry-After;
//	403 with Retry-After, with a quota that is
//	used up, or of a limit of Google's or GitHub's;
//	400 of AWS's throttling; 503 with one of these  OverQuota: this client is refused
//	529, other 503, 429 that says "overloaded"      Busy: the server refuses anybody
//	408, 425, other 5xx                             Failure
//	another 4xx with Retry-After                    NotYet: later, without holding up others
//	other 4xx, 501, 505; 429 of a request that
//	is more than the limit, or of no money left     OwnFault
//	below 400                                       Done
//
// What is refused is tried again at no attempt's cost, and a failure, or what is to come
// later, at the cost of one; own faults are not. Which of these it was is in
// [StatusError].Meaning.
//
// The Retry-After of a refusal is for all requests. But what is Busy may be by chance: then
// its request alone waits, and the default policy learns the share of such refusals, which is
// no reason to slow down. Once three come in a row, it is for all. Where a server says outright that it
// is overloaded (529, or the word in the body), many of them are taken for its own trouble, for up to
// half a minute. A bare 503 is not: nginx answers it to those who ask too often.
//
// X-Should-Retry, as OpenAI and Anthropic send it, overrules the status. A server that has
// ways of its own is read by a [Judge], which is given to a Transport, or with a context to
// Do and Attempt (WithJudge): it says otherwise, and bounds or ignores a pause.
//
// # What is sent again
//
// By Transport and Do: a request whose method is idempotent (RFC 9110, section 9.2.2) or
// which has an Idempotency-Key. Any other is sent again only if no connection was made, or if
// the server has said that it did nothing with it: 425, 529, 503 with a Retry-After,
// OverQuota and NotYet as above, X-Should-Retry: true. For Do, a request that was redirected, or
// answered with less than 400, may have been done, whatever the next hop says or read makes
// of it; for Transport, each hop is a request of its own.
//
// A body is sent again with http.Request.GetBody, which http.NewRequest sets for readers of
// bytes and strings; without it nothing is sent twice. Attempt and Mark leave that to
// the code that repeats the job.
//
// The body of a response that means a failure may be read ahead while you have it already. So,
// as net/http asks, read its Trailer only after the end of the body.
//
// # What is listened to
//
//   - Retry-After (RFC 9110, section 10.2.3), Retry-After-Ms, Retry-After-NAME, X-Amz-Retry-After
//   - the google.rpc.RetryInfo in a refusal's body, as Gemini sends it
//   - RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11, and older forms)
//   - X-RateLimit-Limit, -Remaining, -Reset as GitHub and others send them, with a suffix as
//     OpenAI, Azure and @nestjs/throttler do, or with a name before that as Linear does
//   - the fields of Anthropic, hapi-rate-limit and restify
//
// See Hints. DIALECTS.md beside this file lists who writes what, and how it is read; SDKS.md
// says how SDKs are set that try again by themselves.
package pacehttp
