package profile

import (
	"errors"
	"net/mail"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
)

// MaxEmail is the longest address that mail can be sent to, in bytes (RFC 5321 §4.5.3.1.3, less the
// brackets).
const MaxEmail = 254

// Email trims an e-mail address and tells what is wrong with it, or "".
func Email(s string) (string, messages.Problem) {
	s = strings.TrimSpace(s)
	if s == "" {
		return s, messages.EmailMissing
	}
	if len(s) > 4*MaxEmail { // no normalization makes so much of it go away
		return s[:0], messages.EmailInvalid
	}
	if s = norm.NFC.String(s); len(s) > MaxEmail {
		return s[:0], messages.EmailInvalid
	}
	address, err := mail.ParseAddress(s)
	if err != nil || address.Address != s || address.Name != "" {
		return s, messages.EmailInvalid
	}
	for _, c := range s {
		if unicode.IsSpace(c) || !unicode.IsGraphic(c) || strings.ContainsRune(`"<>()[]\,;:`, c) {
			return s, messages.EmailInvalid
		}
	}
	// Wide forms become these in a domain: a full stop at the end would make another account of the same
	// mailbox, and an @ another domain for whoever reads only up to it.
	_, domain, _ := strings.Cut(accounts.EmailKey(s), "@")
	if strings.ContainsAny(domain, `@"<>()[]\,;:`) || slices.Contains(strings.Split(domain, "."), "") {
		return s, messages.EmailInvalid
	}
	return s, ""
}

// maxName is how long a name may be, in characters.
const maxName = 100

// Name trims a name, makes every run of white space one space, and tells what is wrong with it, or
// "".
func Name(s string) (string, messages.Problem) {
	if len(s) > 40*maxName { // bytes, composed or not
		return s[:0], messages.NameTooLong
	}
	s = strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	switch {
	case s == "":
		return s, messages.NameMissing
	case utf8.RuneCountInString(s) > maxName:
		return s, messages.NameTooLong
	}
	visible := false
	for _, c := range s {
		// Overrides of the writing direction would let a name rearrange the text around it. The
		// joiners are part of some scripts.
		if unicode.IsControl(c) || c == utf8.RuneError || (unicode.Is(unicode.Cf, c) && c != '\u200c' && c != '\u200d') ||
			unicode.Is(unicode.Co, c) {
			return s, messages.NameInvalid
		}
		visible = visible || unicode.IsLetter(c) || unicode.IsNumber(c) || unicode.IsSymbol(c) || unicode.IsPunct(c)
	}
	if !visible {
		return s, messages.NameInvalid
	}
	return s, ""
}

// CleanEmail is how an e-mail address is stored, or an error.
func CleanEmail(s string) (string, error) {
	s, problem := Email(s)
	if problem != "" {
		return "", errors.New("this is not an e-mail address")
	}
	return s, nil
}

// CleanName is how a name is stored, or an error.
func CleanName(s string) (string, error) {
	s, problem := Name(s)
	if problem != "" {
		return "", errors.New("a name has 1 to 100 characters, without control characters")
	}
	return s, nil
}
