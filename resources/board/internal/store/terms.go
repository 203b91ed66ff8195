package store

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// termLength is how many characters a term has at most. Three tell words of an alphabet apart; one
// and two are for Korean, where many words are that short.
const termLength = 3

// LongText is how many characters of a post's body the index takes at once. Longer ones it takes in
// the background.
const LongText = 2000

// The terms of a long text are written part by part, each by a transaction of its own, for which on
// SQLite everybody waits: a text of nothing but different characters has three terms for each.
const (
	partLength  = LongText
	partOverlap = 100 // so that whatever can be searched for is in one part as a whole
	maxParts    = 12  // more than the longest text has
)

// partsOf returns the terms of a post but that of its board, part by part.
func partsOf(title, body string) [][]string {
	runes := []rune(fold(body))
	parts := make([][]string, 0, 1)
	for len(runes) > partLength && len(parts) < maxParts-1 {
		parts = append(parts, termsOf(title, string(runes[:partLength])))
		title, runes = "", runes[partLength-partOverlap:]
	}
	return append(parts, termsOf(title, string(runes)))
}

// boardTerm is the term of all posts of a board, so that a search on one does not read the others'. It
// has no form of its own: whatever is found is read.
func boardTerm(slug string) string { return "⌂" + strings.ReplaceAll(slug, "-", "–") }

// partID is the id under which the index has a part of a post.
func partID(id string, part int) string {
	if part == 0 {
		return id
	}
	return id + "." + strconv.Itoa(part)
}

// postOfPart is the inverse of partID.
func postOfPart(id string) string {
	post, _, _ := strings.Cut(id, ".")
	return post
}

// partIDs are all that a post could have.
func partIDs(id string) []string {
	ids := make([]string, maxParts)
	for i := range ids {
		ids[i] = partID(id, i)
	}
	return ids
}

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

// Terms returns those that the index has of a post whose body has up to [LongText] characters, for a
// program that fills a database.
func Terms(board, title, body string) []string { return append(termsOf(title, body), boardTerm(board)) }

// askedTerms is how many terms of a search the index is asked for at most: more hardly narrow it
// down, and each costs.
const askedTerms = 12

// searchTerms returns terms that every text must have that contains text, which is folded, the
// longest first; none if only reading the texts can tell.
func searchTerms(text string) []string {
	seen := map[string]bool{}
	for word := range strings.FieldsFuncSeq(text, between) {
		runes := []rune(word)
		if len(runes) <= termLength {
			seen[word] = true
			continue
		}
		// One after the other, and the last one: what lies across them is in few texts that have these,
		// and each further term costs.
		for i := 0; i < len(runes); i += termLength {
			i = min(i, len(runes)-termLength)
			seen[string(runes[i:i+termLength])] = true
		}
	}
	terms := collect(seen)
	slices.SortStableFunc(terms, func(a, b string) int { return cmp.Compare(utf8.RuneCountInString(b), utf8.RuneCountInString(a)) })
	return terms[:min(len(terms), askedTerms)]
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
