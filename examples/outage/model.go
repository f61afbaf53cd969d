package main

import (
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// A model is a language model, if a small one: the words that follow each word
// in the text that it was trained on.
type model map[string][]string

func train(sentences []string) model {
	m := make(model)
	for _, s := range sentences {
		words := strings.Fields(s)
		for i := range len(words) - 1 {
			m[words[i]] = append(m[words[i]], words[i+1])
		}
	}
	return m
}

// longest is the number of words in an answer, at most.
const longest = 12

// complete goes on from a word of the prompt. The same prompt has the same
// answer.
func (m model) complete(prompt string) string {
	seed := fnv.New64a()
	seed.Write([]byte(prompt))
	random := rand.New(rand.NewPCG(seed.Sum64(), 0))
	asked := strings.Fields(prompt)
	words := []string{asked[random.IntN(len(asked))]}
	for len(words) < longest {
		next := m[words[len(words)-1]]
		if len(next) == 0 {
			break
		}
		words = append(words, next[random.IntN(len(next))])
	}
	return strings.Join(words, " ")
}
