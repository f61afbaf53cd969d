package server

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestEachKeyHasQuotasOfItsOwn: one that is used up does not keep another from being answered, and a caller without any of the keys is refused.
func TestEachKeyHasQuotasOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := Config{Keys: []Key{{"a", 2, 1000}, {"b", 1, 1000}}}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{cfg: cfg, clock: cfg.Clock, books: cfg.books(time.Now()), desk: make(chan func()), closed: make(chan struct{})}
		go s.keep()
		defer close(s.closed)
		got := ""
		for _, key := range []string{"a", "b", "a", "b", "a"} {
			v := s.admit(key, usage{10, 10})
			if v.status == http.StatusOK {
				s.end(v, answered, usage{10, 5})
				got += key
			}
		}
		if got != "aba" {
			t.Errorf("got %q let in, want aba", got)
		}
		a, inA := s.OfKey("a")
		b, _ := s.OfKey("b")
		if a.Answered != 2 || a.RefusedRequests != 1 || inA.Tokens != 30 || b.Answered != 1 || b.RefusedRequests != 1 || s.Stats().Answered != 3 {
			t.Errorf("got %+v, %+v and %+v in all", a, b, s.Stats())
		}
		for key, want := range map[string]bool{"a": true, "b": true, "": false, "c": false} {
			if s.knowsKey(key) != want {
				t.Errorf("key %q: got %v, want %v", key, !want, want)
			}
		}
	})
}

func TestKeysAreChecked(t *testing.T) {
	for want, c := range map[string]Config{
		"beside a key": {Key: "a", Keys: []Key{{"b", 1, 1}}},
		"keys[0]":      {Keys: []Key{{"", 1, 1}}},
		"keys[1]":      {Keys: []Key{{"a", 1, 1}, {"a", 1, 1}}},
		"requests":     {Keys: []Key{{"a", 0, 1}}},
		"tokens":       {Keys: []Key{{"a", 1, 0}}},
	} {
		if _, err := c.withDefaults(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q in it", c, err, want)
		}
	}
}
