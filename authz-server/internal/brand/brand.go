// Package brand is how an installation presents itself to people: its product's name, logo and
// colours, and where help is to be had. What an operator sets is checked when the server starts, so
// that no page is ever hard to read and no logo can run a script.
package brand

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Settings are what an operator can set. The zero value is Maru itself.
type Settings struct {
	Name      string // of the product; empty: Maru, in each language's own spelling
	LogoFile  string // an SVG or PNG file of at most 64 KiB; empty: Maru's mark, or the first letter of Name
	Color     string // accent in light mode, #rrggbb; empty: Maru's
	ColorDark string // accent in dark mode; empty: Color, as much lighter as it must be
	Support   string // a mail address or an https address; empty: none
}

// Brand is what the pages and letters show. The zero value is Maru, without a logo of its own.
type Brand struct {
	Name    string // empty: Maru, in each language's own spelling
	Logo    *Logo  // nil: none of its own
	Support Support
	theme   *theme // nil: Maru's
}

// Support is where a person gets help. The zero value is nowhere.
type Support struct {
	Text string // as people read it
	Link string // a mailto: or https: address
}

// maxName is how long a product's name may be, in characters: the pages show it in every title.
const maxName = 40

// New checks the settings and reads the logo. An error is one line that names the option and what
// would do.
func New(s Settings) (Brand, error) {
	var b Brand
	var err error
	if b.Name, err = checkName(s.Name); err != nil {
		return Brand{}, fmt.Errorf("--brand-name %w", err)
	}
	if b.Support, err = parseSupport(s.Support); err != nil {
		return Brand{}, fmt.Errorf("--brand-support %w", err)
	}
	if b.theme, err = newTheme(s.Color, s.ColorDark); err != nil {
		return Brand{}, err
	}
	if s.LogoFile != "" {
		if b.Logo, err = readLogo(s.LogoFile); err != nil {
			return Brand{}, fmt.Errorf("--brand-logo %s %w", s.LogoFile, err)
		}
	}
	return b, nil
}

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case utf8.RuneCountInString(name) > maxName:
		return "", fmt.Errorf("has more than %d characters", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", errors.New("has characters that cannot be shown")
	}
	return name, nil
}

// parseSupport reads a mail address, with or without mailto:, or an https address.
func parseSupport(text string) (Support, error) {
	if text == "" {
		return Support{}, nil
	}
	if u, err := url.Parse(text); err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil {
		return Support{Text: strings.TrimSuffix(strings.TrimPrefix(text, "https://"), "/"), Link: text}, nil
	}
	address := strings.TrimPrefix(text, "mailto:")
	if parsed, err := mail.ParseAddress(address); err == nil && parsed.Address == address && parsed.Name == "" {
		return Support{Text: address, Link: (&url.URL{Scheme: "mailto", Opaque: url.PathEscape(address)}).String()}, nil
	}
	return Support{}, errors.New("must be a mail address such as help@example.com, or an https address")
}
