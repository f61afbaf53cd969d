package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paceline-go/paceline/examples/command/commandtest"
	"github.com/paceline-go/paceline/examples/service"
	"github.com/paceline-go/paceline/pipeline"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// screen is an output that tells the page's address when it is printed.
type screen struct {
	mu      sync.Mutex
	text    bytes.Buffer
	address chan string
}

var address = regexp.MustCompile(`http://\S+/`)

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if url := address.Find(b); url != nil {
		s.address <- string(url)
	}
	return s.text.Write(b)
}

// start runs the program until the test's end, or until interrupt is called.
func start(t *testing.T, regions []region) (url string, interrupt func(), ended chan *summary) {
	t.Helper()
	ctx, ctrlC := commandtest.Interruptible(t)
	out := &screen{address: make(chan string, 1)}
	ended = make(chan *summary, 1)
	go func() {
		defer close(ended)
		sum, err := settings{addr: "127.0.0.1:0", concurrency: 8, seed: 1}.dashboard(ctx, regions, out)
		if err != nil {
			t.Error(err)
			close(out.address)
			return
		}
		ended <- sum
	}()
	return <-out.address, ctrlC, ended
}

// look is what the page has to tell.
func look(t *testing.T, url string) map[string]float64 {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	res, err := http.Get(url + "data.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var told struct {
		Throttles []struct {
			Name     string
			Snapshot struct{ Completed float64 }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&told); err != nil {
		t.Fatal(err)
	}
	done := map[string]float64{}
	for _, th := range told.Throttles {
		done[th.Name] = th.Snapshot.Completed
	}
	return done
}

func TestTheRegionsAreOnThePage(t *testing.T) {
	small := []region{
		{name: "here", north: 2, east: 2, service: service.Config{Limits: perSecond(400)}},
		{name: "there", north: 1, east: 1, quota: &pipeline.Budget{Name: "tokens", Tokens: 1 << 20, Window: time.Minute}},
	}
	url, interrupt, ended := start(t, small)
	for done := look(t, url); done["there"] < days; done = look(t, url) {
		if len(done) != 2 {
			t.Fatalf("got %v, want both", done)
		}
	}
	interrupt()
	sum := <-ended
	if !sum.complete() {
		t.Errorf("got %+v, want all that was taken back", sum.surveys[1])
	}
	var text strings.Builder
	sum.print(&text)
	if want := "there    365 of 365 done, 0 failed"; !strings.Contains(text.String(), want) {
		t.Errorf("got\n%s\nwant %q", text.String(), want)
	}
}

func TestAnInterruptFinishesWhatIsInFlight(t *testing.T) {
	url, interrupt, ended := start(t, []region{{name: "slow", north: 90, east: 180, service: service.Config{Latency: 20 * time.Millisecond}}})
	look(t, url)
	interrupt()
	sum := <-ended
	if w := sum.surveys[0]; !sum.complete() || w.done+w.left == 0 || w.done == int64(w.region.total()) {
		t.Errorf("got %d done, %d left, %d failed, want all that was taken answered, and not all taken", w.done, w.left, w.failed)
	}
}

func TestTheLimitsGoRoundAndRound(t *testing.T) {
	for _, r := range regions {
		if err := r.service.Validate(); err != nil {
			t.Errorf("%s: %v", r.name, err)
		}
		jobs := map[job]bool{}
		for j := range (region{north: 3, east: 2}).jobs() {
			jobs[j] = true
		}
		if len(jobs) != 6*days {
			t.Errorf("got %d jobs, want %d", len(jobs), 6*days)
		}
	}
}

func TestAWrongCommandLineIsRefused(t *testing.T) {
	for _, args := range [][]string{{"-concurrency", "0"}, {"more"}, {"-nothing"}} {
		var stderr strings.Builder
		if got := run(args, io.Discard, &stderr); got != 2 || stderr.Len() == 0 {
			t.Errorf("%v: got %d and %q, want 2 and why", args, got, stderr.String())
		}
	}
}
