//go:build browser

package pacepage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	console "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/paceline-go/paceline/pipeline"
)

// These tests need Chromium, and take real time, of which the page has a tick a
// second:
//
//	go test -tags browser ./pipeline/pacepage

// A tab is a browser that looks at the page, and notes what it should not do.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex // what the browser tells comes from its own goroutine
	trouble  []string   // in the console
	cut      bool       // the test cuts connections, and the browser says so
	requests []string
}

// open opens an address in a window of a size. When the test ends, there must have
// been no error in the console, and no request to anybody else.
func open(t *testing.T, url string, width, height int64, scheme string) *tab {
	t.Helper()
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), // the test's own ends too early to close it
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	t.Cleanup(cancel)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(end)
	ctx, end = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(end)
	tb := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, tb.note); err != nil {
		t.Fatal(err)
	}
	tb.do(
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
			return err
		}),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, console.Enable, cdp.Empty{})
			return err
		}),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			})
			return err
		}),
		chromedp.EmulateViewport(width, height),
		chromedp.Navigate(url),
	)
	tb.wait(`document.body.className === "live"`)
	t.Cleanup(func() { tb.check(url) })
	return tb
}

func (tb *tab) note(ev any) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventConsoleAPICalled:
		tb.trouble = append(tb.trouble, fmt.Sprintf("%s: %v", ev.Type, ev.Args))
	case *runtime.EventExceptionThrown:
		tb.trouble = append(tb.trouble, fmt.Sprintf("exception: %s %s", ev.ExceptionDetails.Text, ev.ExceptionDetails.Exception.Description))
	case *console.EventEntryAdded:
		tb.trouble = append(tb.trouble, fmt.Sprintf("%s: %s %s", ev.Entry.Level, ev.Entry.Text, ev.Entry.URL))
	case *network.EventRequestWillBeSent:
		tb.requests = append(tb.requests, ev.Request.URL)
	}
}

func (tb *tab) check(url string) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.trouble = slices.DeleteFunc(tb.trouble, func(s string) bool {
		return tb.cut && strings.Contains(s, "Failed to load resource")
	})
	if len(tb.trouble) > 0 {
		tb.t.Errorf("in the console: %q", tb.trouble)
	}
	origin, _, _ := strings.Cut(url, "/pace/")
	if len(tb.requests) < 6 {
		tb.t.Errorf("got %q, want the page, its files and the stream", tb.requests)
	}
	for _, r := range tb.requests {
		if !strings.HasPrefix(r, origin+"/pace/") {
			tb.t.Errorf("requested %s, want nothing from elsewhere", r)
		}
	}
}

func (tb *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	if err := chromedp.Do(tb.ctx, steps...); err != nil {
		tb.t.Fatal(err)
	}
}

// eval evaluates an expression in the page.
func eval[T any](tb *tab, expression string) T {
	tb.t.Helper()
	v, err := chromedp.Run(tb.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		tb.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wait waits until an expression is true.
func (tb *tab) wait(expression string) {
	tb.t.Helper()
	for end := time.Now().Add(30 * time.Second); !eval[bool](tb, "Boolean("+expression+")"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			tb.t.Fatalf("still not: %s; the page says %q", expression, eval[string](tb, `document.body.innerText`))
		}
	}
}

// text is what an element says, as somebody who looks at it reads it.
func (tb *tab) text(selector string) string {
	tb.t.Helper()
	return eval[string](tb, fmt.Sprintf(`(document.querySelector(%q)?.innerText ?? "there is none").replace(/\s+/g, " ").trim()`, selector))
}

// serve serves a page at /pace/.
func serve(t *testing.T, throttles map[string]*pipeline.Throttle) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/pace/", New(ctx, throttles))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(cancel) // first, so that streams end
	return server.URL + "/pace/"
}

