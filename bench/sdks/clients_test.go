package sdks_test

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"google.golang.org/genai"

	"github.com/paceline-go/paceline/pipeline/pacehttp"
)

// An sdk is one as its users call it.
type sdk struct {
	name    string
	done    string // the body of an answer
	refused string // and of a refusal

	// call asks once, with the SDK as it is, or set as SDKS.md says.
	call func(ctx context.Context, client *http.Client, asItIs bool) error

	// mark tells the throttle what an error of the SDK means.
	mark func(error) error
}

var sdks = []sdk{
	{
		name: "openai-go", done: `{"id": "1", "object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "Hello."}}]}`,
		refused: `{"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}`,
		call: func(ctx context.Context, client *http.Client, asItIs bool) error {
			options := []option.RequestOption{option.WithAPIKey("key"), option.WithHTTPClient(client)}
			if !asItIs {
				options = append(options, option.WithMaxRetries(0))
			}
			api := openai.NewClient(options...)
			_, err := api.Chat.Completions.New(ctx, openai.ChatCompletionNewParams{
				Model: "gpt-4o-mini", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("Hello?")},
			})
			return err
		},
		mark: func(err error) error {
			var said *openai.Error
			if errors.As(err, &said) {
				return pacehttp.Mark(err, said.Response)
			}
			return pacehttp.Mark(err, nil)
		},
	},
	{
		name: "anthropic-sdk-go", done: `{"id": "1", "type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hello."}]}`,
		refused: `{"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}`,
		call: func(ctx context.Context, client *http.Client, asItIs bool) error {
			options := []anthropicoption.RequestOption{
				anthropicoption.WithoutEnvironmentDefaults(), anthropicoption.WithAPIKey("key"), anthropicoption.WithHTTPClient(client),
			}
			if !asItIs {
				options = append(options, anthropicoption.WithMaxRetries(0), anthropicoption.WithRequestTimeout(24*time.Hour))
			}
			api := anthropic.NewClient(options...)
			_, err := api.Messages.New(ctx, anthropic.MessageNewParams{
				Model: "claude-haiku-4-5", MaxTokens: 10, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("Hello?"))},
			})
			return err
		},
		mark: func(err error) error {
			var said *anthropic.Error
			if errors.As(err, &said) {
				return pacehttp.Mark(err, said.Response)
			}
			return pacehttp.Mark(err, nil)
		},
	},
	{
		name: "genai", done: `{"candidates": [{"content": {"role": "model", "parts": [{"text": "Hello."}]}}]}`,
		refused: `{"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.5s"}]}}`,
		call: func(ctx context.Context, client *http.Client, _ bool) error {
			api, err := genai.NewClient(ctx, &genai.ClientConfig{APIKey: "key", Backend: genai.BackendGeminiAPI, HTTPClient: client})
			if err != nil {
				return err
			}
			_, err = api.Models.GenerateContent(ctx, "gemini-2.5-flash", genai.Text("Hello?"), nil)
			return err
		},
		mark: func(err error) error {
			var said genai.APIError
			if errors.As(err, &said) { // it has no response, and its code is that of the body
				return pacehttp.Mark(err, &http.Response{StatusCode: said.Code})
			}
			return pacehttp.Mark(err, nil)
		},
	},
	{
		name: "retryablehttp", done: "Hello.", refused: "slow down",
		call: func(ctx context.Context, client *http.Client, asItIs bool) error {
			retryable := retryablehttp.NewClient()
			retryable.HTTPClient, retryable.Logger = client, nil
			if !asItIs {
				retryable.RetryMax, retryable.ErrorHandler = 0, retryablehttp.PassthroughErrorHandler
			}
			req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, "http://api/", nil)
			if err != nil {
				return err
			}
			response, err := retryable.Do(req)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			return pacehttp.Check(response)
		},
		mark: func(err error) error { return pacehttp.Mark(err, nil) },
	},
	{
		name: "aws-sdk-go-v2", done: `<GetCallerIdentityResponse><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`,
		refused: `<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>`,
		call: func(ctx context.Context, client *http.Client, asItIs bool) error {
			options := sts.Options{
				Region: "us-east-1", HTTPClient: client,
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "none", SecretAccessKey: "none"}, nil
				}),
			}
			if !asItIs {
				options.Retryer = aws.NopRetryer{}
			}
			_, err := sts.New(options).GetCallerIdentity(ctx, nil)
			return err
		},
		mark: func(err error) error {
			var said *smithyhttp.ResponseError
			if errors.As(err, &said) {
				return pacehttp.Mark(err, said.Response.Response)
			}
			return pacehttp.Mark(err, nil)
		},
	},
}
