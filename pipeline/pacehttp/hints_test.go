package pacehttp_test

import (
	"math"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/paceline-go/paceline/pipeline"
	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// noon is the present time of these tests. The servers' clocks show something else.
var noon = time.Date(2026, time.June, 21, 12, 0, 0, 0, time.UTC)

// header reads fields as they are on the wire: one a line.
func header(text string) http.Header {
	h := http.Header{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			h.Add(name, strings.TrimSpace(value))
		}
	}
	return h
}

// Headers as servers send them, and what they come to. The source is where the form
// is shown; some of the values are ours, to have a quota that is nearly used up. Where
// took is not 0, the request was sent so long ago.
var realHeaders = []struct {
	name   string
	source string
	status int
	took   time.Duration
	header string
	want   []pipeline.Hint
}{
	{
		name: "OpenAI, plenty left", source: "community.openai.com/t/1268905", status: 200, took: 5 * time.Millisecond,
		header: `x-ratelimit-limit-requests: 5000
			x-ratelimit-limit-tokens: 160000
			x-ratelimit-limit-tokens_usage_based: 160000
			x-ratelimit-remaining-requests: 4999
			x-ratelimit-remaining-tokens: 159976
			x-ratelimit-remaining-tokens_usage_based: 159976
			x-ratelimit-reset-requests: 12ms
			x-ratelimit-reset-tokens: 9ms
			x-ratelimit-reset-tokens_usage_based: 9ms`,
		want: []pipeline.Hint{
			{Budget: "requests", Requests: true, Limit: 5000, Remaining: 4999, Reset: 7 * time.Millisecond},
			{Budget: "tokens", Limit: 160_000, Remaining: 159_976, Reset: 4 * time.Millisecond},
			{Budget: "tokens_usage_based", Limit: 160_000, Remaining: 159_976, Reset: 4 * time.Millisecond},
		},
	},
	{
		name: "OpenAI, refused", source: "platform.openai.com/docs/guides/rate-limits", status: 429, took: time.Second,
		header: `retry-after: 7
			retry-after-ms: 6123
			x-ratelimit-limit-requests: 60
			x-ratelimit-limit-tokens: 150000
			x-ratelimit-remaining-requests: 59
			x-ratelimit-remaining-tokens: 0
			x-ratelimit-reset-requests: 1s
			x-ratelimit-reset-tokens: 6m0s`,
		want: []pipeline.Hint{
			{RetryAfter: 6123 * time.Millisecond},
			{Budget: "tokens", Limit: 150_000, Remaining: 0, Reset: 6*time.Minute - time.Second},
		},
	},
	{
		name: "OpenAI, a small account", source: "langchain's recorded responses", status: 200,
		header: `x-ratelimit-limit-requests: 200
			x-ratelimit-limit-tokens: 40000
			x-ratelimit-remaining-requests: 197
			x-ratelimit-remaining-tokens: 39929
			x-ratelimit-reset-requests: 16m17.764s
			x-ratelimit-reset-tokens: 106ms`,
		want: []pipeline.Hint{
			{Budget: "requests", Requests: true, Limit: 200, Remaining: 197, Reset: 16*time.Minute + 17764*time.Millisecond},
			{Budget: "tokens", Limit: 40_000, Remaining: 39_929, Reset: 106 * time.Millisecond},
		},
	},
	{
		name: "Azure OpenAI", source: "learn.microsoft.com/answers/questions/5625878", status: 429,
		header: `retry-after: 26
			x-ratelimit-limit-tokens: 10000
			x-ratelimit-remaining-tokens: 0
			x-ratelimit-reset-tokens: 26
			x-ratelimit-remaining-requests: 9`,
		want: []pipeline.Hint{
			{RetryAfter: 26 * time.Second},
			{Budget: "tokens", Limit: 10_000, Remaining: 0, Reset: 26 * time.Second},
		},
	},
	{
		name: "Azure OpenAI, does not know", source: "learn.microsoft.com/answers/questions/5625878", status: 200,
		header: `x-ratelimit-limit-tokens: -1
			x-ratelimit-remaining-tokens: -1
			x-ratelimit-reset-tokens: 0`,
	},
	{
		name: "Anthropic", source: "docs.anthropic.com/en/api/rate-limits", status: 200, took: 20 * time.Second,
		header: `date: Sun, 21 Jun 2026 11:00:00 GMT
			anthropic-ratelimit-requests-limit: 50
			anthropic-ratelimit-requests-remaining: 49
			anthropic-ratelimit-requests-reset: 2026-06-21T11:00:01Z
			anthropic-ratelimit-tokens-limit: 38000
			anthropic-ratelimit-tokens-remaining: 2000
			anthropic-ratelimit-tokens-reset: 2026-06-21T11:00:57Z
			anthropic-ratelimit-input-tokens-limit: 30000
			anthropic-ratelimit-input-tokens-remaining: 1000
			anthropic-ratelimit-input-tokens-reset: 2026-06-21T13:00:58+02:00
			anthropic-ratelimit-output-tokens-limit: 8000
			anthropic-ratelimit-output-tokens-remaining: 8000
			anthropic-ratelimit-output-tokens-reset: 2026-06-21T11:00:00Z`,
		want: []pipeline.Hint{
			{Budget: "requests", Requests: true, Limit: 50, Remaining: 49, Reset: time.Second},
			{Budget: "tokens", Limit: 38_000, Remaining: 2000, Reset: 57 * time.Second},
			{Budget: "input-tokens", Limit: 30_000, Remaining: 1000, Reset: 58 * time.Second},
		},
	},
	{
		name: "Anthropic, overloaded", source: "docs.anthropic.com/en/api/errors", status: 529,
		header: `date: Sun, 21 Jun 2026 12:00:00 GMT
			retry-after: 15
			x-should-retry: true`,
		want: []pipeline.Hint{{RetryAfter: 15 * time.Second}},
	},
	{
		name: "GitHub", source: "github.com/KnpLabs/php-github-api/pull/1072", status: 403,
		header: `Date: Mon, 13 Jun 2022 11:48:53 GMT
			X-RateLimit-Limit: 30
			X-RateLimit-Remaining: 14
			X-RateLimit-Reset: 1655120964
			X-RateLimit-Used: 16
			X-RateLimit-Resource: search`,
		want: []pipeline.Hint{{Budget: "search", Resource: "search", Requests: true, Limit: 30, Remaining: 14, Reset: 31 * time.Second}},
	},
	{
		name: "GitHub, used up", source: "docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api", status: 403,
		header: `Date: Mon, 13 Jun 2022 11:48:53 GMT
			X-RateLimit-Limit: 5000
			X-RateLimit-Remaining: 0
			X-RateLimit-Reset: 1655122133
			X-RateLimit-Resource: core`,
		want: []pipeline.Hint{
			{RetryAfter: 20 * time.Minute, Resource: "core"},
			{Budget: "core", Resource: "core", Requests: true, Limit: 5000, Remaining: 0, Reset: 20 * time.Minute},
		},
	},
	{
		name: "IETF, two policies", source: "draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4", status: 200, took: time.Second,
		header: `RateLimit-Policy: "burst";q=100;w=60,"daily";q=1000;w=86400
			RateLimit: "burst";r=20;t=30, "daily";r=800;t=36000`,
		want: []pipeline.Hint{
			{Budget: "daily", Requests: true, Limit: 1000, Remaining: 800, Reset: 10*time.Hour - time.Second},
			{Budget: "burst", Requests: true, Limit: 100, Remaining: 20, Reset: 29 * time.Second},
		},
	},
	{
		name: "IETF, partition and bytes", source: "draft-ietf-httpapi-ratelimit-headers-11, appendix B", status: 200,
		header: `RateLimit-Policy: "peruser";q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUH==:
			RateLimit: "peruser";r=300;t=6;pk=:QXBwLTk5OQ==:`,
		want: []pipeline.Hint{{Budget: "peruser", Limit: 65_535, Remaining: 300, Reset: 6 * time.Second}},
	},
	{
		name: "IETF, concurrent requests and bytes", source: "draft-ietf-httpapi-ratelimit-headers-11, quota unit", status: 429,
		header: `RateLimit-Policy: "inflight";q=8;qu="concurrent-requests", "bytes";q=4096;qu="content-bytes";w=60
			RateLimit: "inflight";r=0;t=3, "bytes";r=0;t=20`,
		want: []pipeline.Hint{{Budget: "bytes", Limit: 4096, Reset: 20 * time.Second}},
	},
	{
		name: "monday.com", source: "developer.monday.com, rate limits", status: 200,
		header: `RateLimit-Policy: "minuteRate";q=100;w=60, "concurrency";q=40;qu="concurrent-requests", "complexityMinute";q=1000000;w=60;qu="content-bytes"
			RateLimit: "minuteRate";r=90, "concurrency";r=35;t=1, "complexityMinute";r=800000;t=45`,
		want: []pipeline.Hint{{Budget: "complexityMinute", Limit: 1_000_000, Remaining: 800_000, Reset: 45 * time.Second}},
	},
	{
		name: "IETF over several lines, with tokens", source: "draft-ietf-httpapi-ratelimit-headers-08", status: 200,
		header: `RateLimit-Policy: fixed;q=10;w=1
			RateLimit-Policy: sliding;q=20;w=5;burst
			RateLimit: fixed;r=6;t=1
			RateLimit: sliding;r=16;t=4`,
		want: []pipeline.Hint{ // what is left of a second, we cannot know
			{Budget: "fixed", Requests: true, Limit: 10, Remaining: 6, Reset: time.Second},
			{Budget: "sliding", Requests: true, Limit: 20, Remaining: 16, Reset: 4 * time.Second},
		},
	},
	{
		name: "IETF, one dictionary", source: "draft-ietf-httpapi-ratelimit-headers-07", status: 200,
		header: `RateLimit: limit=100, remaining=50, reset=5
			RateLimit-Policy: 10;w=1, 100;w=3600`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 100, Remaining: 50, Reset: 5 * time.Second}},
	},
	{
		name: "IETF, three fields", source: "draft-ietf-httpapi-ratelimit-headers-06", status: 200, took: 10 * time.Second,
		header: `RateLimit-Limit: 100, 100;w=60;comment="sliding window", 1000;w=3600
			RateLimit-Remaining: 9
			RateLimit-Reset: 50`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 100, Remaining: 9, Reset: 40 * time.Second}},
	},
	{
		name: "Kong, the same twice", source: "docs.konghq.com/hub/kong-inc/rate-limiting", status: 429,
		header: `RateLimit-Limit: 6
			RateLimit-Remaining: 0
			RateLimit-Reset: 42
			Retry-After: 42
			X-RateLimit-Limit-Minute: 6
			X-RateLimit-Remaining-Minute: 0`,
		want: []pipeline.Hint{
			{RetryAfter: 42 * time.Second},
			{Budget: "requests", Requests: true, Limit: 6, Remaining: 0, Reset: 42 * time.Second},
		},
	},
	{
		name: "X", source: "docs.x.com/x-api/fundamentals/rate-limits", status: 200,
		header: `date: Mon, 13 Jun 2022 11:48:53 GMT
			x-rate-limit-limit: 900
			x-rate-limit-remaining: 898
			x-rate-limit-reset: 1655121233`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 900, Remaining: 898, Reset: 5 * time.Minute}},
	},
	{
		name: "a reset in milliseconds since 1970", source: "several gateways", status: 200,
		header: `Date: Mon, 13 Jun 2022 11:48:53 GMT
			X-RateLimit-Limit: 10
			X-RateLimit-Remaining: 3
			X-RateLimit-Reset: 1655120934500`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 10, Remaining: 3, Reset: 1500 * time.Millisecond}},
	},
	{
		name: "rate-limiter-flexible, a date of JavaScript", source: "rate-limiter-flexible 11.4.0, README", status: 200,
		header: `Date: Fri, 27 Nov 2026 14:24:50 GMT
			X-RateLimit-Limit: 5
			X-RateLimit-Remaining: 2
			X-RateLimit-Reset: Fri Nov 27 2026 14:24:53 GMT+0000 (Coordinated Universal Time)`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 5, Remaining: 2, Reset: 3 * time.Second}},
	},
	{
		name: "a date of JavaScript, elsewhere", source: "Date.prototype.toString", status: 200,
		header: `Date: Fri, 27 Nov 2026 14:24:50 GMT
			X-RateLimit-Limit: 5
			X-RateLimit-Remaining: 2
			X-RateLimit-Reset: Fri Nov 27 2026 16:24:53 GMT+0200 (Eastern European Standard Time)`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 5, Remaining: 2, Reset: 3 * time.Second}},
	},
	{
		name: "go-limiter", source: "sethvargo/go-limiter 0.7.1", status: 429,
		header: `Date: Fri, 27 Nov 2026 13:10:10 GMT
			Retry-After: Fri, 27 Nov 2026 13:10:13 UTC
			X-RateLimit-Limit: 5
			X-RateLimit-Remaining: 0
			X-RateLimit-Reset: Fri, 27 Nov 2026 13:10:13 UTC`,
		want: []pipeline.Hint{
			{RetryAfter: 3 * time.Second},
			{Budget: "requests", Requests: true, Limit: 5, Remaining: 0, Reset: 3 * time.Second},
		},
	},
	{
		name: "nestjs, refused by one of several", source: "@nestjs/throttler 6.7.1", status: 429,
		header: "Retry-After-short: 1",
		want:   []pipeline.Hint{{RetryAfter: time.Second}},
	},
	{
		name: "nestjs, several", source: "@nestjs/throttler 6.7.1", status: 200,
		header: `X-RateLimit-Limit-short: 3
			X-RateLimit-Remaining-short: 0
			X-RateLimit-Reset-short: 1
			X-RateLimit-Limit-long: 100
			X-RateLimit-Remaining-long: 97
			X-RateLimit-Reset-long: 60`,
		want: []pipeline.Hint{
			{Budget: "long", Requests: true, Limit: 100, Remaining: 97, Reset: time.Minute},
			{Budget: "short", Requests: true, Limit: 3, Remaining: 0, Reset: time.Second},
		},
	},
	{
		name: "hapi-rate-limit", source: "hapi-rate-limit 8.0.0", status: 200,
		header: `Date: Mon, 13 Jun 2022 11:48:53 GMT
			X-RateLimit-UserLimit: 300
			X-RateLimit-UserRemaining: 20
			X-RateLimit-UserReset: 1655120943000
			X-RateLimit-PathLimit: 60
			X-RateLimit-PathRemaining: 1
			X-RateLimit-PathReset: 1655120943000
			X-RateLimit-UserPathLimit: 30
			X-RateLimit-UserPathRemaining: 0
			X-RateLimit-UserPathReset: 1655120943000`,
		want: []pipeline.Hint{
			{Budget: "user", Requests: true, Limit: 300, Remaining: 20, Reset: 10 * time.Second},
			{Budget: "path", Requests: true, Limit: 60, Remaining: 1, Reset: 10 * time.Second},
			{Budget: "userpath", Requests: true, Limit: 30, Remaining: 0, Reset: 10 * time.Second},
		},
	},
	{
		name: "hapi-rate-limit, refused", source: "hapi-rate-limit 8.0.0", status: 429,
		header: `Date: Mon, 13 Jun 2022 11:48:53 GMT
			X-RateLimit-UserLimit: 300
			X-RateLimit-UserRemaining: -1
			X-RateLimit-UserReset: 1655120943000`,
		want: []pipeline.Hint{{Budget: "user", Requests: true, Limit: 300, Remaining: 0, Reset: 10 * time.Second}},
	},
	{
		name: "Discord", source: "discord.com/developers/docs/topics/rate-limits", status: 429,
		header: `Retry-After: 65
			X-RateLimit-Limit: 10
			X-RateLimit-Remaining: 0
			X-RateLimit-Reset: 1470173023.123
			X-RateLimit-Reset-After: 64.57
			X-RateLimit-Bucket: abcd1234
			X-RateLimit-Scope: user`,
		want: []pipeline.Hint{
			{RetryAfter: 65 * time.Second},
			{Budget: "requests", Requests: true, Limit: 10, Remaining: 0, Reset: 64_570 * time.Millisecond},
		},
	},
	{
		name: "Discord, a resource that all share", source: "discord.com/developers/docs/topics/rate-limits", status: 429,
		header: `Retry-After: 1337
			X-RateLimit-Limit: 10
			X-RateLimit-Remaining: 9
			X-RateLimit-Reset-After: 64.57
			X-RateLimit-Scope: shared`,
		want: []pipeline.Hint{
			{RetryAfter: 1337 * time.Second},
			{Budget: "requests", Requests: true, Limit: 10, Remaining: 9, Reset: 64_570 * time.Millisecond},
		},
	},
	{
		name: "Okta", source: "developer.okta.com/docs/reference/rl-best-practices", status: 200,
		header: `Date: Thu, 31 Dec 2020 23:59:30 GMT
			X-Rate-Limit-Limit: 1200
			X-Rate-Limit-Remaining: 1199
			X-Rate-Limit-Reset: 1609459200`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 1200, Remaining: 1199, Reset: 30 * time.Second}},
	},
	{
		name: "Zendesk", source: "developer.zendesk.com, best practices for avoiding rate limiting", status: 200,
		header: `x-rate-limit: 700
			ratelimit-limit: 700
			x-rate-limit-remaining: 699
			ratelimit-remaining: 699
			ratelimit-reset: 41
			zendesk-ratelimit-tickets-index: total=100; remaining=99; resets=41`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 700, Remaining: 699, Reset: 41 * time.Second}},
	},
	{
		name: "GitLab", source: "gitlab.com/gitlab-com/gl-infra/production-engineering/-/issues/25372", status: 429,
		header: `Date: Tue, 05 Jan 2021 11:00:00 GMT
			RateLimit-Limit: 60
			RateLimit-Observed: 67
			RateLimit-Remaining: 0
			RateLimit-Reset: 1609844400
			RateLimit-ResetTime: Tue, 05 Jan 2021 11:00:00 GMT
			Retry-After: 30`,
		want: []pipeline.Hint{
			{RetryAfter: 30 * time.Second},
			{Budget: "requests", Requests: true, Limit: 60, Remaining: 0, Reset: time.Second}, // in this very second
		},
	},
	{
		name: "Reddit, fractions", source: "reddit.com/r/redditdev/comments/1yxrp7", status: 200,
		header: `X-Ratelimit-Used: 12
			X-Ratelimit-Remaining: 588.0
			X-Ratelimit-Reset: 300`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Remaining: 588, Reset: 5 * time.Minute}},
	},
	{
		name: "lemlist, a date of JavaScript", source: "developer.lemlist.com, rate limits", status: 200,
		header: `Date: Tue, 16 Feb 2021 08:02:40 GMT
			Retry-After: 2
			X-RateLimit-Limit: 20
			X-RateLimit-Remaining: 7
			X-RateLimit-Reset: Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 20, Remaining: 7, Reset: 2 * time.Second}},
	},
	{
		name: "Docker Hub, until when is not said", source: "docs.docker.com/docker-hub/usage/pulls", status: 200,
		header: `ratelimit-limit: 100;w=21600
			ratelimit-remaining: 20;w=21600
			docker-ratelimit-source: 192.0.2.1`,
	},
	{
		name: "Salesforce, until when is not said", source: "developer.salesforce.com, Limit Info Header", status: 200,
		header: `Sforce-Limit-Info: api-usage=10018/100000`,
	},
	{
		name: "Jira, a reset in minutes", source: "jira.atlassian.com/browse/JRACLOUD-69262", status: 429,
		header: `Retry-After: 20
			X-RateLimit-Limit: 350
			X-RateLimit-Remaining: 0
			X-RateLimit-Reset: 2026-06-21T12:00Z
			X-RateLimit-NearLimit: true`,
		want: []pipeline.Hint{{RetryAfter: 20 * time.Second}},
	},
	{
		name: "Notion", source: "developers.notion.com/reference/request-limits", status: 429,
		header: `Retry-After: 42`,
		want:   []pipeline.Hint{{RetryAfter: 42 * time.Second}},
	},
	{
		name: "restify, a bucket", source: "restify 11.1.0", status: 200,
		header: `X-RateLimit-Limit: 50
			X-RateLimit-Remaining: 20
			X-RateLimit-Rate: 10`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 50, Remaining: 20, Reset: 3 * time.Second}},
	},
	{
		name: "tollbooth, constants", source: "tollbooth 7.0.2", status: 200,
		header: `RateLimit-Limit: 1
			RateLimit-Remaining: 4
			RateLimit-Reset: 1`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Remaining: 4, Reset: time.Second}},
	},
	{
		name: "more left than the limit", source: "tollbooth 7.0.2, slower", status: 200,
		header: `RateLimit-Limit: 1
			RateLimit-Remaining: 4
			RateLimit-Reset: 5`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Remaining: 4, Reset: 5 * time.Second}},
	},
	{
		name: "express-slow-down, draft 6", source: "express-slow-down 3.1.1", status: 200,
		header: `RateLimit-Policy: 0;w=5
			RateLimit-Limit: 0
			RateLimit-Remaining: 0
			RateLimit-Reset: 5
			Retry-After: 5`,
	},
	{
		name: "express-slow-down, draft 7", source: "express-slow-down 3.1.1", status: 200,
		header: `RateLimit-Policy: 0;w=5
			RateLimit: limit=0, remaining=0, reset=5`,
	},
	{
		name: "express-slow-down, draft 8", source: "express-slow-down 3.1.1", status: 200,
		header: `RateLimit-Policy: "0-in-5sec"; q=0; w=5; pk=:YTQ5:
			RateLimit: "0-in-5sec"; r=0; t=5`,
	},
	{
		name: "express-slow-down, legacy", source: "express-slow-down 3.1.1", status: 200,
		header: `X-RateLimit-Limit: 0
			X-RateLimit-Remaining: 0
			X-RateLimit-Reset: 5`,
	},
	{
		name: "Linear", source: "linear.app/developers/rate-limiting", status: 200,
		header: `date: Sun, 21 Jun 2026 11:00:00 GMT
			X-RateLimit-Requests-Limit: 2500
			X-RateLimit-Requests-Remaining: 10
			X-RateLimit-Requests-Reset: 1782041400000
			X-Complexity: 5
			X-RateLimit-Complexity-Limit: 3000000
			X-RateLimit-Complexity-Remaining: 2999000
			X-RateLimit-Complexity-Reset: 1782041400000`,
		want: []pipeline.Hint{
			{Budget: "complexity", Limit: 3_000_000, Remaining: 2_999_000, Reset: 30 * time.Minute},
			{Budget: "requests", Requests: true, Limit: 2500, Remaining: 10, Reset: 30 * time.Minute},
		},
	},
	{
		name: "RapidAPI", source: "a recorded answer, x-rapidapi-version 0.0.45", status: 400,
		header: `x-ratelimit-requests-limit: 240000
			x-ratelimit-requests-remaining: 205676
			x-ratelimit-requests-reset: 2163603`,
		want: []pipeline.Hint{{Budget: "requests", Requests: true, Limit: 240_000, Remaining: 205_676, Reset: 2_163_603 * time.Second}},
	},
	{
		name: "HubSpot, which does not say until when", source: "developers.hubspot.com/changelog, 6 November 2018", status: 200,
		header: `X-HubSpot-RateLimit-Daily: 250000
			X-HubSpot-RateLimit-Daily-Remaining: 249000
			X-HubSpot-RateLimit-Max: 100
			X-HubSpot-RateLimit-Remaining: 3
			X-HubSpot-RateLimit-Interval-Milliseconds: 10000`,
	},
	{
		name: "Shopify, which does not say until when", source: "shopify.dev/docs/api/admin-rest/usage/rate-limits", status: 200,
		header: "X-Shopify-Shop-Api-Call-Limit: 32/40",
	},
	{
		name: "Azure Resource Manager, poll later", source: "RFC 9110, section 10.2.3", status: 202,
		header: "Retry-After: 10",
	},
	{
		name: "moved, with patience", source: "RFC 9110, section 10.2.3", status: 301,
		header: "Retry-After: 120",
	},
	{
		name: "a request's own fault", status: 404,
		header: "Retry-After: 120",
	},
	{
		name: "a server that failed", source: "RFC 9110, section 10.2.3", status: 500,
		header: "Retry-After: 120",
		want:   []pipeline.Hint{{RetryAfter: 2 * time.Minute}},
	},
}

func TestHintsOfRealServers(t *testing.T) {
	for _, test := range realHeaders {
		t.Run(test.name, func(t *testing.T) {
			res := &http.Response{StatusCode: test.status, Header: header(test.header)}
			got := pacehttp.Hints(res, noon, test.took)
			for i := range got {
				got[i].Rounding = 0 // has a test of its own
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: got\n%+v\nwant\n%+v", test.source, got, test.want)
			}
		})
	}
}

// refusedWith returns the only hint of a 429 with a header; none is zero.
func refusedWith(t *testing.T, text string) pipeline.Hint {
	t.Helper()
	hints := pacehttp.Hints(&http.Response{StatusCode: 429, Header: header(text)}, noon, 0)
	if len(hints) > 1 {
		t.Errorf("%q: got %+v, want one hint at most", text, hints)
	}
	if len(hints) == 0 {
		return pipeline.Hint{}
	}
	return hints[0]
}

func TestRetryAfterInAllItsForms(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"Retry-After: 0":   0,
		"Retry-After: 120": 2 * time.Minute,
		"Retry-After: 1.5": 1500 * time.Millisecond,
		"Retry-After: Sun, 21 Jun 2026 12:00:30 GMT":                                          30 * time.Second,
		"Retry-After: Sunday, 21-Jun-26 12:00:30 GMT":                                         30 * time.Second,
		"Retry-After: Sun Jun 21 12:00:30 2026":                                               30 * time.Second,
		"Retry-After: Sun, 21 Jun 2026 11:59:30 GMT":                                          0,
		"Retry-After: Sun, 21 Jun 2026 09:00:30 GMT\nDate: Sun, 21 Jun 2026 09:00:00 GMT":     30 * time.Second,
		"Retry-After: Sun, 21 Jun 2026 12:00:30 GMT\nDate: yesterday":                         30 * time.Second,
		"Retry-After-Ms: 250\nRetry-After: 1":                                                 250 * time.Millisecond,
		"Retry-After-Ms: 0.5":                                                                 500 * time.Microsecond,
		"Retry-After-Ms: soon\nRetry-After: 1":                                                time.Second,
		"Retry-After-short: 1\nRetry-After-Long: 20\nRetry-After-default: soon":               20 * time.Second,
		"Retry-After: 30\nRetry-After-short: 1":                                               30 * time.Second,
		"Retry-After-Ms: 250\nRetry-After-long: 20":                                           250 * time.Millisecond,
		"Retry-After: Sun, 21 Jun 2026 12:00:30 UTC":                                          30 * time.Second,
		"Retry-After: Sun, 21 Jun 2026 12:00:30 CET":                                          0,
		"Retry-After: Sun Jun 21 2026 12:00:30 GMT+0000 (GMT)":                                30 * time.Second,
		"X-Amz-Retry-After: 1500":                                                             1500 * time.Millisecond,
		"x-amz-retry-after: 50\nRetry-After: 1":                                               50 * time.Millisecond,
		"X-Ms-Retry-After-Ms: 40":                                                             40 * time.Millisecond,
		"Retry-After: 2678400":                                                                31 * 24 * time.Hour,
		"Retry-After: 2678401":                                                                0,
		"Retry-After: -1":                                                                     0,
		"Retry-After: 1e3":                                                                    0,
		"Retry-After: NaN":                                                                    0,
		"Retry-After: Inf":                                                                    0,
		"Retry-After: 0x10":                                                                   0,
		"Retry-After: 99999999999999999999999999":                                             0,
		"Retry-After: soon":                                                                   0,
		"Retry-After:":                                                                        0,
		"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT":                                          0,
		"Retry-After: Sun, 21 Jun 2026 12:00:30 GMT\nDate: Thu, 01 Jan 1970 00:00:00 GMT":     0,
		"Retry-After: 5\nDate: Thu, 01 Jan 1970 00:00:00 GMT":                                 5 * time.Second,
		"Retry-After: 5\nRetry-After: 500":                                                    5 * time.Second,
		"Retry-After: Sun, 21 Jun 2026 12:00:30 GMT\nDate: Sun, 21 Jun 2026 12:00:30 GMT":     0,
		"Retry-After: 3\nX-Should-Retry: false":                                               0,
		"Retry-After: 3\nX-Should-Retry: true":                                                3 * time.Second,
		"Retry-After: 3\nRateLimit: nonsense":                                                 3 * time.Second,
		"Retry-After: 3\nX-RateLimit-Remaining: 5":                                            3 * time.Second,
		"Retry-After: 3\nX-RateLimit-Remaining-Tokens: 5\nX-RateLimit-Reset-Tokens: tomorrow": 3 * time.Second,
	} {
		if got := refusedWith(t, text); got != (pipeline.Hint{RetryAfter: want}) {
			t.Errorf("%q: got %+v, want %v", text, got, want)
		}
	}
}

func TestNonsenseOfQuotasIsIgnored(t *testing.T) {
	for _, text := range []string{
		`RateLimit:`,
		`RateLimit: "a"`,
		`RateLimit: "a";r=5`,
		`RateLimit: "a";t=5`,
		`RateLimit: "a";r=-5;t=5`,
		`RateLimit: "a";r=5;t=-5`,
		`RateLimit: "a";r=5;t=0`,
		`RateLimit: "a";r="five";t=5`,
		`RateLimit: "a";r=5;t=5,`,
		`RateLimit: "a;r=5;t=5`,
		`RateLimit: "a\x";r=5;t=5`,
		`RateLimit: "a\`,
		`RateLimit: "a";r=5;t=5;`,
		`RateLimit: "a";r=5;t=`,
		`RateLimit: "a";r=5;t=5 "b";r=5;t=5`,
		`RateLimit: "a";r=99999999999999999999;t=5`,
		`RateLimit: "a";r=5;t=99999999999999999999`,
		`RateLimit: "a";r=5;t=1.2.3`,
		`RateLimit: "ü";r=5;t=5`,
		`RateLimit: ("a" "b");r=5;t=5`,
		`RateLimit: "a";r=5;t=5;pk=:never`,
		`RateLimit: "a";r=5;t=5;x=`,
		`RateLimit: "a";r=5;t=5;x=?`,
		`RateLimit: limit=100, remaining=x, reset=5`,
		`RateLimit: limit=, remaining=5, reset=5`,
		"RateLimit-Remaining: 5",
		"X-RateLimit-UserRemaining: -\nX-RateLimit-UserReset: 5",
		"X-RateLimit-UserRemaining: --1\nX-RateLimit-UserReset: 5",
		"X-RateLimit-UserRemaining: -1\nX-RateLimit-UserReset: Fri Nov 27",
		"RateLimit-Remaining: 5\nRateLimit-Reset: 0",
		"RateLimit-Remaining: -1\nRateLimit-Reset: 5",
		"RateLimit-Remaining: 5\nRateLimit-Reset: -5",
		"RateLimit-Remaining: NaN\nRateLimit-Reset: 5",
		"RateLimit-Remaining: 5\nRateLimit-Reset: NaN",
		"RateLimit-Remaining: 5\nRateLimit-Reset: +Inf",
		"X-RateLimit-Remaining: 5\nX-RateLimit-Reset: 1655120964",           // long ago
		"X-RateLimit-Remaining: 5\nX-RateLimit-Reset: 9999999999",           // in 2286
		"X-RateLimit-Remaining: 5\nX-RateLimit-Reset: 500000000000",         // neither seconds nor milliseconds
		"X-RateLimit-Remaining: 5\nX-RateLimit-Reset: 99999999999999999",    // nothing at all
		"X-RateLimit-Remaining: 5\nX-RateLimit-Reset: 2026-06-21T11:59:00Z", // past
		"X-RateLimit-Remaining-Requests: 5\nX-RateLimit-Reset-Requests: -6m0s",
		"X-RateLimit-Remaining-Requests: 5\nX-RateLimit-Reset-Requests: 6 minutes",
		"X-RateLimit-Remaining-Requests: 5\nX-RateLimit-Reset-Requests: 9999999h",
		"X-RateLimit-Remaining-Requests: 5\nX-RateLimit-Reset-Tokens: 5s",
		"Anthropic-RateLimit-Unified-5h-Utilization: 0.4\nAnthropic-RateLimit-Unified-5h-Reset: 1782043200",
		"Anthropic-RateLimit-Requests-Remaining: 5\nAnthropic-RateLimit-Requests-Reset: 2026-06-21",
	} {
		if got := refusedWith(t, text); got != (pipeline.Hint{}) {
			t.Errorf("%q: got %+v, want nothing", text, got)
		}
	}
}

func TestAResetThatWasOverBeforeTheAnswerIsIgnored(t *testing.T) {
	res := &http.Response{StatusCode: 200, Header: header("RateLimit-Remaining: 0\nRateLimit-Reset: 5")}
	if got := pacehttp.Hints(res, noon, 5*time.Second); got != nil {
		t.Errorf("sent 5 s ago: got %+v, want nothing", got)
	}
	want := []pipeline.Hint{{Budget: "requests", Requests: true, Reset: 5 * time.Second}}
	if got := pacehttp.Hints(res, noon, -time.Hour); !reflect.DeepEqual(got, want) {
		t.Errorf("sent in an hour: got %+v, want %+v", got, want)
	}
}

func TestHintsOfNothing(t *testing.T) {
	for name, res := range map[string]*http.Response{
		"no response": nil,
		"no header":   {StatusCode: 429},
		"no quota":    {StatusCode: 200, Header: header("Date: Sun, 21 Jun 2026 12:00:00 GMT\nContent-Type: text/plain")},
	} {
		if got := pacehttp.Hints(res, noon, 0); got != nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestAResetIsSaidToBeAsExactAsItIs: a bucket that is full again in 40 ms says 1 as a window of a
// second does. A point in time is read against a Date without a fraction, and may have been rounded up.
func TestAResetIsSaidToBeAsExactAsItIs(t *testing.T) {
	for _, c := range []struct {
		left, reset string
		want        time.Duration
	}{
		{"15", "1", time.Second}, {"15", "1.0", 0}, {"15", "0.04", 0}, {"15", "40ms", 0}, {"15", "1s", 0}, {"15", "2", 0},
		{"0", "1", 0},
		{"15", "1782043201", 2 * time.Second}, // noon and a second
		{"0", "1782043205", 2 * time.Second}, {"15", "1782043205.25", time.Second}, {"15", "1782043205250", time.Second},
		{"15", "Sun, 21 Jun 2026 12:00:05 UTC", 2 * time.Second},
	} {
		h := http.Header{"X-Ratelimit-Limit": {"25"}, "X-Ratelimit-Remaining": {c.left}, "X-Ratelimit-Reset": {c.reset}}
		got := pacehttp.Hints(&http.Response{StatusCode: 200, Header: h}, noon, 0)
		if len(got) != 1 || got[0].Rounding != c.want {
			t.Errorf("%s left, reset %s: got %+v, want a rounding of %v", c.left, c.reset, got, c.want)
		}
	}
}

func TestHintsAreBounded(t *testing.T) {
	h := http.Header{}
	for i := range 1000 {
		name := http.CanonicalHeaderKey("x" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
		h.Set("X-RateLimit-Remaining-"+name, "1")
		h.Set("X-RateLimit-Reset-"+name, "2")
		h.Add("RateLimit", `"`+name+`";r=1;t=2`)
	}
	if got := pacehttp.Hints(&http.Response{StatusCode: 200, Header: h}, noon, 0); len(got) != 16 {
		t.Errorf("got %d hints, want 16", len(got))
	}
}

// FuzzHints says that no header does harm: what comes of it is within reason, and few.
func FuzzHints(f *testing.F) {
	for _, test := range realHeaders {
		f.Add(test.status, test.header, int64(test.took))
	}
	f.Add(503, "Retry-After: 99999999999999999999\nDate: x", int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, status int, text string, took int64) {
		hints := pacehttp.Hints(&http.Response{StatusCode: status, Header: header(text)}, noon, time.Duration(took))
		if len(hints) > 17 {
			t.Errorf("%d hints", len(hints))
		}
		for _, h := range hints {
			if h != h.WithinReason() || h.Reset > 31*24*time.Hour || h.RetryAfter > 31*24*time.Hour {
				t.Errorf("got %+v, which makes no sense", h)
			}
			if h.RetryAfter == 0 && h.Reset == 0 {
				t.Errorf("got %+v, which says nothing", h)
			}
		}
	})
}
