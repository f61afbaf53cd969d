package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/paceline-go/paceline/examples/llm/tokens"
)

// chatRequest is what we read of a request: OpenAI API reference, "Create chat completion".
type chatRequest struct {
	Model               string        `json:"model"`
	Messages            []chatMessage `json:"messages"`
	MaxCompletionTokens *int64        `json:"max_completion_tokens"`
	MaxTokens           *int64        `json:"max_tokens"` // its former name
	N                   *int64        `json:"n"`
	Seed                *int64        `json:"seed"`
	Stream              bool          `json:"stream"`
	StreamOptions       *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

type chatMessage struct {
	Role    string `json:"role"`
	Content text   `json:"content"`
}

// text is a string, or a list of parts, of which we take those of text.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
		return nil
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(data, &parts); err != nil {
		return fmt.Errorf("content: want a string or a list of parts")
	}
	var all strings.Builder
	for _, p := range parts {
		all.WriteString(p.Text)
	}
	*t = text(all.String())
	return nil
}

type chatCompletion struct {
	ID                string       `json:"id"`
	Object            string       `json:"object"`
	Created           int64        `json:"created"`
	Model             string       `json:"model"`
	Choices           []chatChoice `json:"choices"`
	Usage             *chatUsage   `json:"usage,omitempty"`
	SystemFingerprint string       `json:"system_fingerprint"`
}

type chatChoice struct {
	Index        int        `json:"index"`
	Message      *chatReply `json:"message,omitempty"` // of a whole answer
	Delta        *chatDelta `json:"delta,omitempty"`   // of a part of one
	Logprobs     *struct{}  `json:"logprobs"`          // null
	FinishReason *string    `json:"finish_reason"`
}

type chatReply struct {
	Role    string  `json:"role"`
	Content string  `json:"content"`
	Refusal *string `json:"refusal"`
}

type chatDelta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

type chatUsage struct {
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	TotalTokens      int64 `json:"total_tokens"`
}

// chatError is the body of all that is not 200.
type chatError struct {
	Error chatErrorBody `json:"error"`
}

type chatErrorBody struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

const organization = "org-embedded"

// longestAnswer is that of gpt-4o.
const longestAnswer = 16_384

func (s *Server) chatCompletions(w http.ResponseWriter, r *http.Request) {
	arrived := s.clock.Now()
	req, status, fault := s.readChat(r)
	if fault != nil {
		s.reject()
		sendJSON(w, status, chatError{*fault})
		return
	}
	prompt := s.count.Chat(req.conversation()...)
	most := req.most()
	v := s.admit(bearer(r), usage{prompt, most})
	chatHeader(w.Header(), v)
	switch v.status {
	case http.StatusServiceUnavailable:
		sendJSON(w, v.status, chatError{chatErrorBody{Message: "The engine is currently overloaded, please try again later", Type: "service_unavailable"}})
		return
	case http.StatusTooManyRequests:
		sendJSON(w, v.status, chatError{tooMany(req.Model, v)})
		return
	}
	a := reply(s.count, req.prompt(), req.seed(), most)
	used := usage{prompt, a.tokens}
	envelope := chatCompletion{
		ID: "chatcmpl-" + v.id, Created: arrived.Unix(), Model: req.Model, SystemFingerprint: "fp_embedded", Choices: []chatChoice{},
	}
	if req.Stream && v.status == http.StatusOK {
		s.streamChat(w, r, req, v, envelope, a, used)
		return
	}
	if !s.write(r.Context(), a, nil) {
		s.end(v, abandoned, usage{})
		return
	}
	w.Header().Set("Openai-Processing-Ms", strconv.FormatInt(milliseconds(s.clock.Since(arrived)), 10))
	if v.status != http.StatusOK {
		s.end(v, failed, usage{})
		sendJSON(w, v.status, chatError{chatErrorBody{Message: "The server had an error while processing your request. Sorry about that!", Type: "server_error"}})
		return
	}
	envelope.Object, envelope.Usage = "chat.completion", used.chat()
	envelope.Choices = append(envelope.Choices, chatChoice{
		Message:      &chatReply{Role: "assistant", Content: a.text()},
		FinishReason: a.finish(),
	})
	s.end(v, answered, used) // before the answer, so that who has it has been charged for it
	sendJSON(w, v.status, envelope)
}

// streamChat sends an answer as it is written. The last part but one says why it ends; usage, if it is wanted, comes after it, in
// a part without choices.
func (s *Server) streamChat(w http.ResponseWriter, r *http.Request, req chatRequest, v verdict, part chatCompletion, a answer, used usage) {
	part.Object = "chat.completion.chunk"
	out := newEvents(w)
	w.Header().Set("Openai-Processing-Ms", strconv.FormatInt(milliseconds(s.cfg.scale(s.cfg.FirstToken)), 10))
	send := func(c chatChoice) {
		part.Choices = []chatChoice{c}
		out.send("", part)
	}
	empty := ""
	send(chatChoice{Delta: &chatDelta{Role: "assistant", Content: &empty}})
	all := s.write(r.Context(), a, func(piece string) {
		send(chatChoice{Delta: &chatDelta{Content: &piece}})
	})
	if !all {
		s.end(v, abandoned, usage{})
		return
	}
	s.end(v, answered, used)
	send(chatChoice{Delta: &chatDelta{}, FinishReason: a.finish()})
	if req.StreamOptions != nil && req.StreamOptions.IncludeUsage {
		part.Choices, part.Usage = []chatChoice{}, used.chat()
		out.send("", part)
	}
	out.sendRaw("[DONE]")
}

