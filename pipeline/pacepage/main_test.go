package pacepage

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/paceline-go/paceline/pipeline"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// throttle returns one that leaves its limit of 5 as it is.
func throttle(t *testing.T, change ...func(*pipeline.Config)) *pipeline.Throttle {
	t.Helper()
	cfg := pipeline.Config{Policy: pipeline.Static{}}
	for _, c := range change {
		c(&cfg)
	}
	th, err := pipeline.NewThrottle(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

func one(name string, t *pipeline.Throttle) map[string]*pipeline.Throttle {
	return map[string]*pipeline.Throttle{name: t}
}

// answer is what a GET of a path is answered.
func answer(h http.Handler, path string) *httptest.ResponseRecorder {
	return do(h, http.MethodGet, path)
}

func do(h http.Handler, method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), method, path, nil))
	return w
}

// doc is the document that others read, as they would.
type doc struct {
	At, Back, Step float64
	Whole          bool
	Throttles      []struct {
		Name     string
		Snapshot map[string]any
		History  struct {
			T, Concurrency, Waiting, Refused, Failed []*float64
			InFlight                                 []*float64 `json:"in_flight"`
			DispatchInterval                         []*float64 `json:"dispatch_interval"`
			Goodput                                  []*float64
			Circuit                                  []string
			Held                                     map[string][]*float64
			Budgets                                  [][]*float64
		}
	}
	Events []struct {
		ID                            int64
		Throttle, Subject, Kind, Text string
		At, Until                     float64
		Times                         int
	}
	Keys *struct {
		At, Waiting         float64
		Count               int
		HeldUp              int `json:"held_up"`
		InFlight            int `json:"in_flight"`
		Completed, Refusals *int64
		Goodput, Refused    *float64
		Inside, Buffer      int
		StoppedBy           string `json:"stopped_by"`
		Rows                []struct {
			Key              string
			HeldUp           bool `json:"held_up"`
			Goodput, Refused *float64
			Snapshot         map[string]any
		}
	}
}

func read(t *testing.T, text []byte) doc {
	t.Helper()
	var d doc
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return d
}

func data(t *testing.T, h http.Handler, query string) doc {
	t.Helper()
	w := answer(h, "/pace/data.json"+query)
	if w.Code != http.StatusOK {
		t.Fatalf("got %d: %s", w.Code, w.Body)
	}
	return read(t, w.Body.Bytes())
}
