package tokens

import (
	"strings"
	"testing"
)

func TestTokensJoinedAreTheText(t *testing.T) {
	c, err := NewCounter()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "Hello, world!", "Beyoğlu – 你好 🙂", "a\n\nb  c\td"} {
		pieces := c.Split(text)
		if got := strings.Join(pieces, ""); got != text || c.count(text) != int64(len(pieces)) {
			t.Errorf("got %d of %q from %q, counted %d", len(pieces), got, text, c.count(text))
		}
	}
}

func TestAConversationIsMoreThanItsTexts(t *testing.T) {
	c, err := NewCounter()
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Chat(); n != 3 {
		t.Errorf("got %d tokens of nothing, want 3", n)
	}
	// "Hello, world!" is 4 tokens: Hello · , · world · !
	if n := c.Chat(Message{"user", "Hello, world!"}, Message{"assistant", ""}); n != 3+(3+1+4)+(3+1) {
		t.Errorf("got %d, want 15", n)
	}
}

func TestWhatIsNoTextIsCountedByItsBytes(t *testing.T) {
	c, err := NewCounter()
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Chat(Message{"user", "\xff\xfe\xfd"}); n < 7+1 || n > 7+9 {
		t.Errorf("got %d, want 1 to 9 for three bytes that are no text", n-7)
	}
}
