package messages

import (
	"strings"
	"unicode/utf8"
)

// Particle returns which of two forms of a Korean particle follows word: pair is such as "은/는",
// "이/가", "을/를", "과/와" or "으로/로", the form after a final consonant first. Where the last
// character does not tell how it is read, as in Latin script, both forms are named, as is usual in
// print: "은(는)", "(으)로". An empty pair has no form.
func Particle(word, pair string) string {
	after, otherwise, ok := strings.Cut(pair, "/")
	if !ok {
		return pair
	}
	last, _ := utf8.DecodeLastRuneInString(word)
	final, known := finalOf(last)
	switch {
	case !known && strings.HasSuffix(after, otherwise): // 으로/로, 이랑/랑
		return "(" + strings.TrimSuffix(after, otherwise) + ")" + otherwise
	case !known:
		return after + "(" + otherwise + ")"
	case final == noFinal, final == rieul && after == "으로":
		return otherwise
	}
	return after
}

// What a syllable can end in, as far as particles ask.
const (
	noFinal = iota
	rieul
	otherFinal
)

// finalOf tells what a character ends in when it is read. A Hangul syllable is made of one of 19
// initials, 21 vowels and 28 finals, the first of which is none and the ninth ㄹ (Unicode §3.12).
func finalOf(r rune) (final int, known bool) {
	switch {
	case r >= '가' && r <= '힣':
		switch (r - '가') % 28 {
		case 0:
			return noFinal, true
		case 8:
			return rieul, true
		}
		return otherFinal, true
	case r >= '0' && r <= '9': // 영 일 이 삼 사 오 육 칠 팔 구
		return [...]int{otherFinal, rieul, noFinal, otherFinal, noFinal, noFinal, otherFinal, rieul, rieul, noFinal}[r-'0'], true
	}
	return 0, false
}
