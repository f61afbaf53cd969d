package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"github.com/paceline-go/paceline/examples/llm/server"
)

const question = "I want you to act as a travel guide. I will write you my location and you will suggest a place to visit near my location. " +
	"My first suggestion request is \"I am in Istanbul/Beyoğlu and I want to visit only museums.\""

// quick is a server that does not make a test wait.
func quick(t *testing.T, cfg server.Config) *server.Server {
	t.Helper()
	cfg.FirstToken, cfg.PerSecond = time.Nanosecond, 1e9
	s, err := server.Start(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openAI(s *server.Server, more ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(s.URL() + "/v1"), option.WithAPIKey("key"), option.WithMaxRetries(0), option.WithHTTPClient(new(http.Client)),
	}, more...)...)
}

func asked(most int64) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:               "gpt-4o-mini",
		Messages:            []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(question)},
		MaxCompletionTokens: openai.Int(most),
	}
}

func TestOpenAIsSDKReadsAnAnswer(t *testing.T) {
	s := quick(t, server.Config{Requests: 60, Tokens: 6_000})
	sdk := openAI(s)
	var res *http.Response
	c, err := sdk.Chat.Completions.New(t.Context(), asked(200), option.WithResponseInto(&res))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Choices) != 1 || !strings.Contains(c.Choices[0].Message.Content, "museums") || c.Choices[0].FinishReason != "stop" ||
		c.Object != "chat.completion" || c.Model != "gpt-4o-mini" || !strings.HasPrefix(c.ID, "chatcmpl-") {
		t.Errorf("got %s, want an answer about museums", c.RawJSON())
	}
	// 3, and 3 + 1 for the role + 3 for the system's text, and 3 + 1 + 49 for the question.
	if u := c.Usage; u.PromptTokens != 63 || u.CompletionTokens < 10 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		t.Errorf("got usage %s, want 63 tokens of the prompt", u.RawJSON())
	}
	for header, want := range map[string]string{
		"X-Ratelimit-Limit-Requests": "60", "X-Ratelimit-Remaining-Requests": "59", "X-Ratelimit-Reset-Requests": "1s",
		"X-Ratelimit-Limit-Tokens": "6000", "X-Ratelimit-Remaining-Tokens": "5737", "X-Ratelimit-Reset-Tokens": "2.63s",
		"Openai-Version": "2020-10-01", "Content-Type": "application/json",
	} {
		if got := res.Header.Get(header); got != want {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
	if id := res.Header.Get("X-Request-Id"); !strings.HasPrefix(id, "req_") {
		t.Errorf("got request id %q, want req_…", id)
	}
	if l := s.Ledger(); l.Requests != 1 || l.Tokens != c.Usage.TotalTokens || l.MostTokens != 263 {
		t.Errorf("got %+v, want one request, first with all that it might use, then with what it did", l)
	}
}

func TestOpenAIsSDKReadsAStream(t *testing.T) {
	s := quick(t, server.Config{})
	sdk := openAI(s)
	whole, err := sdk.Chat.Completions.New(t.Context(), asked(200))
	if err != nil {
		t.Fatal(err)
	}
	params := asked(200)
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := sdk.Chat.Completions.NewStreaming(t.Context(), params)
	var all openai.ChatCompletionAccumulator
	parts := 0
	for stream.Next() {
		parts++
		if !all.AddChunk(stream.Current()) {
			t.Fatalf("part %d does not follow those before: %s", parts, stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := all.Choices[0].Message.Content, whole.Choices[0].Message.Content; got != want {
		t.Errorf("got %q, want %q, as in one piece", got, want)
	}
	if all.Choices[0].FinishReason != "stop" || all.Usage.TotalTokens != whole.Usage.TotalTokens {
		t.Errorf("got finish reason %q and %d tokens, want stop and %d", all.Choices[0].FinishReason, all.Usage.TotalTokens, whole.Usage.TotalTokens)
	}
	if want := int(whole.Usage.CompletionTokens) + 3; parts != want { // the role, the reason, the usage
		t.Errorf("got %d parts, want %d: one for each token, and three", parts, want)
	}
	params.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	stream = sdk.Chat.Completions.NewStreaming(t.Context(), params)
	for stream.Next() {
		if stream.Current().JSON.Usage.Valid() {
			t.Error("got usage, which was not asked for")
		}
	}
}

func TestAnAnswerIsCutAtWhatIsAllowed(t *testing.T) {
	sdk := openAI(quick(t, server.Config{}))
	c, err := sdk.Chat.Completions.New(t.Context(), asked(7))
	if err != nil {
		t.Fatal(err)
	}
	if c.Choices[0].FinishReason != "length" || c.Usage.CompletionTokens != 7 {
		t.Errorf("got %s after %d tokens, want length after 7", c.Choices[0].FinishReason, c.Usage.CompletionTokens)
	}
}

func TestMistakesAreToldAsOpenAIDoes(t *testing.T) {
	s := quick(t, server.Config{Key: "key", Tokens: 1_000})
	for name, c := range map[string]struct {
		option     option.RequestOption
		change     func(*openai.ChatCompletionNewParams)
		status     int
		kind, code string
		param      string
	}{
		"no key":         {option: option.WithHeaderDel("Authorization"), status: 401, kind: "invalid_request_error"},
		"another key":    {option: option.WithAPIKey("other"), status: 401, kind: "invalid_request_error", code: "invalid_api_key"},
		"no such model":  {change: func(p *openai.ChatCompletionNewParams) { p.Model = "gpt-0" }, status: 404, kind: "invalid_request_error", code: "model_not_found"},
		"no messages":    {change: func(p *openai.ChatCompletionNewParams) { p.Messages = p.Messages[:0] }, status: 400, kind: "invalid_request_error", param: "messages"},
		"no answer":      {change: func(p *openai.ChatCompletionNewParams) { p.MaxCompletionTokens = openai.Int(0) }, status: 400, kind: "invalid_request_error", param: "max_completion_tokens"},
		"two answers":    {change: func(p *openai.ChatCompletionNewParams) { p.N = openai.Int(2) }, status: 400, kind: "invalid_request_error", param: "n"},
		"no JSON":        {option: option.WithRequestBody("application/json", []byte("{")), status: 400, kind: "invalid_request_error"},
		"more than all":  {change: func(p *openai.ChatCompletionNewParams) { p.MaxCompletionTokens = openai.Int(1_000) }, status: 429, kind: "tokens", code: "rate_limit_exceeded"},
		"usage unasked":  {change: func(p *openai.ChatCompletionNewParams) { p.StreamOptions.IncludeUsage = openai.Bool(true) }, status: 400, kind: "invalid_request_error", param: "stream_options"},
		"no such method": {option: option.WithJSONSet("messages.0.role", "tool"), status: 400, kind: "invalid_request_error", param: "messages[0].role"},
	} {
		t.Run(name, func(t *testing.T) {
			params := asked(10)
			if c.change != nil {
				c.change(&params)
			}
			var more []option.RequestOption
			if c.option != nil {
				more = append(more, c.option)
			}
			sdk := openAI(s)
			_, err := sdk.Chat.Completions.New(t.Context(), params, more...)
			var said *openai.Error
			if !errors.As(err, &said) {
				t.Fatalf("got %v, want an error of the API", err)
			}
			if said.StatusCode != c.status || said.Type != c.kind || said.Code != c.code || said.Param != c.param || said.Message == "" {
				t.Errorf("got %d %s, want %d, type %q, code %q, param %q", said.StatusCode, said.RawJSON(), c.status, c.kind, c.code, c.param)
			}
		})
	}
	if st := s.Stats(); st.Rejected != 9 || st.RefusedTokens != 1 || st.Requests() != 10 || s.Ledger().Requests != 0 {
		t.Errorf("got %+v, want 9 rejected, 1 refused and none let in", st)
	}
}

func TestWhatIsOverAQuotaIsRefusedAsOpenAIDoes(t *testing.T) {
	for name, c := range map[string]struct {
		cfg      server.Config
		message  string
		kind     string
		after    string
		refusals func(server.Stats) int64
	}{
		"requests": {server.Config{Requests: 3, Minute: time.Minute}, "on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in ", "requests", "20",
			func(s server.Stats) int64 { return s.RefusedRequests }},
		"tokens": {server.Config{Tokens: 700}, "on tokens per min (TPM): Limit 700, Used ", "tokens", "", func(s server.Stats) int64 { return s.RefusedTokens }},
	} {
		t.Run(name, func(t *testing.T) {
			s := quick(t, c.cfg)
			sdk := openAI(s)
			for range 20 {
				_, err := sdk.Chat.Completions.New(t.Context(), asked(200))
				var said *openai.Error
				if !errors.As(err, &said) {
					continue
				}
				if said.StatusCode != 429 || said.Code != "rate_limit_exceeded" || said.Type != c.kind || !strings.Contains(said.Message, c.message) {
					t.Errorf("got %d %s, want 429 with %q", said.StatusCode, said.RawJSON(), c.message)
				}
				h := said.Response.Header
				if h.Get("Retry-After-Ms") == "" || h.Get("Retry-After") == "" || c.after != "" && h.Get("Retry-After") != c.after {
					t.Errorf("got Retry-After %q and in ms %q, want both, and %q", h.Get("Retry-After"), h.Get("Retry-After-Ms"), c.after)
				}
				if c.refusals(s.Stats()) != 1 {
					t.Errorf("got %+v, want one refusal", s.Stats())
				}
				return
			}
			t.Error("got no refusal")
		})
	}
}

// What fails by chance is a request, but costs no token.
func TestNowAndThenTheServerFails(t *testing.T) {
	s := quick(t, server.Config{FailShare: 1, Seed: 1})
	sdk := openAI(s)
	seen := map[int]int{}
	for range 20 {
		_, err := sdk.Chat.Completions.New(t.Context(), asked(10))
		var said *openai.Error
		if !errors.As(err, &said) {
			t.Fatalf("got %v, want an error of the API", err)
		}
		seen[said.StatusCode]++
	}
	l, st := s.Ledger(), s.Stats()
	if seen[500] == 0 || seen[503] == 0 || seen[500]+seen[503] != 20 || int(st.Failed) != seen[500] || int(st.Unavailable) != seen[503] {
		t.Errorf("got %v and %+v, want some 500 and some 503", seen, st)
	}
	if int(l.Requests) != seen[500] || l.Tokens != 0 {
		t.Errorf("got %d requests and %d tokens let in, want %d and 0", l.Requests, l.Tokens, seen[500])
	}
}

// Who leaves pays for what the answer might have been.
func TestACallerWhoLeavesIsCharged(t *testing.T) {
	s, err := server.Start(server.Config{FirstToken: time.Hour}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sdk := openAI(s)
	ctx, leave := context.WithCancel(t.Context())
	stream := sdk.Chat.Completions.NewStreaming(ctx, asked(10))
	defer stream.Close()
	if !stream.Next() { // that an answer begins
		t.Fatal(stream.Err())
	}
	leave()
	if stream.Next() || !errors.Is(stream.Err(), context.Canceled) {
		t.Errorf("got %v, want canceled", stream.Err())
	}
	for tick := time.Tick(time.Millisecond); s.Stats().Abandoned == 0; <-tick {
		// until the server has noticed
	}
	if l := s.Ledger(); l.Tokens != 73 {
		t.Errorf("got %d tokens charged, want 73", l.Tokens)
	}
}

func anthropicClient(s *server.Server) anthropic.Client {
	return anthropic.NewClient(anthropicoption.WithoutEnvironmentDefaults(), anthropicoption.WithBaseURL(s.URL()),
		anthropicoption.WithAPIKey("key"), anthropicoption.WithMaxRetries(0), anthropicoption.WithHTTPClient(new(http.Client)))
}

func message(most int64) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model: "claude-haiku-4-5", MaxTokens: most,
		System:   []anthropic.TextBlockParam{{Text: "Be brief."}},
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(question))},
	}
}

func TestAnthropicsSDKReadsAnAnswerAndAStream(t *testing.T) {
	s := quick(t, server.Config{Requests: 60, Tokens: 6_000})
	sdk := anthropicClient(s)
	var res *http.Response
	m, err := sdk.Messages.New(t.Context(), message(200), anthropicoption.WithResponseInto(&res))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Content) != 1 || !strings.Contains(m.Content[0].Text, "museums") || m.StopReason != "end_turn" || m.Usage.InputTokens != 63 || m.Usage.OutputTokens < 10 {
		t.Errorf("got %s, want an answer about museums, and 63 tokens of the prompt", m.RawJSON())
	}
	if h := res.Header; h.Get("Anthropic-Ratelimit-Tokens-Remaining") != "5737" || h.Get("Anthropic-Ratelimit-Requests-Limit") != "60" {
		t.Errorf("got headers %v, want 5737 tokens left and 60 requests", h)
	}
	if _, err := time.Parse(time.RFC3339, res.Header.Get("Anthropic-Ratelimit-Tokens-Reset")); err != nil {
		t.Error(err)
	}
	var all anthropic.Message
	stream := sdk.Messages.NewStreaming(t.Context(), message(200))
	for stream.Next() {
		if err := all.Accumulate(stream.Current()); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if all.Content[0].Text != m.Content[0].Text || all.StopReason != m.StopReason || all.Usage.OutputTokens != m.Usage.OutputTokens || all.Usage.InputTokens != m.Usage.InputTokens {
		t.Errorf("got %s, want %s, as in one piece", all.RawJSON(), m.RawJSON())
	}
	if l := s.Ledger(); l.Tokens != 2*(m.Usage.InputTokens+m.Usage.OutputTokens) {
		t.Errorf("got %d tokens charged, want twice %d", l.Tokens, m.Usage.InputTokens+m.Usage.OutputTokens)
	}
}

func TestMistakesAndRefusalsAreToldAsAnthropicDoes(t *testing.T) {
	s := quick(t, server.Config{Key: "key", Tokens: 300})
	sdk := anthropicClient(s)
	for name, c := range map[string]struct {
		option anthropicoption.RequestOption
		change func(*anthropic.MessageNewParams)
		status int
		kind   string
	}{
		"no key":        {anthropicoption.WithHeaderDel("X-Api-Key"), nil, 401, "authentication_error"},
		"another key":   {anthropicoption.WithAPIKey("other"), nil, 401, "authentication_error"},
		"no version":    {anthropicoption.WithHeaderDel("Anthropic-Version"), nil, 400, "invalid_request_error"},
		"no such model": {nil, func(p *anthropic.MessageNewParams) { p.Model = "claude-0" }, 404, "not_found_error"},
		"no answer":     {nil, func(p *anthropic.MessageNewParams) { p.MaxTokens = 0 }, 400, "invalid_request_error"},
		"more than all": {nil, func(p *anthropic.MessageNewParams) { p.MaxTokens = 300 }, 429, "rate_limit_error"},
	} {
		t.Run(name, func(t *testing.T) {
			params := message(10)
			if c.change != nil {
				c.change(&params)
			}
			var more []anthropicoption.RequestOption
			if c.option != nil {
				more = append(more, c.option)
			}
			_, err := sdk.Messages.New(t.Context(), params, more...)
			var said *anthropic.Error
			if !errors.As(err, &said) {
				t.Fatalf("got %v, want an error of the API", err)
			}
			if said.StatusCode != c.status || string(said.Type()) != c.kind {
				t.Errorf("got %d %s, want %d %s", said.StatusCode, said.RawJSON(), c.status, c.kind)
			}
		})
	}
}

// The same question is answered the same, by any server; with another seed, OpenAI's parameter, otherwise.
func TestAnswersAreDeterministic(t *testing.T) {
	answers := map[string]int{}
	for range 2 {
		sdk := openAI(quick(t, server.Config{}))
		for seed := range int64(3) {
			params := asked(200)
			params.Seed = openai.Int(seed)
			c, err := sdk.Chat.Completions.New(t.Context(), params)
			if err != nil {
				t.Fatal(err)
			}
			answers[c.Choices[0].Message.Content]++
		}
	}
	for text, n := range answers {
		if n%2 != 0 {
			t.Errorf("got %q %d times, want it from both servers", text, n)
		}
	}
	if len(answers) < 2 {
		t.Errorf("got %d different answers to 3 seeds, want some", len(answers))
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]server.Config{
		"server: requests: got -1, want 1 to 67108864":   {Requests: -1},
		"server: tokens: got -1, want 1 to 67108864":     {Tokens: -1},
		"server: minute: got 1h0m0s, want 1ms to 1m0s":   {Minute: time.Hour},
		"server: first token: got -1ns, want at least 0": {FirstToken: -1},
		"server: per second: got -1, want above 0":       {PerSecond: -1},
		"server: fail share: got 2, want 0 to 1":         {FailShare: 2},
	} {
		if s, err := server.Start(cfg, nil); err == nil {
			s.Close()
			t.Errorf("got no error, want %q", want)
		} else if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

// A message's content may be a list of parts.
func TestContentMayBeAListOfParts(t *testing.T) {
	s := quick(t, server.Config{})
	body := `{"model": "gpt-4o", "messages": [{"role": "user", "content": [{"type": "text", "text": "Name "}, {"type": "text", "text": "a bird."}]}], "max_tokens": 50}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var c openai.ChatCompletion
	if err := json.NewDecoder(res.Body).Decode(&c); err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(c.Choices[0].Message.Content, "Name a bird.") {
		t.Errorf("got %s: %s, want an answer about a bird", res.Status, c.RawJSON())
	}
}
