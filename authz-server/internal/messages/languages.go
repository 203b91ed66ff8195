package messages

import (
	"cmp"
	"strings"

	"golang.org/x/text/language"
)

// All are the languages that the server speaks. The first is the default.
var All = NewLanguages(&english, &korean)

// Languages is a list of languages to choose from. It is immutable.
type Languages struct {
	written []*Language // as their files have them
	list    []*Language // with the product's name in place
	matcher language.Matcher
}

// NewLanguages makes a list. The first language is the default.
func NewLanguages(list ...*Language) *Languages {
	tags := make([]language.Tag, len(list))
	for i, l := range list {
		tags[i] = language.Make(l.Tag)
	}
	all := &Languages{written: list, matcher: language.NewMatcher(tags)}
	return all.Of("")
}

// Of returns the languages with the name of a product in place of {brand}. If name is empty, that
// is what each language calls it.
func (ls *Languages) Of(name string) *Languages {
	named := &Languages{written: ls.written, matcher: ls.matcher}
	for _, l := range ls.written {
		named.list = append(named.list, l.of(cmp.Or(name, l.Brand)))
	}
	return named
}

// List returns the languages, the default first.
func (ls *Languages) List() []*Language { return ls.list }

// Default returns the first language.
func (ls *Languages) Default() *Language { return ls.list[0] }

// Tags returns the BCP 47 tags of the languages, the default first.
func (ls *Languages) Tags() []string {
	tags := make([]string, len(ls.list))
	for i, l := range ls.list {
		tags[i] = l.Tag
	}
	return tags
}

// Tagged returns the language whose tag is exactly tag, or nil.
func (ls *Languages) Tagged(tag string) *Language {
	for _, l := range ls.list {
		if l.Tag == tag {
			return l
		}
	}
	return nil
}

// match returns the first language that speakers of one of tags understand, in the order of tags,
// or nil.
func (ls *Languages) match(tags ...language.Tag) *Language {
	for _, tag := range tags {
		if tag == language.Und {
			continue
		}
		if _, i, confidence := ls.matcher.Match(tag); confidence >= language.High {
			return ls.list[i]
		}
	}
	return nil
}

// maxLocales is how much of a list of languages is read, in bytes: parsing is work that a stranger
// asks for.
const maxLocales = 200

// UILocales returns the best language for the OpenID Connect parameter ui_locales, or nil (OIDC
// Core §3.1.2.1).
func (ls *Languages) UILocales(s string) *Language {
	if len(s) > maxLocales {
		s = s[:maxLocales]
	}
	for word := range strings.FieldsSeq(s) {
		if tag, err := language.Parse(word); err == nil {
			if l := ls.match(tag); l != nil {
				return l
			}
		}
	}
	return nil
}

// AcceptLanguage returns the best language for the header Accept-Language, or nil (RFC 9110
// §12.5.4).
func (ls *Languages) AcceptLanguage(s string) *Language {
	if len(s) > maxLocales {
		s = s[:maxLocales]
		if i := strings.LastIndexByte(s, ','); i >= 0 {
			s = s[:i]
		}
	}
	tags, _, err := language.ParseAcceptLanguage(s)
	if err != nil {
		return nil
	}
	return ls.match(tags...)
}