// worked returns a throttle that has done something: 20 jobs of 100, and 5 were
// refused; one attempt is in flight.
func worked(t *testing.T) *pipeline.Throttle {
	t.Helper()
	th := throttle(t, func(c *pipeline.Config) {
		c.TotalJobs = 100
		c.MinDispatchInterval = 2 * time.Millisecond
		c.Breaker = &pipeline.Breaker{Failures: 100, OpenFor: time.Hour}
		c.Budgets = []pipeline.Budget{
			{Name: "calls", Tokens: 50, Window: time.Hour, Requests: true},
			{Name: "words", Tokens: 1000, Window: time.Hour},
		}
	})
	for range 20 {
		th.RecordSuccess(time.Millisecond, 7)
	}
	for range 5 {
		th.RecordFailure(pipeline.Overloaded(errors.New("429"), 0))
	}
	slot, err := th.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slot.Release(nil) })
	return th
}

func TestTheBrowserShowsTheNumbersOfTheSnapshot(t *testing.T) {
	th := worked(t)
	tb := open(t, serve(t, one("geocoder", th)), 1280, 900, "light")
	s := th.Snapshot()
	if s.InFlight != 1 || s.Completed != 20 || s.Attempts.Overloaded != 5 {
		t.Fatalf("got %+v, want what was done to it", s)
	}
	for selector, want := range map[string]string{
		"h1":                              "geocoder",
		".title .state":                   "running",
		"[data-to=inflight]":              fmt.Sprintf("%d of %d", s.InFlight, s.Concurrency),
		"[data-to=most]":                  fmt.Sprintf("never above %d", s.MaxConcurrency),
		"[data-to=done]":                  fmt.Sprintf("%d done, %d failed", s.Completed, s.Failed),
		"[data-to=wasted]":                "20 % of attempts",
		"[data-to=interval]":              "2 ms",
		"[data-to=pace]":                  "500 starts a second",
		".tiles div:nth-child(2)":         "Held up by nothing none waiting",
		".panels > :nth-child(2) h2":      "What holds attempts up share of the time shown",
		"[data-to=circuit]":               "closed",
		"[data-to=percentage]":            fmt.Sprintf("%v %%", s.Percentage),
		".budgets li:nth-child(1)":        fmt.Sprintf("calls %d of 50 requests in the last hour %d %%", s.Budgets[0].Used, 2*s.Budgets[0].Used),
		".budgets li:nth-child(2)":        fmt.Sprintf("words %d of 1,000 tokens in the last hour %.0f %%", s.Budgets[1].Used, float64(s.Budgets[1].Used)/10),
		"figure:nth-of-type(2) .legend":   "in flight 1 limit 5",
		"figure:nth-of-type(3) .legend b": "2 ms",
	} {
		if got := tb.text(selector); got != want {
			t.Errorf("%s: got %q, want %q", selector, got, want)
		}
	}
	if got := eval[float64](tb, `document.querySelector("[data-to=progress] progress").value`); got != s.Percentage {
		t.Errorf("the bar is at %v, want %v", got, s.Percentage)
	}
	// It is live.
	for range 30 {
		th.RecordSuccess(time.Millisecond, 0)
	}
	tb.wait(`document.querySelector("[data-to=done]").innerText.startsWith("50 done")`)
	tb.wait(`document.querySelector("[data-to=goodput]").innerText.replace(/\s/g, "") === "0/s"`)
	tb.do(chromedp.Navigate(eval[string](tb, `location.href`) + "#back=60"))
	tb.wait(`known.back === 60 && document.body.className === "live"`)
	shown := eval[float64](tb, `Math.max(...shown.view.charts[0].drawing.data[1])`)
	if shown < 25 || shown > 31 {
		t.Errorf("the chart's highest second has %v done, want the 30 that were", shown)
	}
}

