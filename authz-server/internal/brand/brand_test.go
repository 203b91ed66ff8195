package brand

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// WCAG 2.2: 4.5 for text (1.4.3), 3 for the edges of what can be used (1.4.11), in light and dark.
func TestColoursContrast(t *testing.T) {
	t.Parallel()
	blue, err := newTheme("#1a5fb4", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]palette{"Maru, light": maru.light, "Maru, dark": maru.dark, "blue, light": blue.light, "blue, dark": blue.dark} {
		for _, pair := range []struct {
			of       string
			text, on Color
			least    float64
		}{
			{"ink on ground", p.ink, p.ground, 4.5}, {"soft on ground", p.soft, p.ground, 4.5}, {"ink on sheet", p.ink, p.sheet, 4.5},
			{"soft on sheet", p.soft, p.sheet, 4.5}, {"ink on tint", p.ink, p.tint, 4.5}, {"accent on sheet", p.accent, p.sheet, 4.5},
			{"accent on ground", p.accent, p.ground, 4.5}, {"accent on tint", p.accent, p.tint, 4.5},
			{"accent-strong on ground", p.accentStrong, p.ground, 4.5}, {"on-accent on accent", p.onAccent, p.accent, 4.5},
			{"on-accent on accent-strong", p.onAccent, p.accentStrong, 4.5}, {"bad on sheet", p.bad, p.sheet, 4.5},
			{"bad on bad-tint", p.bad, p.badTint, 4.5}, {"good on good-tint", p.good, p.goodTint, 4.5},
			{"field on sheet", p.field, p.sheet, 3},
		} {
			if ratio := contrast(pair.text, pair.on); ratio < pair.least {
				t.Errorf("%s: %s has a contrast of %.2f", name, pair.of, ratio)
			}
		}
	}
}

// The figures are those of the W3C's own examples.
func TestContrastIsThatOfWCAG(t *testing.T) {
	t.Parallel()
	for pair, want := range map[[2]string]float64{
		{"#000000", "#ffffff"}: 21, {"#777777", "#ffffff"}: 4.48, {"#767676", "#ffffff"}: 4.54, {"#ff0000", "#ffffff"}: 4.00, {"#abc", "#aabbcc"}: 1,
	} {
		if got := contrast(rgb(pair[0]), rgb(pair[1])); math.Abs(got-want) > 0.005 {
			t.Errorf("%v: %.3f, not %.2f", pair, got, want)
		}
	}
}

func TestAnAccentThatIsHardToReadIsRefusedWithTheNearestThatIsNot(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ light, dark, want string }{
		{"#ffcc00", "", "--brand-color #ffcc00 has a contrast of 1.39 as text on the page"},
		{"#1a5fb4", "#102040", "--brand-color-dark #102040 has a contrast of 1.04 as text on the page in dark mode"},
		{"red", "", "--brand-color must be a colour such as #1a5fb4"},
		{"#1a5fb4", "12345", "--brand-color-dark must be a colour"},
		{"", "#ffffff", "--brand-color-dark goes with --brand-color"},
	} {
		_, err := New(Settings{Color: test.light, ColorDark: test.dark})
		if err == nil || !strings.HasPrefix(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %s: %v", test.light, test.dark, err)
			continue
		}
		if _, nearest, ok := strings.Cut(err.Error(), "the nearest that passes is "); ok {
			s := Settings{Color: nearest}
			if test.dark != "" {
				s = Settings{Color: test.light, ColorDark: nearest}
			}
			if _, err := New(s); err != nil {
				t.Errorf("it is refused as well: %v", err)
			}
		}
	}
}

// Whatever accent is accepted or proposed, everything that it is on can be read.
func TestEveryThemeCanBeRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Color{rapid.Uint8().Draw(t, "r"), rapid.Uint8().Draw(t, "g"), rapid.Uint8().Draw(t, "b")}
		if !neutral.light.nearest(c, black).readable() || !neutral.dark.nearest(c, white).readable() {
			t.Errorf("%s", c)
		}
		if _, err := newTheme(neutral.light.nearest(c, black).accent.String(), neutral.dark.nearest(c, white).accent.String()); err != nil {
			t.Error(err)
		}
	})
}

