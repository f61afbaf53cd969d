package server

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// events sends an answer in parts as they come: server-sent events, WHATWG HTML, section 9.2.
type events struct {
	w    http.ResponseWriter
	turn *http.ResponseController
}

func newEvents(w http.ResponseWriter) *events {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	return &events{w, http.NewResponseController(w)}
}

// send sends one part, under a name unless that is empty.
func (e *events) send(name string, part any) {
	data, err := json.Marshal(part)
	if err != nil {
		panic(err) // all parts are our own types
	}
	if name != "" {
		fmt.Fprintf(e.w, "event: %s\n", name)
	}
	e.sendRaw(string(data))
}

func (e *events) sendRaw(data string) {
	fmt.Fprintf(e.w, "data: %s\n\n", data)
	_ = e.turn.Flush() // a caller who is gone is noticed by the context
}
