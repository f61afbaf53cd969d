package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/paceline-go/paceline/examples/llm/batchfile"
)

// batched makes the run of a fixture that of a Batch file.
func (f *fixture) batched(t *testing.T, lines ...string) {
	t.Helper()
	f.batch, f.errors, f.limit = filepath.Join(t.TempDir(), "batch.jsonl"), f.out+".errors", 0
	if err := os.WriteFile(f.batch, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// chatLine is a request of a Batch file.
func chatLine(id string) string {
	return fmt.Sprintf(`{"custom_id":%q,"method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello, %s"}],"max_tokens":20}}`, id, id)
}

// linesOf reads a file as OpenAI's reference describes it (the request output object): each line has the four fields and no other, and
// either a response or an error, with each of their fields.
func linesOf(t *testing.T, path string) map[string]batchfile.Line {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, ids := map[string]batchfile.Line{}, map[string]bool{}
	for text := range bytes.Lines(data) {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatalf("got %s: %v", text, err)
		}
		for _, name := range []string{"id", "custom_id", "response", "error"} {
			if _, has := fields[name]; !has || len(fields) != 4 {
				t.Errorf("got %s, want %s and the other three fields", text, name)
			}
		}
		var inner map[string]json.RawMessage
		want := []string{"status_code", "request_id", "body"}
		part := fields["response"]
		if string(part) == "null" {
			want, part = []string{"code", "message"}, fields["error"]
		} else if string(fields["error"]) != "null" {
			t.Errorf("got a response and an error: %s", text)
		}
		if err := json.Unmarshal(part, &inner); err != nil {
			t.Errorf("got %s: %v", text, err)
		}
		for _, name := range want {
			if _, has := inner[name]; !has || len(inner) != len(want) {
				t.Errorf("got %s, want %s in it, and nothing but %s", part, name, want)
			}
		}
		var l batchfile.Line
		if err := json.Unmarshal(text, &l); err != nil {
			t.Errorf("got %s: %v", text, err)
		}
		if ids[l.ID] || l.ID == "" {
			t.Errorf("got id %q, want one that no other line has", l.ID)
		}
		ids[l.ID], all[l.CustomID] = true, l
	}
	if len(all) != len(ids) {
		t.Errorf("%s: got %d lines for %d custom_ids", path, len(ids), len(all))
	}
	return all
}

// TestABatchFileGivesAnOutputAndAnErrorFile: what is answered is in the one, as OpenAI's SDK reads it, what is not in the other, with
// what the server said last; a bad line holds up no other.
func TestABatchFileGivesAnOutputAndAnErrorFile(t *testing.T) {
	f := newFixture(t)
	f.retries = 2
	f.batched(t, "\ufeff"+chatLine("one"), "", chatLine("refused"), chatLine("broken"), chatLine("cut"), chatLine("two"),
		`{"custom_id":"get","method":"GET","url":"/v1/chat/completions","body":{}}`,
		`{"custom_id":"no model","method":"POST","url":"/v1/chat/completions","body":{"model":"none","messages":[{"role":"user","content":"x"}]}}`)
	f.before(func(_ int64, w http.ResponseWriter, r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		switch {
		case bytes.Contains(body, []byte("Hello, refused")):
			w.Header().Set("X-Request-Id", "req_7")
			http.Error(w, `{"error":{"message":"too long","code":"context_length_exceeded"}}`, http.StatusBadRequest)
		case bytes.Contains(body, []byte("Hello, broken")):
			http.Error(w, "<html>", http.StatusInternalServerError)
		case bytes.Contains(body, []byte("Hello, cut")):
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	})
	sum := f.run(t, t.Context())
	if sum.complete() || sum.answered != 2 || len(sum.failures) != 4 || len(sum.bad()) != 1 {
		t.Errorf("got %d answered, %d failed, %d bad, want 2, 4, 1", sum.answered, len(sum.failures), len(sum.bad()))
	}
	out, failed := linesOf(t, f.out), linesOf(t, f.errors)
	if len(out) != 2 || len(failed) != 5 {
		t.Errorf("got %d lines and %d errors, want 2 and 5", len(out), len(failed))
	}
	for _, id := range []string{"one", "two"} {
		var c openai.ChatCompletion
		r := out[id].Response
		if r == nil || r.StatusCode != http.StatusOK || !strings.HasPrefix(r.RequestID, "req_") {
			t.Fatalf("%s: got %+v, want a response", id, r)
		}
		if err := json.Unmarshal(r.Body, &c); err != nil || c.Usage.TotalTokens == 0 || !strings.HasSuffix(c.Choices[0].Message.Content, "Hello, "+id) {
			t.Errorf("%s: got %s, want its answer; %v", id, r.Body, err)
		}
	}
	for id, want := range map[string]int{"refused": 400, "broken": 500, "no model": 404} {
		if r := failed[id].Response; r == nil || r.StatusCode != want {
			t.Errorf("%s: got %+v, want a response with %d", id, r, want)
		}
	}
	if r := failed["refused"].Response; r != nil && (r.RequestID != "req_7" || !bytes.Contains(r.Body, []byte("context_length_exceeded"))) {
		t.Errorf("refused: got %+v, want what the server said", r)
	}
	for id, want := range map[string]string{"cut": "request_failed", "get": batchfile.InvalidMethod} {
		if e := failed[id].Error; e == nil || e.Code != want {
			t.Errorf("%s: got %+v, want %s", id, e, want)
		}
	}
}

// TestABatchGoesOnWhereItWas: what is answered is not sent again, what failed is, and the error file is then empty. Another request
// with an old custom_id is an error.
func TestABatchGoesOnWhereItWas(t *testing.T) {
	f := newFixture(t)
	f.retries = 1
	f.batched(t, chatLine("one"), chatLine("two"), chatLine("three"))
	down := hook(func(call int64, w http.ResponseWriter, _ *http.Request) bool {
		if call == 2 {
			http.Error(w, "{}", http.StatusBadRequest)
		}
		return call == 2
	})
	f.before(down)
	if sum := f.run(t, t.Context()); sum.answered != 2 {
		t.Errorf("got %d answered, want 2", sum.answered)
	}
	if sum := f.run(t, t.Context()); !sum.complete() || sum.before != 2 || f.calls.Load() != 4 {
		t.Errorf("again: got %d from before and %d calls in all, want 2 and 4", sum.before, f.calls.Load())
	}
	if out, failed := linesOf(t, f.out), linesOf(t, f.errors); len(out) != 3 || len(failed) != 0 {
		t.Errorf("got %d answers and %d errors, want 3 and none", len(out), len(failed))
	}
	f.batched(t, strings.Replace(chatLine("one"), "Hello", "Goodbye", 1))
	if _, err := f.try(t.Context(), new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), `another request for "one"`) {
		t.Errorf("got %v, want that the request is another one", err)
	}
}

// TestTheBatchFileInDataIsGood: the run that the README names sends all of it.
func TestTheBatchFileInDataIsGood(t *testing.T) {
	file, err := os.Open("data/batch.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	good, bad, err := batchfile.Read(file)
	if err != nil || len(good) != 84 || len(bad) != 0 {
		t.Errorf("got %d requests, %v, %v; want 84 and no bad line", len(good), bad, err)
	}
}

func TestFlagsOfABatch(t *testing.T) {
	for want, args := range map[string][]string{
		"-provider: got \"anthropic\" beside -batch": {"-batch", "x", "-provider", "anthropic"},
		"-prompts: got \"y\" beside -batch":          {"-batch", "x", "-prompts", "y"},
		"-stream: got true beside -batch":            {"-batch", "x", "-stream"},
		"-errors: got \"y\" without -batch":          {"-errors", "y"},
		"-prices: got none beside -batch":            {"-batch", "x", "-dollars", "1"},
	} {
		if _, err := parse(args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", args, err, want)
		}
	}
}