func TestTheBrowserShowsManyThrottles(t *testing.T) {
	th := worked(t)
	idle := throttle(t)
	idle.Close()
	tb := open(t, serve(t, map[string]*pipeline.Throttle{"geocoder": th, "<b>&amp; idle": idle}), 1280, 900, "light")
	if got := eval[int](tb, `document.querySelectorAll(".card").length`); got != 2 {
		t.Fatalf("got %d cards, want 2", got)
	}
	tb.wait(`document.querySelector("h1 + .line").innerText === "1 closed, 1 running; in all 0 done and 0 refused a second"`)
	for selector, want := range map[string]string{
		"li:nth-child(1) > .card strong":             "<b>&amp; idle",
		"li:nth-child(1) > .card .state":             "closed",
		"li:nth-child(2) > .card strong":             "geocoder",
		"li:nth-child(2) > .card [data-to=inflight]": "1 of 5",
		"li:nth-child(2) > .card .line":              "25 % done, none waiting",
	} {
		if got := tb.text(selector); got != want {
			t.Errorf("%s: got %q, want %q", selector, got, want)
		}
	}
	tb.do(chromedp.Focus(chromedp.CSS(".card")), chromedp.KeyEvent(kb.Enter))
	tb.wait(`document.querySelector("h1")?.innerText === "<b>&amp; idle" && document.querySelector(".tiles")`)
	if got := tb.text(".title .state"); got != "closed" {
		t.Errorf("got %q, want closed", got)
	}
	tb.do(chromedp.Focus(chromedp.CSS(".up a")), chromedp.KeyEvent(kb.Enter))
	tb.wait(`document.querySelectorAll(".card").length === 2`)
}

