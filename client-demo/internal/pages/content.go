package pages

import (
	"hash/fnv"
	"html/template"
	"unicode"
	"unicode/utf8"
)

// langOf is the attribute lang for what a person wrote, whatever the page's language, so that
// Hangul breaks between words and a screen reader pronounces it. It is empty if the script does not
// tell the language.
func langOf(text string) template.HTMLAttr {
	var hangul, kana, han int
	for i, r := range text {
		switch {
		case unicode.Is(unicode.Hangul, r):
			hangul++
		case unicode.In(r, unicode.Hiragana, unicode.Katakana):
			kana++
		case unicode.Is(unicode.Han, r):
			han++
		}
		if i > 4000 { // enough to judge by
			break
		}
	}
	switch {
	case hangul > 0 && hangul >= kana:
		return ` lang="ko"`
	case kana > 0:
		return ` lang="ja"`
	case han > 0:
		return ` lang="zh"`
	}
	return ""
}

// hues is how many colours the style sheet has for avatars: .hue-0 and so on.
const hues = 12

// avatar stands for a person: a letter in their own colour. The picture that a profile names is
// never loaded, because that would tell its host who reads here.
type avatar struct {
	Letter string
	Hue    uint32
	Size   string // "", "small" or "big"
}

func newAvatar(id, name, size string) avatar {
	sum := fnv.New32a()
	sum.Write([]byte(id)) // it never fails
	return avatar{initial(name), sum.Sum32() % hues, size}
}

// initial is the first letter of a name, for the circle that stands for a person.
func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	if r, size := utf8.DecodeRuneInString(name); size > 0 && r != utf8.RuneError && unicode.IsPrint(r) {
		return string(r)
	}
	return "·"
}
