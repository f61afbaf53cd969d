package pacehttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// What servers say in headers and bodies, as their documentation shows it, and what it means.
var meanings = []struct {
	name   string
	code   int
	header string
	body   string
	want   pacehttp.Meaning
}{
	{
		"GitHub's secondary limit", 403, "X-RateLimit-Remaining: 4000\nX-RateLimit-Reset: 1800",
		`{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again.","documentation_url":"https://docs.github.com/"}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: time.Minute, Undone: true},
	},
	{
		"GitHub's secondary limit, with a time", 403, "Retry-After: 7", `{"message":"You have exceeded a secondary rate limit."}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 7 * time.Second, Undone: true},
	},
	{
		"GitHub's secondary limit, as 429", 429, "", `{"message":"You have exceeded a secondary rate limit."}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: time.Minute, Undone: true},
	},
	{
		"Google's limit of a user", 403, "", `{"error":{"errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded","message":"User Rate Limit Exceeded"}],"code":403}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"Google's limit", 403, "", `{"error":{"errors":[{"domain":"usageLimits","reason":"rateLimitExceeded"}],"code":403}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"Google's limit, in its SDK's words", 403, "", "googleapi: Error 403: Rate Limit Exceeded, rateLimitExceeded",
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"Google's quota of the day", 403, "", `{"error":{"errors":[{"domain":"usageLimits","reason":"dailyLimitExceeded"}],"code":403}}`,
		pacehttp.Meaning{Kind: pacehttp.OwnFault},
	},
	{
		"Gemini, with its RetryInfo", 429, "",
		`{"error": {"code": 429, "message": "You exceeded your current quota.", "status": "RESOURCE_EXHAUSTED", "details": [
			{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}]},
			{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "22s"}]}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 22 * time.Second, Undone: true},
	},
	{
		"Gemini, with a Retry-After, too", 429, "Retry-After: 5", `{"error": {"details": [{"retryDelay": "22s"}]}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 5 * time.Second, Undone: true},
	},
	{
		"Gemini, in its SDK's words", 429, "", "Error 429, Message: slow down, Status: RESOURCE_EXHAUSTED, Details: [map[@type:type.googleapis.com/google.rpc.RetryInfo retryDelay:22s]]",
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 22 * time.Second, Undone: true},
	},
	{
		"a RetryInfo that makes no sense", 429, "", `{"error": {"details": [{"retryDelay": "-22s"}, {"retryDelay": 7}]}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"Gemini, busy", 503, "", `{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE", "details": [{"retryDelay": "1.5s"}]}}`,
		pacehttp.Meaning{Kind: pacehttp.Busy, Pause: 1500 * time.Millisecond},
	},
	{
		"Slack", 429, "Retry-After: 30", `{"ok": false, "error": "ratelimited"}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 30 * time.Second, Undone: true},
	},
	{
		"Shopify, REST", 429, "Retry-After: 2.0\nX-Shopify-Shop-Api-Call-Limit: 40/40", `{"errors": "Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 2 * time.Second, Undone: true},
	},
	{
		"Stripe", 429, "", `{"error": {"message": "Request rate limit exceeded.", "type": "invalid_request_error", "code": "rate_limit"}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"HubSpot", 429, "X-HubSpot-RateLimit-Max: 100\nX-HubSpot-RateLimit-Remaining: 0\nX-HubSpot-RateLimit-Interval-Milliseconds: 10000",
		`{"status": "error", "message": "You have reached your daily limit.", "errorType": "RATE_LIMIT", "policyName": "DAILY"}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"Elasticsearch", 429, "", `{"error": {"type": "es_rejected_execution_exception", "reason": "rejected execution of search"}, "status": 429}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"Microsoft Graph", 429, "Retry-After: 10", `{"error": {"code": "TooManyRequests", "message": "Please retry again later."}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 10 * time.Second, Undone: true},
	},
	{
		"Twilio", 429, "Twilio-Concurrent-Requests: 101", `{"code": 20429, "message": "Too Many Requests", "status": 429}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"Spotify", 429, "Retry-After: 12", `{"error": {"status": 429, "message": "Too many requests", "reason": "QUOTA_EXCEEDED"}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 12 * time.Second, Undone: true},
	},
	{
		"no permission", 403, "", `{"error":"you may not read about rateLimitExceededness, nor of secondary limits"}`,
		pacehttp.Meaning{Kind: pacehttp.OwnFault},
	},
	{
		"AWS, JSON", 400, "", `{"__type":"com.amazon.coral.availability#ThrottlingException","message":"Rate exceeded"}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"AWS, in a header", 400, "X-Amzn-ErrorType: ThrottlingException:http://internal.amazon.com/coral/", "",
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"AWS, XML", 400, "", "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code></Error></ErrorResponse>",
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"AWS, in its SDK's words", 400, "", "https response error StatusCode: 400, api error ProvisionedThroughputExceededException: slow",
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"S3", 503, "", "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"a bad request", 400, "", `{"__type":"ValidationException","message":"Throttling must be a number"}`,
		pacehttp.Meaning{Kind: pacehttp.OwnFault},
	},
	{"Binance bans", 418, "Retry-After: 90", "", pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 90 * time.Second, Undone: true}},
	{"a teapot", 418, "", "", pacehttp.Meaning{Kind: pacehttp.OwnFault}},
	{"calm", 420, "Retry-After: 3", "", pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 3 * time.Second, Undone: true}},
	{"Shopify rejects", 430, "Retry-After: 3", "", pacehttp.Meaning{Kind: pacehttp.OverQuota, Pause: 3 * time.Second, Undone: true}},
	{"a conflict that passes", 409, "Retry-After: 3", "", pacehttp.Meaning{Kind: pacehttp.NotYet, Pause: 3 * time.Second, Undone: true}},
	{"too large for now", 413, "Retry-After: 3", "", pacehttp.Meaning{Kind: pacehttp.NotYet, Pause: 3 * time.Second, Undone: true}},
	{"locked for now", 423, "Retry-After: 3", "", pacehttp.Meaning{Kind: pacehttp.NotYet, Pause: 3 * time.Second, Undone: true}},
	{"not found yet", 404, "Retry-After: 3", "", pacehttp.Meaning{Kind: pacehttp.NotYet, Pause: 3 * time.Second, Undone: true}},
	{
		"OpenAI, too large for ever", 429, "Retry-After: 3",
		`{"error":{"message":"Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 40005. The input or output tokens must be reduced.","type":"tokens","code":"rate_limit_exceeded"}}`,
		pacehttp.Meaning{Kind: pacehttp.OwnFault},
	},
	{
		"Groq, too large for ever", 413, "Retry-After: 3",
		`{"error":{"message":"Request too large for model x on tokens per minute (TPM): Limit 6000, Requested 7012","code":"rate_limit_exceeded"}}`,
		pacehttp.Meaning{Kind: pacehttp.OwnFault},
	},
	{
		"OpenAI, too many for now", 429, "",
		`{"error":{"message":"Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29500, Requested 1200. Please try again in 1.4s."}}`,
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"OpenAI, no money", 429, "", `{"error":{"code":"insufficient_quota"}}`,
		pacehttp.Meaning{Kind: pacehttp.OwnFault},
	},
	{"a limit", 429, "", "", pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true}},
	{
		"a limit, with what is left", 429, "RateLimit-Remaining: 0\nRateLimit-Reset: 7", "overloaded",
		pacehttp.Meaning{Kind: pacehttp.OverQuota, Undone: true},
	},
	{
		"OpenAI, overloaded", 429, "", `{"error":{"message":"The engine is currently overloaded, please try again later"}}`,
		pacehttp.Meaning{Kind: pacehttp.Busy, Undone: true},
	},
	{"Anthropic, overloaded", 529, "", `{"type":"error","error":{"type":"overloaded_error"}}`, pacehttp.Meaning{Kind: pacehttp.Busy, Undone: true}},
	{"unavailable", 503, "", "", pacehttp.Meaning{Kind: pacehttp.Busy}},
	{"unavailable for a while", 503, "Retry-After: 9", "", pacehttp.Meaning{Kind: pacehttp.Busy, Pause: 9 * time.Second, Undone: true}},
	{
		"unavailable for us", 503, "RateLimit-Remaining: 0\nRateLimit-Reset: 7", "",
		pacehttp.Meaning{Kind: pacehttp.OverQuota},
	},
	{"failed", 500, "", "", pacehttp.Meaning{Kind: pacehttp.Failure}},
	{"failed, and says that it did nothing", 500, "X-Should-Retry: true", "", pacehttp.Meaning{Kind: pacehttp.Failure, Undone: true}},
}

func TestCheckSaysWhatAnAnswerMeans(t *testing.T) {
	for _, test := range meanings {
		var status *pacehttp.StatusError
		err := pacehttp.Check(response(test.code, test.header, test.body))
		if !errors.As(err, &status) || status.Meaning != test.want {
			t.Errorf("%s: got %+v of %v, want %+v", test.name, status.Meaning, err, test.want)
		}
		want := map[pacehttp.Kind]pipeline.Verdict{
			pacehttp.OwnFault: pipeline.Ignored, pacehttp.Failure: pipeline.Failed, pacehttp.NotYet: pipeline.Failed,
			pacehttp.Busy: pipeline.Overload, pacehttp.OverQuota: pipeline.Overload,
		}[test.want.Kind]
		if got := pipeline.Classify(err); got != want {
			t.Errorf("%s: classified as %v, want %v", test.name, got, want)
		}
		marked := pacehttp.Mark(errors.New(test.body), response(test.code, test.header, ""))
		if got := pipeline.Classify(marked); got != want {
			t.Errorf("%s: an SDK's error is classified as %v, want %v", test.name, got, want)
		}
	}
}

// ways are Transport and Do, as one.
var ways = map[string]func(*stand, *http.Request) (string, error){
	"Transport": func(s *stand, req *http.Request) (string, error) {
		res, err := s.Client.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		return readAll(res)
	},
	"Do": func(s *stand, req *http.Request) (string, error) {
		return pacehttp.Do(s.throttle, s.plain(), req, readAll)
	},
}

// A POST is sent again after what the body says was a refusal, and not after what it says is
// for ever.
func TestWhatABodySaysDecidesWhetherAPostIsSentAgain(t *testing.T) {
	for way, send := range ways {
		for _, test := range meanings {
			t.Run(way+", "+test.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newStandInMemory(t, quick(), after(1, func(w http.ResponseWriter, r *http.Request, n int) {
						for key, values := range header(test.header) {
							w.Header()[key] = values
						}
						w.WriteHeader(test.code)
						io.WriteString(w, test.body)
					}))
					begin := time.Now()
					text, err := send(s, request(t, "POST", s.url, "order"))
					if !test.want.Undone {
						s.wantRequests(t, 1)
						return
					}
					wantText(t, text, err, "done")
					s.wantRequests(t, 2)
					if passed := time.Since(begin); passed < test.want.Pause {
						t.Errorf("sent again after %v, want %v", passed, test.want.Pause)
					}
				})
			})
		}
	}
}

// A row that is locked does not hold up the others.
func TestARequestThatIsToComeLaterHoldsUpNoOther(t *testing.T) {
	for way, send := range ways {
		for _, code := range []int{409, 413, 423, 404} {
			t.Run(fmt.Sprint(way, " ", code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var locked atomic.Bool
					s := newStandInMemory(t, quick(), func(w http.ResponseWriter, r *http.Request, n int) {
						if r.URL.Path == "/locked" && !locked.Swap(true) {
							w.Header().Set("Retry-After", "30")
							w.WriteHeader(code)
							return
						}
						io.WriteString(w, "done")
					})
					begin := time.Now()
					done := make(chan time.Duration)
					go func() {
						text, err := send(s, request(t, "GET", s.url+"/locked", ""))
						wantText(t, text, err, "done")
						done <- time.Since(begin)
					}()
					synctest.Wait()
					text, err := send(s, request(t, "GET", s.url+"/other", ""))
					wantText(t, text, err, "done")
					if passed := time.Since(begin); passed > time.Second {
						t.Errorf("the other was through after %v, want at once", passed)
					}
					if passed := <-done; passed != 30*time.Second {
						t.Errorf("the one that was locked was through after %v, want 30s", passed)
					}
				})
			})
		}
	}
}

// An error that nobody reads to the end holds up neither the request nor its slot for long.
func TestABodyThatMayTellIsNotWaitedForLong(t *testing.T) {
	for way, send := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStandInMemory(t, quick(), func(w http.ResponseWriter, r *http.Request, n int) {
					w.WriteHeader(403)
					w.(http.Flusher).Flush()
					<-r.Context().Done()
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				time.AfterFunc(time.Second, func() {
					if n := s.throttle.Snapshot().InFlight; n != 0 {
						t.Errorf("%d in flight after a second, want none", n)
					}
					cancel()
				})
				if _, err := send(s, request(t, "POST", s.url, "order").WithContext(ctx)); err == nil {
					t.Error("got no error")
				}
				time.Sleep(time.Second)
				s.wantRequests(t, 1)
			})
		})
	}
}

// What is refused by chance says nothing of a limit, even if it says when to come again.
func TestRefusalsByChanceDoNotSlowARunDown(t *testing.T) {
	for way, send := range ways {
		for _, fields := range []string{"", "Retry-After: 5"} {
			t.Run(way+" "+fields, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var chance sync.Mutex
					random := rand.New(rand.NewPCG(1, 2))
					unlucky := func() bool {
						chance.Lock()
						defer chance.Unlock()
						return random.Float64() < 0.01
					}
					var done atomic.Int64
					cfg := pipeline.Config{MaxConcurrency: 8, Retry: &pipeline.Retry{}, Seed: 1}
					s := newStandInMemory(t, cfg, func(w http.ResponseWriter, r *http.Request, n int) {
						time.Sleep(100 * time.Millisecond)
						if unlucky() {
							answer(529, fields, "overloaded")(w, r, n)
							return
						}
						done.Add(1)
					})
					var all sync.WaitGroup
					begin := time.Now()
					for range 16 {
						all.Go(func() {
							for time.Since(begin) < seconds*time.Second {
								if _, err := send(s, request(t, "GET", s.url, "")); err != nil {
									t.Error(err)
								}
							}
						})
					}
					all.Wait()
					if best := int64(8 * seconds * 10); done.Load() < best*3/4 {
						t.Errorf("%d requests were answered in %d s, want most of %d", done.Load(), seconds, best)
					}
				})
			})
		}
	}
}