func TestTheBrowserShowsKeysWhatIsHeldUpFirst(t *testing.T) {
	hosts, err := pipeline.NewKeyed(pipeline.KeyedConfig[string]{Each: pipeline.Config{Policy: pipeline.Static{}, Spread: -1}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 60 {
		hosts.Throttle(fmt.Sprintf("host %02d", i))
	}
	paused := hosts.Throttle("<b>paused")
	paused.RecordFailure(pipeline.Overloaded(errors.New("429 <i>"), time.Hour))
	ctx, cancel := context.WithCancel(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/pace/", Keys(ctx, hosts.Snapshot))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	t.Cleanup(cancel)
	tb := open(t, server.URL+"/pace/", 1280, 900, "light")
	tb.wait(`document.querySelectorAll(".keys tbody tr").length === 51`)
	for selector, want := range map[string]string{
		"h1":                               "All keys",
		"h1 + .line":                       "61 keys, 1 held up",
		".sum th":                          "All 61 keys",
		".sum [data-to=done]":              "0",
		"tr:nth-child(2) th span":          "<b>paused",
		"tr:nth-child(2) [data-to=heldby]": "the server",
		"tr:nth-child(3) th":               "host 00",
		"tr:nth-child(3) [data-to=heldby]": "–",
		".more":                            "and 11 more that are not held up",
	} {
		if got := tb.text(selector); got != want {
			t.Errorf("%s: got %q, want %q", selector, got, want)
		}
	}
	if got, want := tb.text("tr:nth-child(2) small"), "The server asked to wait, for "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "last error: 429 <i>") {
		t.Errorf("got %q, want it to begin with %q, and to end with the error", got, want)
	}
	if eval[bool](tb, `[...document.querySelectorAll("#back, .events")].some((e) => e.offsetHeight > 0)`) {
		t.Error("the page offers a past and events, of which there are none")
	}
	for range 30 {
		hosts.Throttle("host 59").RecordSuccess(time.Millisecond, 0)
	}
	tb.wait(`document.querySelector(".sum [data-to=done]").innerText === "30"`)
	tb.do(chromedp.EmulateViewport(360, 780))
	if eval[bool](tb, `document.documentElement.scrollWidth > document.documentElement.clientWidth`) {
		t.Error("the page is wider than a phone")
	}
}

func TestAFreshThrottleStartsAtOneMinute(t *testing.T) {
	tb := open(t, serve(t, one("geocoder", worked(t))), 1280, 900, "light")
	tb.wait(`known.back === 60 && document.querySelector("#back input:checked").value === "60" && location.hash === ""`)
}

func TestTheStripShowsThatABudgetStoppedAttempts(t *testing.T) {
	th := throttle(t, func(c *pipeline.Config) {
		c.Budgets = []pipeline.Budget{{Name: "tokens", Tokens: 10, Window: time.Hour}}
	})
	th.RecordTokens(10)
	p := pipeline.Attach(th, func(context.Context, int) (int, error) { return 0, nil })
	ctx, cancel := context.WithCancel(context.Background())
	results := p.Cost(func(int) int64 { return 1 }).Run(ctx, jobs(1))
	tb := open(t, serve(t, one("geocoder", th)), 1280, 900, "light")
	tb.wait(`document.querySelector("[data-to=heldby]").innerText === "a budget"`)
	tb.wait(`document.querySelector(".strip p").innerText.startsWith("a budget used up")`)
	if got, want := tb.text("[data-to=why]"), "The budget tokens is used up: jobs wait until there is room in it."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := tb.text(".held li"), "A budget it has too little left"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want it to begin with %q", got, want)
	}
	if got := tb.text("[data-to=circuit]"); got != "closed" && got != "none" {
		t.Errorf("got circuit %q, want none that has opened", got)
	}
	cancel()
	for range results {
	}
}

func TestThePageSaysThatTheRateIsReached(t *testing.T) {
	th := throttle(t, func(c *pipeline.Config) { c.Rate = &pipeline.Rate{PerSecond: 0.001, Burst: 1} })
	p := pipeline.Attach(th, func(context.Context, int) (int, error) { return 0, nil })
	ctx, cancel := context.WithCancel(context.Background())
	results := p.Run(ctx, jobs(2))
	<-results
	tb := open(t, serve(t, one("geocoder", th)), 390, 844, "dark")
	tb.wait(`document.querySelector("[data-to=heldby]").innerText === "the rate"`)
	if got, want := tb.text("[data-to=why]"), "The rate that was configured is reached."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	tb.wait(`document.querySelector(".held li").innerText.startsWith("The rate")`)
	if eval[bool](tb, `document.documentElement.scrollWidth > document.documentElement.clientWidth`) {
		t.Error("the page is wider than a phone")
	}
	tb.do(chromedp.Focus(chromedp.CSS(".words summary")), chromedp.KeyEvent(kb.Enter))
	tb.wait(`document.querySelector(".words").open && document.querySelector(".words dd").offsetHeight > 0`)
	cancel()
	for range results {
	}
}

func jobs(n int) <-chan int {
	c := make(chan int, n)
	for i := range n {
		c <- i
	}
	close(c)
	return c
}

func TestTheKeyboardChoosesHowFarBack(t *testing.T) {
	tb := open(t, serve(t, one("geocoder", worked(t))), 1280, 900, "light")
	tb.do(chromedp.Focus(chromedp.CSS("#back input:checked")), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	tb.wait(`known.back === 3600 && location.hash === "#back=3600"`)
	tb.do(chromedp.KeyEvent(kb.ArrowLeft), chromedp.KeyEvent(kb.ArrowLeft))
	tb.wait(`known.back === 60 && document.querySelector("#back input:checked").value === "60"`)
}

func TestTheBrowserShowsAnOpenCircuitAndWhy(t *testing.T) {
	th := throttle(t, func(c *pipeline.Config) {
		c.Breaker, c.Spread = &pipeline.Breaker{Failures: 3, OpenFor: time.Hour}, -1
	})
	tb := open(t, serve(t, one("geocoder", th)), 1280, 900, "dark")
	for range 3 {
		th.RecordFailure(errors.New("503 <script>alert(1)</script>"))
	}
	tb.wait(`document.querySelector("[data-to=circuit]").innerText === "open"`)
	if got := tb.text("[data-to=probe]"); !strings.HasPrefix(got, "asks again in 59 min") && got != "asks again in 60 min" && got != "asks again in 1 h" {
		t.Errorf("got %q, want how long it stays open", got)
	}
	if got := tb.text(".title .state"); got != "circuit open" {
		t.Errorf("got %q", got)
	}
	tb.wait(`document.querySelector(".events li[data-kind=circuit_opened] .what")?.innerText.endsWith("503 <script>alert(1)</script>")`)
}

func TestTheBrowserShowsABudgetThatIsNew(t *testing.T) {
	th := worked(t)
	tb := open(t, serve(t, one("geocoder", th)), 1280, 900, "light")
	cfg := pipeline.Config{Policy: pipeline.Static{}, Budgets: []pipeline.Budget{
		{Name: "calls", Tokens: 50, Window: time.Hour, Requests: true},
		{Name: "letters", Tokens: 10, Window: time.Hour},
		{Tokens: 20, Window: time.Minute},
	}}
	if err := th.Update(cfg); err != nil {
		t.Fatal(err)
	}
	th.RecordTokens(5)
	tb.wait(`document.querySelectorAll(".budgets li").length === 3`)
	tb.wait(`document.querySelector(".budgets li:nth-child(2)").innerText.replace(/\s+/g, " ") === "letters 5 of 10 tokens in the last hour 50 %"`)
	if got, want := tb.text("figure:nth-of-type(4) .legend"), "calls 52 % letters 50 % tokens 25 %"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	tb.wait(`Math.max(...shown.view.charts[3].drawing.data[2]) === 0.5`) // and nothing of the words before them
}

func TestAPhoneNeedsNoScrollingSideways(t *testing.T) {
	long := strings.Repeat("https://service.example.com/", 4) + strings.Repeat("x", 80)
	much := func(c *pipeline.Config) {
		c.TotalJobs = 1_000_000_000
		c.MaxConcurrency, c.InitialConcurrency = 1<<20, 1<<20
		c.MinDispatchInterval = 1234567 * time.Nanosecond
		c.Breaker = &pipeline.Breaker{Failures: 1, OpenFor: time.Hour}
		c.Budgets = []pipeline.Budget{{Name: long, Tokens: 1 << 50, Window: 1234567 * time.Second}}
	}
	for _, others := range []int{0, 2} {
		for _, width := range []int64{360, 320} {
			th := throttle(t, much)
			throttles := one(long, th)
			for i := range others {
				throttles[fmt.Sprint(i)] = throttle(t)
			}
			url := serve(t, throttles)
			tb := open(t, url, width, 740, "light")
			th.RecordSuccess(time.Second, 1<<40)
			th.RecordFailure(errors.New(long))
			for _, back := range []string{"60", "3600"} {
				tb.do(chromedp.Navigate(url + "#back=" + back))
				tb.wait(`known.back === ` + back + ` && document.querySelector(".events li")`)
				if got := eval[int64](tb, `document.documentElement.scrollWidth`); got > width {
					t.Errorf("%d throttles: the page is %d wide on a screen of %d", len(throttles), got, width)
				}
				// Nor is anything cut off that hides its overflow.
				if got := eval[[]string](tb, `[...document.querySelectorAll("dd:not(.sub), .card b, h2")].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.innerText)`); len(got) > 0 {
					t.Errorf("%d throttles, %d wide: cut off: %q", len(throttles), width, got)
				}
			}
		}
	}
}

// contrast measures text against its ground (WCAG 2.2, 1.4.3), and lines of charts
// against theirs (1.4.11).
const contrast = `(() => {
	const rgb = (name) => {
		const c = document.createElement("canvas").getContext("2d");
		c.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
		c.fillRect(0, 0, 1, 1);
		return [...c.getImageData(0, 0, 1, 1).data].slice(0, 3);
	};
	const light = (name) => {
		const [r, g, b] = rgb(name).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
	const bad = [];
	for (const ground of ["ground", "panel"]) {
		for (const name of ["text", "quiet", "accent", "goodput", "refused", "inflight", "open"]) if (ratio(name, ground) < 4.5) bad.push(name + " on " + ground + ": " + ratio(name, ground).toFixed(2));
	}
	for (const name of ["failed", "limit", "interval", "budget-1", "budget-2", "budget-3"]) if (ratio(name, "panel") < 3) bad.push(name + ": " + ratio(name, "panel").toFixed(2));
	return bad;
})()`

func TestItIsReadableInTheDarkAndInTheLight(t *testing.T) {
	url := serve(t, one("geocoder", worked(t)))
	for scheme, want := range map[string]bool{"light": false, "dark": true} {
		tb := open(t, url, 1280, 900, scheme)
		if dark := eval[bool](tb, `getComputedStyle(document.body).backgroundColor.match(/\d+/g).every((v) => v < 64)`); dark != want {
			t.Errorf("%s: dark is %v", scheme, dark)
		}
		if bad := eval[[]string](tb, contrast); len(bad) > 0 {
			t.Errorf("%s: too little contrast: %q", scheme, bad)
		}
		// The charts follow, also when it changes.
		line := `shown.view.charts[0].drawing.series[1].stroke()`
		before := eval[string](tb, line)
		other := map[string]string{"light": "dark", "dark": "light"}[scheme]
		tb.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: other}},
			})
			return err
		}))
		tb.wait(line + fmt.Sprintf(` !== %q`, before))
	}
}

