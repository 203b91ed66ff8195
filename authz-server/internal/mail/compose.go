// Package mail writes to people: every letter is a type with words in each language, made into text
// and HTML. [Mailer.Queue] queues a letter in the transaction of its cause.
package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/brand"
	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

//go:embed templates/*
var files embed.FS

var (
	htmlLayout = htmltemplate.Must(htmltemplate.ParseFS(files, "templates/letter.html"))
	textLayout = texttemplate.Must(texttemplate.ParseFS(files, "templates/letter.txt"))
)

// view is what the templates see.
type view struct {
	content
	T           *messages.Language
	M           *messages.Mail
	Logo        string // address of a picture; empty: none
	Wordmark    bool   // the logo shows the product's name
	Support     string
	Light, Dark brand.LetterColors
}

// Letters makes letters. It is immutable.
type Letters struct {
	languages *messages.Languages
	brand     brand.Brand
	logo      string
	links     links
}

// NewLetters takes the absolute address of the brand's logo, which many mail programs show only if
// it is a PNG file.
func NewLetters(b brand.Brand, logo string, at issuer.URL) (*Letters, error) {
	if logo != "" && !absolute(logo) {
		return nil, errors.New("the logo's address must be absolute, and http or https")
	}
	return &Letters{
		languages: messages.All.Of(b.Name), brand: b, logo: logo, links: links{security: at.URL("/account/security"), admin: at.URL("/admin")},
	}, nil
}

// composed is a letter as it is sent.
type composed struct {
	Subject, Text, HTML string
	lifetime            time.Duration // of its link; 0: it does not expire soon
}

// compose makes a letter in the language of a BCP 47 tag, or the default one. Errors tell nothing
// of links and codes.
func (l *Letters) compose(tag string, letter Letter) (composed, error) {
	t := l.languages.UILocales(tag)
	if t == nil {
		t = l.languages.Default()
	}
	v := view{content: letter.content(t, l.links), T: t, M: &t.Mail, Logo: l.logo, Support: l.brand.Support.Text}
	v.Wordmark = l.brand.Logo != nil && l.brand.Logo.Wordmark
	v.Light, v.Dark = l.brand.Letters()
	if err := v.check(); err != nil {
		return composed{}, fmt.Errorf("the letter %s in %s %w", letter.kind(), t.Tag, err)
	}
	var html, text bytes.Buffer
	if err := htmlLayout.Execute(&html, v); err != nil {
		return composed{}, fmt.Errorf("the letter %s in %s: %w", letter.kind(), t.Tag, err)
	}
	if err := textLayout.Execute(&text, v); err != nil {
		return composed{}, fmt.Errorf("the letter %s in %s: %w", letter.kind(), t.Tag, err)
	}
	return composed{
		Subject: oneLine(v.Subject, maxNote), Text: strings.TrimSpace(text.String()) + "\n", HTML: strings.TrimSpace(html.String()) + "\n",
		lifetime: v.lifetime,
	}, nil
}
