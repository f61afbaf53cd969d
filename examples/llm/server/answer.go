package server

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/paceline-go/paceline/examples/llm/tokens"
)

// answer is what the model says, token by token.
type answer struct {
	pieces []string // whole characters each
	tokens int64
	cut    bool // at the most that was allowed
}

func (a answer) text() string { return strings.Join(a.pieces, "") }

// reply answers a prompt with its most telling sentences. For a prompt and a seed it is always the same.
func reply(count *tokens.Counter, prompt string, seed int64, most int64) answer {
	h := fnv.New64a()
	_, _ = h.Write([]byte(prompt)) // never fails
	sentences := sentencesOf(prompt)
	keep := 1 + int((h.Sum64()%1009+uint64(seed))%uint64(len(sentences)+1))
	text := "What you ask for: " + sentences[len(sentences)-1]
	if points := telling(sentences[:len(sentences)-1], keep); len(points) > 0 {
		text += "\n\nWhat I shall keep in mind:"
		for _, p := range points {
			text += "\n- " + p
		}
	}
	pieces := count.Split(text)
	a := answer{tokens: int64(len(pieces))}
	if a.cut = a.tokens > most; a.cut {
		pieces, a.tokens = pieces[:most], most
	}
	a.pieces = wholeCharacters(pieces)
	return a
}

// sentencesOf returns at least one.
func sentencesOf(text string) []string {
	var sentences []string
	start := 0
	for i, r := range text {
		end := i + utf8.RuneLen(r)
		stop := r == '\n' || strings.ContainsRune(".!?;", r) && (end == len(text) || text[end] == ' ')
		if stop {
			sentences = appendText(sentences, text[start:end])
			start = end
		}
	}
	sentences = appendText(sentences, text[start:])
	if len(sentences) == 0 {
		return []string{"nothing."}
	}
	return sentences
}

func appendText(to []string, s string) []string {
	if s = strings.TrimSpace(s); s == "" {
		return to
	}
	return append(to, s)
}

// telling returns the n sentences with the most frequent words for their length, in their order: H. P. Luhn, "The automatic
// creation of literature abstracts", IBM Journal of Research and Development, 1958.
func telling(sentences []string, n int) []string {
	often := map[string]int{}
	for _, s := range sentences {
		for _, w := range wordsOf(s) {
			often[w]++
		}
	}
	order := make([]int, len(sentences))
	score := make([]float64, len(sentences))
	for i, s := range sentences {
		order[i] = i
		words := wordsOf(s)
		for _, w := range words {
			score[i] += float64(often[w])
		}
		score[i] /= float64(len(words) + 1)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(score[b], score[a]) })
	order = order[:min(n, len(order))]
	slices.Sort(order)
	var points []string
	for _, i := range order {
		points = append(points, sentences[i])
	}
	return points
}

// wordsOf leaves out short ones, which say little.
func wordsOf(s string) []string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.DeleteFunc(words, func(w string) bool { return len(w) < 4 })
}

// wholeCharacters joins tokens that end within a character with the next one, and leaves out half a character at the end.
func wholeCharacters(pieces []string) []string {
	var whole []string
	pending := ""
	for _, p := range pieces {
		if pending += p; utf8.ValidString(pending) {
			whole = append(whole, pending)
			pending = ""
		}
	}
	return whole
}