func TestAScreenReaderIsToldWhatThereIs(t *testing.T) {
	url := serve(t, map[string]*pipeline.Throttle{"geocoder": worked(t), "other": throttle(t)})
	tb := open(t, url+"#throttle=geocoder", 1280, 900, "light")
	tb.wait(`document.querySelector(".tiles")`)
	for what, expression := range map[string]string{
		"controls without a name":    `[...document.querySelectorAll("input, a, button")].filter((e) => !(e.labels?.[0] ?? e).textContent.trim()).length`,
		"pictures without a text":    `[...document.querySelectorAll("[role=img]")].filter((e) => !e.getAttribute("aria-label")).length + document.querySelectorAll("img:not([alt])").length`,
		"bars without a name":        `document.querySelectorAll("progress:not([aria-label])").length`,
		"headings that are missing":  `[1, 2].filter((n) => !document.querySelector("h" + n)).length`,
		"first headings beyond one":  `document.querySelectorAll("h1").length - 1`,
		"languages that are missing": `document.documentElement.lang ? 0 : 1`,
	} {
		if got := eval[int](tb, expression); got != 0 {
			t.Errorf("%s: %d", what, got)
		}
	}
	label := eval[string](tb, `document.querySelector("figure:nth-of-type(2) .plot").getAttribute("aria-label")`)
	if want := "In flight under the limit, the last minute. in flight: now 1, from 1 to 1; limit: now 5, from 5 to 5."; label != want {
		t.Errorf("got %q, want %q", label, want)
	}
	if got := eval[string](tb, `document.getElementById("link").getAttribute("role")`); got != "status" {
		t.Errorf("got %q, want that the connection is lost to be read out", got)
	}
}

