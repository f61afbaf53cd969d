package prose

import (
	"fmt"
	"regexp"
	"strings"
)

// mostWords is how long a sentence may be. Chosen: at 40 words most readers have to begin again.
const mostWords = 40

// A hard is something that stopped readers of this tree, and what to write instead.
type hard struct {
	pattern *regexp.Regexp
	instead string
}

// words are checked in every comment and page.
var words = []hard{
	word(`whoever`, "anyone who, or the caller, reader or server that is meant"),
	word(`whomever`, "the one that is meant"),
	word(`whence|hence|thence|thereof|therein|wherein|whereof|hitherto|henceforth|herewith|albeit|ere|nigh|nought`, "a word of today"),
	word(`lest`, "so that … not"),
	word(`heed(s|ed|ing)?`, "follow, obey or check"),
	word(`dear|dearer|dearest|dearly`, "expensive, costs more"),
	word(`rouse(s|d)?|rousing`, "wake"),
	word(`hire(s|d)?|hiring`, "start"),
	word(`beget(s)?|begot|begotten|betide|behoves?|behooves?|bespeaks?|bestow(s|ed)?|forsake(s|n)?|forsook`, "a plain verb"),
	word(`naught|aught|nary`, "nothing, anything, no"),
	word(`in so far as|insofar as|as far as is|as far as that is`, "say what is known or done, and what is not"),
	word(`for want of|in want of|wont to`, "without, because there is no, usually"),
	word(`of late`, "recently, or since when"),
	word(`who knows`, "say who knows it, or that nobody does"),
	word(`holdups?`, "what keeps jobs from starting"),
}

// openings are checked at the start of the sentences that users read.
var openings = []hard{
	opening(`Who`, "a subject first: a client that …, the caller who …"),
	opening(`Nor|Neither`, "a sentence with a subject and not"),
	opening(`So (is|are|does|do|did|was|were|has|have|can|will)`, "name it again, and say the same holds"),
	opening(`(Seldom|Rarely|Never|Hardly|Scarcely|Not only|Not until|Only then|Little|Nowhere) (is|are|does|do|did|was|were|has|have|can|will|may)`, "subject first, then the verb"),
}

func word(pattern, instead string) hard {
	return hard{regexp.MustCompile(`(?i)\b(` + pattern + `)\b`), instead}
}

func opening(pattern, instead string) hard {
	return hard{regexp.MustCompile(`^(` + pattern + `)\b`), instead}
}

// checkWords returns what is hard in a text, wherever it stands.
func checkWords(text string) []string {
	var faults []string
	for _, h := range words {
		if found := h.pattern.FindString(text); found != "" {
			faults = append(faults, fmt.Sprintf("got %q, want %s", found, h.instead))
		}
	}
	return faults
}

// checkSentences returns what is hard in the sentences of a paragraph.
func checkSentences(paragraph string) []string {
	var faults []string
	for _, s := range sentences(paragraph) {
		if n := len(strings.Fields(s)); n > mostWords {
			faults = append(faults, fmt.Sprintf("got a sentence of %d words, want at most %d: %s", n, mostWords, s))
		}
		if strings.HasSuffix(s, "?") {
			continue
		}
		for _, h := range openings {
			if found := h.pattern.FindString(s); found != "" {
				faults = append(faults, fmt.Sprintf("got a sentence that begins with %q, want %s: %s", found, h.instead, s))
			}
		}
	}
	return faults
}

// end is where a sentence ends: a stop, and then a space.
var end = regexp.MustCompile(`[.?!]["')\]]*\s+`)

// short is what ends with a stop in the middle of a sentence.
var short = regexp.MustCompile(`\b(e\.g|i\.e|etc|vs|ch|cf|al|sec|No)\.$`)

// sentences splits a paragraph.
func sentences(paragraph string) []string {
	paragraph = strings.Join(strings.Fields(paragraph), " ")
	var all []string
	from := 0
	for _, at := range end.FindAllStringIndex(paragraph, -1) {
		if s := strings.TrimSpace(paragraph[from:at[1]]); !short.MatchString(s) {
			all = append(all, s)
			from = at[1]
		}
	}
	if rest := strings.TrimSpace(paragraph[from:]); rest != "" {
		all = append(all, rest)
	}
	return all
}