func TestNamesAndSupport(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, support, text, link, wrong string }{
		{"  Acme ", "help@acme.example", "help@acme.example", "mailto:help@acme.example", ""},
		{"", "mailto:help@acme.example", "help@acme.example", "mailto:help@acme.example", ""},
		{"가나", "https://acme.example/help/", "acme.example/help", "https://acme.example/help/", ""},
		{"", "", "", "", ""},
		{"", "http://acme.example", "", "", "--brand-support must be"},
		{"", "javascript:alert(1)", "", "", "--brand-support must be"},
		{"", "Help <help@acme.example>", "", "", "--brand-support must be"},
		{"", "help@acme.example?bcc=x@y.example", "", "", "--brand-support must be"},
		{"", "a&b@acme.example", "a&b@acme.example", "mailto:a&b@acme.example", ""},
		{"A\nB", "", "", "", "--brand-name has characters"},
		{"A\u202eB", "", "", "", "--brand-name has characters"},
		{strings.Repeat("x", 41), "", "", "", "--brand-name has more than 40"},
	} {
		b, err := New(Settings{Name: test.name, Support: test.support})
		if (err == nil) != (test.wrong == "") || err != nil && !strings.HasPrefix(err.Error(), test.wrong) {
			t.Errorf("%q %q: %v", test.name, test.support, err)
		}
		if b.Support != (Support{test.text, test.link}) || err == nil && b.Name != strings.TrimSpace(test.name) {
			t.Errorf("%q %q: %+v", test.name, test.support, b)
		}
	}
}

func svg(inside string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 32 32">` +
		inside + `</svg>`
}

