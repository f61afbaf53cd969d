package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

func anthropicAsker(o options, baseURL string, client *http.Client) asker {
	sdk := anthropic.NewClient(
		option.WithoutEnvironmentDefaults(), option.WithBaseURL(baseURL), option.WithAPIKey(o.key), option.WithHTTPClient(client),
		option.WithMaxRetries(0), // the pipeline tries again, in the budget and at its pace
	)
	return func(ctx context.Context, j job) (answer, error) {
		params := anthropic.MessageNewParams{
			Model:     o.model,
			System:    []anthropic.TextBlockParam{{Text: system}},
			Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(j.Text))},
			MaxTokens: o.maxTokens,
		}
		var m anthropic.Message
		if o.stream {
			stream := sdk.Messages.NewStreaming(ctx, params)
			defer stream.Close()
			for stream.Next() {
				if err := m.Accumulate(stream.Current()); err != nil {
					return answer{}, loss(err)
				}
			}
			if err := stream.Err(); err != nil {
				return answer{}, anthropicFailure(err)
			}
		} else {
			res, err := sdk.Messages.New(ctx, params)
			if err != nil {
				return answer{}, anthropicFailure(err)
			}
			m = *res
		}
		if m.StopReason == "" {
			return answer{}, loss(errCut)
		}
		a := answer{Finish: string(m.StopReason), PromptTokens: m.Usage.InputTokens, AnswerTokens: m.Usage.OutputTokens}
		for _, block := range m.Content {
			a.Text += block.Text
		}
		return a, nil
	}
}

func anthropicFailure(err error) error {
	var said *anthropic.Error
	if !errors.As(err, &said) {
		return loss(err)
	}
	var body struct {
		Error struct{ Message string }
	}
	_ = json.Unmarshal([]byte(said.RawJSON()), &body) // a proxy may say something else
	return refusal(err, said.Response, body.Error.Message, string(said.Type()))
}
