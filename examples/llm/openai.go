package main

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func openAIAsker(o options, baseURL string, client *http.Client) asker {
	sdk := openai.NewClient(
		option.WithBaseURL(baseURL), option.WithAPIKey(o.key), option.WithHTTPClient(client),
		option.WithMaxRetries(0), // the pipeline tries again, in the budget and at its pace
	)
	return func(ctx context.Context, j job) (answer, error) {
		params := openai.ChatCompletionNewParams{
			Model:               o.model,
			Messages:            []openai.ChatCompletionMessageParamUnion{openai.SystemMessage(system), openai.UserMessage(j.Text)},
			MaxCompletionTokens: openai.Int(o.maxTokens),
			Seed:                openai.Int(int64(j.sample)), // another answer for each sample, and the same one when asked again
		}
		if o.stream {
			return openAIStream(ctx, &sdk, params)
		}
		res, err := sdk.Chat.Completions.New(ctx, params)
		if err != nil {
			return answer{}, openAIFailure(err)
		}
		if len(res.Choices) == 0 {
			return answer{}, loss(errCut)
		}
		c := res.Choices[0]
		return answer{
			Text: c.Message.Content, Finish: c.FinishReason,
			PromptTokens: res.Usage.PromptTokens, AnswerTokens: res.Usage.CompletionTokens,
		}, nil
	}
}

// openAIStream reads an answer as it is written. The last part has the usage, because we ask for it.
func openAIStream(ctx context.Context, sdk *openai.Client, params openai.ChatCompletionNewParams) (a answer, err error) {
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := sdk.Chat.Completions.NewStreaming(ctx, params)
	defer stream.Close()
	var text strings.Builder
	used := false
	for stream.Next() {
		part := stream.Current()
		for _, c := range part.Choices {
			text.WriteString(c.Delta.Content)
			if c.FinishReason != "" {
				a.Finish = c.FinishReason
			}
		}
		if part.JSON.Usage.Valid() {
			a.PromptTokens, a.AnswerTokens, used = part.Usage.PromptTokens, part.Usage.CompletionTokens, true
		}
	}
	if err := stream.Err(); err != nil {
		return answer{}, openAIFailure(err)
	}
	if a.Finish == "" || !used {
		return answer{}, loss(errCut)
	}
	a.Text = text.String()
	return a, nil
}

func openAIFailure(err error) error {
	var said *openai.Error
	if !errors.As(err, &said) {
		return loss(err)
	}
	return refusal(err, said.Response, said.Message, said.Code)
}