func (u usage) chat() *chatUsage {
	return &chatUsage{PromptTokens: u.input, CompletionTokens: u.output, TotalTokens: u.total()}
}

func (a answer) finish() *string {
	reason := "stop"
	if a.cut {
		reason = "length"
	}
	return &reason
}

// readChat returns what is wrong with a request, if anything is.
func (s *Server) readChat(r *http.Request) (req chatRequest, status int, fault *chatErrorBody) {
	bad := func(param, format string, args ...any) *chatErrorBody {
		return &chatErrorBody{Message: fmt.Sprintf(format, args...), Type: "invalid_request_error", Param: &param}
	}
	key := bearer(r)
	switch {
	case key == "":
		return req, http.StatusUnauthorized, &chatErrorBody{Message: "You didn't provide an API key. You need to provide your API key in an Authorization header " +
			"using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).", Type: "invalid_request_error"}
	case !s.knowsKey(key):
		code := "invalid_api_key"
		return req, http.StatusUnauthorized, &chatErrorBody{Message: "Incorrect API key provided.", Type: "invalid_request_error", Code: &code}
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, mostBody)).Decode(&req); err != nil {
		return req, http.StatusBadRequest, &chatErrorBody{Message: "We could not parse the JSON body of your request: " + err.Error(), Type: "invalid_request_error"}
	}
	switch {
	case req.Model == "":
		return req, http.StatusBadRequest, bad("model", "you must provide a model parameter")
	case !knows(req.Model):
		code := "model_not_found"
		return req, http.StatusNotFound, &chatErrorBody{Message: fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", req.Model), Type: "invalid_request_error", Code: &code}
	case len(req.Messages) == 0:
		return req, http.StatusBadRequest, bad("messages", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case req.most() < 1 || req.most() > longestAnswer:
		return req, http.StatusBadRequest, bad("max_completion_tokens", "Invalid 'max_completion_tokens': got %d, want 1 to %d.", req.most(), longestAnswer)
	case req.N != nil && *req.N != 1:
		return req, http.StatusBadRequest, bad("n", "Invalid 'n': got %d, want 1; the embedded server gives no more.", *req.N)
	case req.StreamOptions != nil && !req.Stream:
		return req, http.StatusBadRequest, bad("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	for i, m := range req.Messages {
		switch m.Role {
		case "developer", "system", "user", "assistant":
		default:
			param := fmt.Sprintf("messages[%d].role", i)
			return req, http.StatusBadRequest, bad(param, "Invalid value: '%s'. Supported values are: 'developer', 'system', 'user' and 'assistant'.", m.Role)
		}
	}
	return req, http.StatusOK, nil
}

// bearer returns the key of a request; "": it has none.
func bearer(r *http.Request) string {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return ""
	}
	return key
}

// mostBody is how large a request may be.
const mostBody = 1 << 20

func (r chatRequest) most() int64 {
	switch {
	case r.MaxCompletionTokens != nil:
		return *r.MaxCompletionTokens
	case r.MaxTokens != nil:
		return *r.MaxTokens
	}
	return longestAnswer
}

func (r chatRequest) seed() int64 {
	if r.Seed == nil {
		return 0
	}
	return *r.Seed & (1<<62 - 1)
}

// prompt is what is answered: the last message.
func (r chatRequest) prompt() string { return string(r.Messages[len(r.Messages)-1].Content) }

func (r chatRequest) conversation() []tokens.Message {
	var all []tokens.Message
	for _, m := range r.Messages {
		all = append(all, tokens.Message{Role: m.Role, Text: string(m.Content)})
	}
	return all
}

// tooMany says it as OpenAI does; see bucket.
func tooMany(model string, v verdict) chatErrorBody {
	unit := map[string]string{"requests": "requests per min (RPM)", "tokens": "tokens per min (TPM)"}[v.quota]
	unit = cmp.Or(unit, v.quota+" per min")
	code := "rate_limit_exceeded"
	body := chatErrorBody{Type: v.quota, Code: &code}
	if v.retryAfter == 0 {
		body.Message = fmt.Sprintf("Request too large for %s in organization %s on %s: Limit %d, Requested %d. "+
			"The input or output tokens must be reduced in order to run successfully. "+
			"Visit https://platform.openai.com/account/rate-limits to learn more.", model, organization, unit, v.limit, v.requested)
		return body
	}
	body.Message = fmt.Sprintf("Rate limit reached for %s in organization %s on %s: Limit %d, Used %d, Requested %d. Please try again in %s. "+
		"Visit https://platform.openai.com/account/rate-limits to learn more.", model, organization, unit, v.limit, v.used, v.requested, duration(v.retryAfter))
	return body
}

// chatHeader tells of the limits: OpenAI, "Rate limits in headers". They are those of the request's arrival.
func chatHeader(h http.Header, v verdict) {
	h.Set("X-Request-Id", "req_"+v.id)
	h.Set("Openai-Version", "2020-10-01")
	h.Set("Openai-Organization", organization)
	for _, q := range v.quotas {
		h.Set("X-Ratelimit-Limit-"+q.name, strconv.FormatInt(q.limit, 10))
		h.Set("X-Ratelimit-Remaining-"+q.name, strconv.FormatInt(q.remaining, 10))
		h.Set("X-Ratelimit-Reset-"+q.name, duration(q.reset))
	}
	if v.retryAfter > 0 {
		retryAfter(h, v.retryAfter)
	}
}

func sendJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a caller who is gone by now learns nothing
}