func TestALogoThatCouldDoMoreThanDrawIsRefused(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"script":              svg(`<script>alert(1)</script>`),
		"event":               svg(`<rect onload="alert(1)"/>`),
		"foreign object":      svg(`<foreignObject><p xmlns="http://www.w3.org/1999/xhtml">x</p></foreignObject>`),
		"html script":         svg(`<h:script xmlns:h="http://www.w3.org/1999/xhtml">x</h:script>`),
		"image":               svg(`<image href="https://elsewhere.example/x.png"/>`),
		"link":                svg(`<a href="https://elsewhere.example/"><rect/></a>`),
		"foreign use":         svg(`<use xlink:href="https://elsewhere.example/x.svg#a"/>`),
		"data use":            svg(`<use href="data:image/svg+xml;base64,AAAA#a"/>`),
		"animation":           svg(`<animate attributeName="href" to="javascript:alert(1)"/>`),
		"fill":                svg(`<rect fill="url( 'https://elsewhere.example/x#a')"/>`),
		"style attribute":     svg(`<rect style="fill: URL(https://elsewhere.example/x#a)"/>`),
		"style":               svg(`<style>rect { background: url(//elsewhere.example) }</style>`),
		"import":              svg(`<style>@import "https://elsewhere.example/x.css";</style>`),
		"escape":              svg(`<style>rect { fill: u\72l(//elsewhere.example) }</style>`),
		"comment in style":    svg(`<style>rect { fill: ur<!-- -->l(//elsewhere.example) }</style>`),
		"cdata":               svg(`<style><![CDATA[rect { fill: url(//elsewhere.example) }]]></style>`),
		"base":                svg(`<g xml:base="https://elsewhere.example/"/>`),
		"stylesheet":          `<?xml-stylesheet href="https://elsewhere.example/x.css"?>` + svg(""),
		"entity":              `<!DOCTYPE svg [<!ENTITY x "y">]>` + strings.TrimPrefix(svg("&x;"), `<?xml version="1.0" encoding="UTF-8"?>`),
		"no namespace":        `<svg viewBox="0 0 1 1"/>`,
		"other root":          `<html xmlns="http://www.w3.org/1999/xhtml"/>`,
		"unfinished":          `<svg xmlns="http://www.w3.org/2000/svg"><rect>`,
		"UTF-16":              "\xff\xfe<\x00s\x00v\x00g\x00",
		"other":               "GIF89a",
		"nothing":             "",
		"a PNG in name alone": "\x89PNG\r\n\x1a\nxx",
	} {
		if _, err := newLogo([]byte(content)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALogoThatDrawsIsTaken(t *testing.T) {
	t.Parallel()
	maru, err := os.ReadFile("../pages/assets/maru.svg")
	if err != nil {
		t.Fatal(err)
	}
	var picture bytes.Buffer
	wide := image.NewGray(image.Rect(0, 0, 300, 100))
	wide.Set(1, 1, color.White)
	if err := png.Encode(&picture, wide); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		content, kind string
		wordmark      bool
	}{
		{string(maru), "image/svg+xml", false},
		{svg(`<defs><linearGradient id="a"><stop offset="0" stop-color="#fff"/></linearGradient></defs><style>.b { fill: url(#a) }</style>` +
			`<rect class="b" fill="url('#a')" style="stroke:url(#a)"/><use xlink:href="#a"/>`), "image/svg+xml", false},
		{strings.ReplaceAll(svg(`<metadata><x:RDF xmlns:x="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></metadata>`), "0 0 32 32", "0 0 120,32"),
			"image/svg+xml", true},
		{picture.String(), "image/png", true},
	} {
		file := filepath.Join(t.TempDir(), "logo")
		if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := New(Settings{Name: "Acme", LogoFile: file})
		if err != nil {
			t.Error(err)
			continue
		}
		if b.Logo.ContentType != test.kind || b.Logo.Wordmark != test.wordmark || string(b.Logo.Content) != test.content {
			t.Errorf("%+v", b.Logo)
		}
		if icon := b.Icon(); (icon == b.Logo) == test.wordmark || icon == nil {
			t.Errorf("the icon of a logo that is a wordmark %t: %+v", test.wordmark, icon)
		}
	}
}

func TestALogosFileIsBounded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(file, []byte(svg(strings.Repeat("<g/>", maxLogo/4))), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Settings{LogoFile: file}); err == nil || err.Error() != "--brand-logo "+file+" is larger than 64 KiB" {
		t.Error(err)
	}
	if _, err := New(Settings{LogoFile: file + "x"}); err == nil || err.Error() != "--brand-logo "+file+"x cannot be read: no such file or directory" {
		t.Error(err)
	}
}

// A file of a few hundred bytes, of which a browser makes gigabytes.
func TestALogoOfTooManyPixelsIsRefused(t *testing.T) {
	t.Parallel()
	for _, size := range []image.Point{{maxSide + 1, 1}, {1, maxSide + 1}, {maxSide, maxSide}} {
		var picture bytes.Buffer
		plain := image.NewPaletted(image.Rect(0, 0, size.X, size.Y), color.Palette{color.Black, color.White})
		if err := png.Encode(&picture, plain); err != nil {
			t.Fatal(err)
		}
		if picture.Len() > maxLogo {
			t.Fatalf("%v has %d bytes, and is refused for that", size, picture.Len())
		}
		_, err := newLogo(picture.Bytes())
		if good := size.X <= maxSide && size.Y <= maxSide; good != (err == nil) || err != nil && !strings.Contains(err.Error(), "4096 by 4096") {
			t.Errorf("%v: %v", size, err)
		}
	}
}

// The letter comes from a setting, and is no markup.
func TestTheLetterOfANameIsAnIconThatWouldPassAsALogo(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"acme", "<x", "&", "가온", "\"q"} {
		b, err := New(Settings{Name: name, Color: "#1a5fb4"})
		if err != nil {
			t.Fatal(err)
		}
		icon := b.Icon()
		if again, err := newLogo(icon.Content); err != nil || again.Wordmark {
			t.Errorf("%s: %v\n%s", name, err, icon.Content)
		}
	}
	if (Brand{}).Icon() != nil {
		t.Error("Maru has a mark of its own")
	}
}