func TestThePageRecoversWhenTheServerComesBack(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	run := func(listener net.Listener, th *pipeline.Throttle) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		mux := http.NewServeMux()
		mux.Handle("/pace/", New(ctx, one("geocoder", th)))
		server := &http.Server{Handler: mux}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()
		return func() {
			cancel()
			server.Close()
			<-served
		}
	}
	stop := run(listener, worked(t))
	tb := open(t, "http://"+addr+"/pace/", 1280, 900, "light")
	tb.cut = true
	stop()
	tb.wait(`document.body.className === "lost" && document.getElementById("link").innerText.startsWith("connection lost")`)
	if got := tb.text("[data-to=done]"); !strings.HasPrefix(got, "20 done") {
		t.Errorf("got %q, want the last numbers to stay", got)
	}
	if listener, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	stop = run(listener, throttle(t))
	defer stop()
	tb.wait(`document.body.className === "live" && document.querySelector("[data-to=done]").innerText === "0 done"`)
	if got := eval[int](tb, `[...known.throttles.values()][0].history.t.length`); got > 15 {
		t.Errorf("got %d points, want those of the old server to be gone", got)
	}
}

func TestAPageThatHasEndedIsSaidToBeLost(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	mux := http.NewServeMux()
	mux.Handle("/pace/", New(ctx, one("geocoder", worked(t))))
	server := httptest.NewServer(mux)
	defer server.Close()
	tb := open(t, server.URL+"/pace/", 1280, 900, "light")
	tb.cut = true
	cancel() // answers 503 from now on
	tb.wait(`document.body.className === "lost"`)
}
