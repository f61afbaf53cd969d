// Package tokens counts what a request to a language model uses.
package tokens

import (
	"fmt"

	"github.com/tiktoken-go/tokenizer"
)

// Counter counts tokens of o200k_base, the vocabulary of GPT-4o and its successors. Of Anthropic's models the vocabulary
// is not public; for them the count is an estimate, some tens of percent off.
type Counter struct{ codec tokenizer.Codec }

// NewCounter returns a counter. The vocabulary is part of the program.
func NewCounter() (*Counter, error) {
	codec, err := tokenizer.Get(tokenizer.O200kBase)
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	return &Counter{codec}, nil
}

// What a conversation has around its texts: "How to count tokens with tiktoken", OpenAI Cookbook.
const (
	aroundMessage = 3 // and its role is a token or more
	beforeAnswer  = 3
)

// Message is one of a conversation.
type Message struct{ Role, Text string }

// Chat returns how many tokens the messages are, as prompt_tokens of an answer's usage tells.
func (c *Counter) Chat(messages ...Message) int64 {
	n := int64(beforeAnswer)
	for _, m := range messages {
		n += aroundMessage + c.count(m.Role) + c.count(m.Text)
	}
	return n
}

func (c *Counter) count(text string) int64 {
	n, err := c.codec.Count(text)
	if err != nil {
		return int64(len(text)) // not UTF-8: a token has at least a byte
	}
	return int64(n)
}

// Split returns the tokens of a text, which joined are the text. A token may end within a character.
func (c *Counter) Split(text string) []string {
	_, pieces, err := c.codec.Encode(text)
	if err != nil {
		return nil // as above
	}
	return pieces
}
