package pacepage

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paceline-go/paceline/pipeline"
)

// A line is what a viewer reads, message by message.
type line struct {
	header   http.Header
	messages chan string
	stuck    chan struct{} // closed: he reads again
}

func newLine() *line { return &line{make(http.Header), make(chan string, 1000), make(chan struct{})} }

func (l *line) Header() http.Header { return l.header }
func (l *line) WriteHeader(int)     {}
func (l *line) Flush()              {}

func (l *line) Write(b []byte) (int, error) {
	<-l.stuck
	l.messages <- string(b)
	return len(b), nil
}

// view has a viewer look until ctx is done, and tells when he has left.
func (l *line) view(ctx context.Context, h http.Handler, query string) (left chan struct{}) {
	left = make(chan struct{})
	go func() {
		defer close(left)
		h.ServeHTTP(l, httptest.NewRequestWithContext(ctx, http.MethodGet, "/stream"+query, nil))
	}()
	return left
}

func (l *line) next(t *testing.T) (doc, string) {
	t.Helper()
	message := <-l.messages
	head, text, ok := strings.Cut(message, "data: ")
	if !ok || !strings.HasSuffix(text, "\n\n") || strings.Count(text, "\n") != 2 {
		t.Fatalf("got %q, want one message with one line of data", message)
	}
	return read(t, []byte(text)), head
}

func TestAViewerIsToldTheWholeAndThenWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := throttle(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		page := New(ctx, one("geocoder", th))
		time.Sleep(99*time.Second + time.Millisecond)
		l := newLine()
		close(l.stuck)
		l.view(ctx, page, "?throttle=geocoder&back=600")

		whole, head := l.next(t)
		if !whole.Whole || len(whole.Throttles[0].History.T) != 51 || head != "retry: 1000\n" {
			t.Errorf("got %+v after %q, want the whole", whole, head)
		}
		if got := l.header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("got %q", got)
		}
		th.Close()
		first, _ := l.next(t)
		second, _ := l.next(t)
		if first.Whole || len(first.Throttles[0].History.T) != 1 || first.At != whole.At+1 {
			t.Errorf("got %+v, want one step, a second later", first)
		}
		last := whole.Throttles[0].History.T[50]
		if again := first.Throttles[0].History.T[0]; *again != *last {
			t.Errorf("got a step that began at %v, want that of %v once more: it goes on", *again, *last)
		}
		if again := second.Throttles[0].History.T[0]; *again != *last+2 {
			t.Errorf("got a step that began at %v, want the one behind %v", *again, *last)
		}
		if len(first.Events) == 0 || first.Events[0].Kind != "closed" || len(second.Events) != 0 {
			t.Errorf("got %+v and %+v, want the end told once", first.Events, second.Events)
		}
	})
}

func TestASlowViewerIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		page := New(ctx, one("geocoder", throttle(t)))
		slow, quick := newLine(), newLine()
		close(quick.stuck)
		left := slow.view(ctx, page, "")
		quick.view(ctx, page, "")
		time.Sleep(2 * patience * tick)
		synctest.Wait()
		if got := len(quick.messages); got < 2*patience-1 {
			t.Errorf("the quick one was told %d times in %v", got, 2*patience*tick)
		}
		close(slow.stuck)
		<-left // what he was told before is given him still
		if got := len(slow.messages); got > patience+2 {
			t.Errorf("the slow one was told %d times, want no more than %d", got, patience+2)
		}
	})
}

func TestAViewerWhoLeavesIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		h := New(ctx, one("geocoder", throttle(t)))
		viewing, leave := context.WithCancel(ctx)
		l := newLine()
		close(l.stuck)
		left := l.view(viewing, h, "")
		<-l.messages
		leave()
		<-left
		time.Sleep(tick)
		var viewers int
		if err := h.(*page).ask(ctx, func(b *board) { viewers = len(b.viewers) }); err != nil || viewers != 0 {
			t.Errorf("got %d viewers and %v, want none", viewers, err)
		}
	})
}

func TestTheStreamEndsWithThePage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		page := New(ctx, one("geocoder", throttle(t)))
		l := newLine()
		close(l.stuck)
		left := l.view(t.Context(), page, "")
		<-l.messages
		cancel()
		<-left
	})
}

// broken is a viewer who cannot be written to after some messages.
type broken struct {
	*line
	after int
}

func (b *broken) Write(text []byte) (int, error) {
	if b.after--; b.after < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(text), nil
}

func TestABrokenConnectionEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		page := New(ctx, one("geocoder", throttle(t)))
		for after := range 3 {
			page.ServeHTTP(&broken{newLine(), after}, httptest.NewRequest(http.MethodGet, "/stream", nil))
		}
		if ctx.Err() != nil {
			t.Error("the stream went on until the page ended")
		}
	})
}

func TestManyViewersAreToldOneText(t *testing.T) {
	b := newBoard(nil)
	var viewers []*viewer
	for range 100 {
		v := newViewer(view{})
		b.viewers[v] = struct{}{}
		viewers = append(viewers, v)
	}
	b.tell()
	first := <-viewers[0].told
	for _, v := range viewers[1:] {
		if text := <-v.told; &text[0] != &first[0] {
			t.Fatal("the same is encoded again for each viewer")
		}
	}
}

func TestNobodyWaitsForAPageThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		page := Of(ctx, func() iter.Seq2[string, *pipeline.Throttle] {
			<-held
			return func(func(string, *pipeline.Throttle) bool) {}
		})
		defer close(held)
		for _, path := range []string{"/data.json", "/stream"} {
			asking, end := context.WithTimeout(t.Context(), time.Minute)
			defer end()
			w := httptest.NewRecorder()
			page.ServeHTTP(w, httptest.NewRequestWithContext(asking, http.MethodGet, path, nil))
			if w.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: got %d, want 503 for who gives up", path, w.Code)
			}
		}
	})
}
