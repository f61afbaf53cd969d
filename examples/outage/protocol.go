package main

import "strings"

// The part of OpenAI's chat completions that both sides here speak.
type (
	request struct {
		Model    string    `json:"model"`
		Messages []message `json:"messages"`
	}

	message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}

	response struct {
		Object  string   `json:"object"`
		Model   string   `json:"model"`
		Choices []choice `json:"choices"`
		Usage   usage    `json:"usage"`
	}

	choice struct {
		Index        int     `json:"index"`
		Message      message `json:"message"`
		FinishReason string  `json:"finish_reason"`
	}

	usage struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
		TotalTokens      int `json:"total_tokens"`
	}

	failure struct {
		Error fault `json:"error"`
	}

	fault struct {
		Message string `json:"message"`
	}
)

// prompt is what the user said last.
func (r request) prompt() string {
	if n := len(r.Messages); n > 0 {
		return strings.TrimSpace(r.Messages[n-1].Content)
	}
	return ""
}

// completion is the body of a 200. A word is a token here.
func completion(model, prompt, text string) response {
	asked, answered := len(strings.Fields(prompt)), len(strings.Fields(text))
	return response{
		Object:  "chat.completion",
		Model:   model,
		Choices: []choice{{Message: message{"assistant", text}, FinishReason: "stop"}},
		Usage:   usage{asked, answered, asked + answered},
	}
}
