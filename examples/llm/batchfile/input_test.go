package batchfile

import (
	"strings"
	"testing"
)

func TestEachBadLineIsTold(t *testing.T) {
	const good = `{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"input":"x"}}`
	for text, want := range map[string]string{
		`[]`: InvalidJSON,
		`{"method":"POST","url":"/v1/embeddings","body":{}}`:                                         MissingField,
		`{"custom_id":"b","method":"post","url":"/v1/embeddings","body":{}}`:                         InvalidMethod,
		`{"custom_id":"b","method":"POST","url":"/v1/files","body":{}}`:                              InvalidURL,
		`{"custom_id":"b","method":"POST","url":"/v1/embeddings"}`:                                   MissingField,
		`{"custom_id":"b","method":"POST","url":"/v1/embeddings","body":null}`:                       MissingField,
		`{"custom_id":"b","method":"POST","url":"/v1/embeddings","body":"x"}`:                        InvalidBody,
		`{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"stream":"yes"}}`:     InvalidBody,
		`{"custom_id":"b","method":"POST","url":"/v1/chat/completions","body":{"stream":true}}`:      StreamRequested,
		`{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"input":"something else"}}`: DuplicateID,
	} {
		requests, bad, err := Read(strings.NewReader(good + "\r\n\n" + text))
		if err != nil || len(requests) != 1 || requests[0].CustomID != "a" || string(requests[0].Body) != `{"input":"x"}` {
			t.Errorf("%s: got %+v, %v; want the good line alone", text, requests, err)
		}
		if len(bad) != 1 || bad[0].Error.Code != want || !strings.HasPrefix(bad[0].Error.Message, "line 3: ") {
			t.Errorf("%s: got %+v, want %s in line 3", text, bad, want)
		}
	}
}

func TestABodyThatIsNoJSONIsAString(t *testing.T) {
	if l := Answered(Request{}, 502, "", []byte("<html>")); string(l.Response.Body) != `"\u003chtml\u003e"` {
		t.Errorf("got %s, want a string", l.Response.Body)
	}
}

// FuzzRead: whatever the file, each line that is not blank is a request or a bad one, and no two requests have one id.
func FuzzRead(f *testing.F) {
	f.Add(`{"custom_id":"a","method":"POST","url":"/v1/responses","body":{}}` + "\n{}\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		good, bad, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		lines, ids := 0, map[string]bool{}
		for _, l := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
			if strings.TrimSpace(l) != "" {
				lines++
			}
		}
		for _, r := range good {
			ids[r.CustomID] = true
		}
		if len(good)+len(bad) != lines || len(ids) != len(good) {
			t.Errorf("got %d good with %d ids and %d bad, want %d in all", len(good), len(ids), len(bad), lines)
		}
	})
}
