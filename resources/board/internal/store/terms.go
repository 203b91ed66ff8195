package store

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// termLength is how many characters a term has at most. Three tell words of an alphabet apart; one
// and two are for Korean, where many words are that short.
const termLength = 3

// fold returns a text without regard to case, and in NFC. It does so alike on both engines.
func fold(text string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			return r
		}
		return unicode.ToLower(unicode.ToUpper(r)) // by way of the capital: ς and σ are one letter
	}, norm.NFC.String(text))
}

// termsOf returns the terms of texts: each one to three characters that follow each other within a
// word, without the case. A word is what white space, controls and ASCII's punctuation leave. So
// whatever a text contains, its terms contain the terms by which it is searched.
func termsOf(texts ...string) []string {
	seen := map[string]bool{}
	for _, text := range texts {
		for word := range strings.FieldsFuncSeq(fold(text), between) {
			runes := []rune(word)
			for i := range runes {
				for n := 1; n <= termLength && i+n <= len(runes); n++ {
					seen[string(runes[i:i+n])] = true
				}
			}
		}
	}
	return collect(seen)
}

// searchTerms returns the terms that every text must have that contains text, which is folded; none
// if only reading the texts can tell.
func searchTerms(text string) []string {
	seen := map[string]bool{}
	for word := range strings.FieldsFuncSeq(text, between) {
		runes := []rune(word)
		if len(runes) <= termLength {
			seen[word] = true
			continue
		}
		for i := range len(runes) - termLength + 1 {
			seen[string(runes[i:i+termLength])] = true
		}
	}
	return collect(seen)
}

func collect(seen map[string]bool) []string {
	terms := make([]string, 0, len(seen))
	for term := range seen {
		terms = append(terms, term)
	}
	slices.Sort(terms)
	return terms
}

func between(r rune) bool {
	if r <= unicode.MaxASCII {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	}
	return unicode.IsSpace(r) || unicode.IsControl(r)
}
