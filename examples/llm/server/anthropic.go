package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paceline-go/paceline/examples/llm/tokens"
)

// messagesRequest is what we read of a request: Anthropic API reference, "Messages".
type messagesRequest struct {
	Model     string        `json:"model"`
	MaxTokens int64         `json:"max_tokens"`
	System    text          `json:"system"`
	Messages  []chatMessage `json:"messages"`
	Stream    bool          `json:"stream"`
}

type message struct {
	ID           string         `json:"id"`
	Type         string         `json:"type"`
	Role         string         `json:"role"`
	Model        string         `json:"model"`
	Content      []contentBlock `json:"content"`
	StopReason   *string        `json:"stop_reason"`
	StopSequence *string        `json:"stop_sequence"`
	Usage        messageUsage   `json:"usage"`
}

type contentBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type messageUsage struct {
	InputTokens  int64 `json:"input_tokens"`
	OutputTokens int64 `json:"output_tokens"`
}

// statusOverloaded is Anthropic's own, for what others answer with 503.
const statusOverloaded = 529

func (s *Server) messages(w http.ResponseWriter, r *http.Request) {
	req, status, kind, fault := s.readMessages(r)
	if fault != "" {
		s.reject()
		sendMessageError(w, status, kind, fault, "")
		return
	}
	prompt := s.count.Chat(req.conversation()...)
	v := s.admit(r.Header.Get("X-Api-Key"), usage{prompt, req.MaxTokens})
	messagesHeader(w.Header(), s.clock.Now(), v)
	switch v.status {
	case http.StatusServiceUnavailable:
		sendMessageError(w, statusOverloaded, "overloaded_error", "Overloaded", v.id)
		return
	case http.StatusTooManyRequests:
		sendMessageError(w, v.status, "rate_limit_error", fmt.Sprintf("This request would exceed your organization's rate limit of %d %s per minute.", v.limit, strings.ReplaceAll(v.quota, "-", " ")), v.id)
		return
	}
	a := reply(s.count, string(req.Messages[len(req.Messages)-1].Content), 0, req.MaxTokens)
	m := message{ID: "msg_" + v.id, Type: "message", Role: "assistant", Model: req.Model, Content: []contentBlock{}, Usage: messageUsage{InputTokens: prompt}}
	if req.Stream && v.status == http.StatusOK {
		s.streamMessage(w, r, v, m, a)
		return
	}
	if !s.write(r.Context(), a, nil) {
		s.end(v, abandoned, usage{})
		return
	}
	if v.status != http.StatusOK {
		s.end(v, failed, usage{})
		sendMessageError(w, v.status, "api_error", "Internal server error", v.id)
		return
	}
	m.Content = append(m.Content, contentBlock{"text", a.text()})
	m.StopReason, m.Usage.OutputTokens = a.stopReason(), a.tokens
	s.end(v, answered, usage{prompt, a.tokens})
	sendJSON(w, v.status, m)
}

// streamMessage sends an answer as it is written: "Streaming Messages" of the reference.
func (s *Server) streamMessage(w http.ResponseWriter, r *http.Request, v verdict, m message, a answer) {
	out := newEvents(w)
	send := func(kind string, fields map[string]any) {
		fields["type"] = kind
		out.send(kind, fields)
	}
	send("message_start", map[string]any{"message": m})
	send("content_block_start", map[string]any{"index": 0, "content_block": contentBlock{Type: "text"}})
	all := s.write(r.Context(), a, func(piece string) {
		send("content_block_delta", map[string]any{"index": 0, "delta": map[string]any{"type": "text_delta", "text": piece}})
	})
	if !all {
		s.end(v, abandoned, usage{})
		return
	}
	s.end(v, answered, usage{m.Usage.InputTokens, a.tokens})
	send("content_block_stop", map[string]any{"index": 0})
	send("message_delta", map[string]any{
		"delta": map[string]any{"stop_reason": a.stopReason(), "stop_sequence": nil},
		"usage": map[string]any{"output_tokens": a.tokens},
	})
	send("message_stop", map[string]any{})
}

func (a answer) stopReason() *string {
	reason := "end_turn"
	if a.cut {
		reason = "max_tokens"
	}
	return &reason
}

// readMessages returns what is wrong with a request, if anything is.
func (s *Server) readMessages(r *http.Request) (req messagesRequest, status int, kind, fault string) {
	const invalid = "invalid_request_error"
	key := r.Header.Get("X-Api-Key")
	switch {
	case key == "":
		return req, http.StatusUnauthorized, "authentication_error", "x-api-key header is required"
	case !s.knowsKey(key):
		return req, http.StatusUnauthorized, "authentication_error", "invalid x-api-key"
	case r.Header.Get("Anthropic-Version") == "":
		return req, http.StatusBadRequest, invalid, "anthropic-version: header is required"
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, mostBody)).Decode(&req); err != nil {
		return req, http.StatusBadRequest, invalid, "The request body is not valid JSON: " + err.Error()
	}
	switch {
	case !knows(req.Model):
		return req, http.StatusNotFound, "not_found_error", "model: " + req.Model
	case req.MaxTokens < 1 || req.MaxTokens > longestAnswer:
		return req, http.StatusBadRequest, invalid, fmt.Sprintf("max_tokens: got %d, want 1 to %d", req.MaxTokens, longestAnswer)
	case len(req.Messages) == 0:
		return req, http.StatusBadRequest, invalid, "messages: at least one message is required"
	}
	for i, m := range req.Messages {
		if m.Role != "user" && m.Role != "assistant" {
			return req, http.StatusBadRequest, invalid, fmt.Sprintf("messages.%d.role: got %q, want 'user' or 'assistant'", i, m.Role)
		}
	}
	return req, http.StatusOK, "", ""
}

func (r messagesRequest) conversation() []tokens.Message {
	var all []tokens.Message
	if r.System != "" {
		all = append(all, tokens.Message{Role: "system", Text: string(r.System)})
	}
	return append(all, chatRequest{Messages: r.Messages}.conversation()...)
}

// messagesHeader tells of the limits: Anthropic, "Rate limits", "Response headers". They are those of the request's arrival.
func messagesHeader(h http.Header, now time.Time, v verdict) {
	h.Set("Request-Id", "req_"+v.id)
	for _, q := range v.quotas {
		h.Set("Anthropic-Ratelimit-"+q.name+"-Limit", strconv.FormatInt(q.limit, 10))
		h.Set("Anthropic-Ratelimit-"+q.name+"-Remaining", strconv.FormatInt(q.remaining, 10))
		h.Set("Anthropic-Ratelimit-"+q.name+"-Reset", now.Add(q.reset).UTC().Format(time.RFC3339Nano))
	}
	if v.retryAfter > 0 {
		retryAfter(h, v.retryAfter)
	}
}

func sendMessageError(w http.ResponseWriter, status int, kind, text, id string) {
	sendJSON(w, status, map[string]any{
		"type":       "error",
		"error":      map[string]any{"type": kind, "message": text},
		"request_id": "req_" + id,
	})
}
