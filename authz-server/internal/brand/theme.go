package brand

import (
	"fmt"
	"strings"
)

// palette is the colours of the pages in one mode.
type palette struct {
	ground, sheet, ink, soft, line, field Color
	accent, accentStrong, onAccent, tint  Color // accent is of links and buttons
	bad, badTint, good, goodTint          Color
}

// theme is the colours of the pages.
type theme struct{ light, dark palette }

// maru are Maru's own colours.
var maru = theme{
	light: palette{
		ground: rgb("#f7f3ed"), sheet: rgb("#fffdfa"), ink: rgb("#29231d"), soft: rgb("#6a5f54"), line: rgb("#e3dacd"), field: rgb("#8f8273"),
		accent: rgb("#8a4b25"), accentStrong: rgb("#713a1a"), onAccent: rgb("#fffaf4"), tint: rgb("#f5e9dc"),
		bad: rgb("#a3241b"), badTint: rgb("#fbeae7"), good: rgb("#2c6240"), goodTint: rgb("#e6f1e8"),
	},
	dark: palette{
		ground: rgb("#181512"), sheet: rgb("#221e1a"), ink: rgb("#f0e9e0"), soft: rgb("#b5a899"), line: rgb("#3a332c"), field: rgb("#857869"),
		accent: rgb("#e3a878"), accentStrong: rgb("#f0bc90"), onAccent: rgb("#25160b"), tint: rgb("#34281e"),
		bad: rgb("#f4a59b"), badTint: rgb("#3b211e"), good: rgb("#9fd3ae"), goodTint: rgb("#1e3225"),
	},
}

// neutral are greys that an accent of any hue goes with.
var neutral = theme{
	light: palette{
		ground: rgb("#f4f5f6"), sheet: white, ink: rgb("#1f2328"), soft: rgb("#5b626b"), line: rgb("#dcdfe3"), field: rgb("#7d858f"),
		bad: rgb("#a3241b"), badTint: rgb("#fbeae7"), good: rgb("#2c6240"), goodTint: rgb("#e6f1e8"),
	},
	dark: palette{
		ground: rgb("#131417"), sheet: rgb("#1c1e22"), ink: rgb("#e9ebee"), soft: rgb("#a7adb6"), line: rgb("#33373d"), field: rgb("#757d88"),
		bad: rgb("#f4a59b"), badTint: rgb("#3b211e"), good: rgb("#9fd3ae"), goodTint: rgb("#1e3225"),
	},
}

// leastContrast is what WCAG 2.2 asks of text (1.4.3).
const leastContrast = 4.5

// newTheme makes the theme with these accents; nil: Maru's.
func newTheme(color, dark string) (*theme, error) {
	if color == "" {
		if dark != "" {
			return nil, fmt.Errorf("--brand-color-dark goes with --brand-color, which is not set")
		}
		return nil, nil
	}
	accent, err := parseColor(color)
	if err != nil {
		return nil, fmt.Errorf("--brand-color %w", err)
	}
	t := neutral
	t.light = t.light.with(accent, black)
	if err := t.light.check("--brand-color", "", black); err != nil {
		return nil, err
	}
	if dark == "" {
		t.dark = t.dark.nearest(accent, white)
		return &t, nil
	}
	if accent, err = parseColor(dark); err != nil {
		return nil, fmt.Errorf("--brand-color-dark %w", err)
	}
	t.dark = t.dark.with(accent, white)
	return &t, t.dark.check("--brand-color-dark", " in dark mode", white)
}

// with is p with an accent and what follows from it; strong is black or white, what moves the
// accent away from the ground.
func (p palette) with(accent, strong Color) palette {
	p.accent, p.accentStrong = accent, accent.mix(strong, 0.2)
	p.tint = p.sheet.mix(accent, 0.08)
	p.onAccent = white
	if contrast(accent, black) > contrast(accent, white) {
		p.onAccent = black
	}
	return p
}

// weakest is the pair of colours of text and what is behind it that contrast least, of those that
// an accent is in.
func (p palette) weakest() (ratio float64, where string) {
	ratio = 22
	for _, pair := range []struct {
		text, on Color
		where    string
	}{
		{p.accent, p.ground, "as text on the page"}, {p.accent, p.sheet, "as text on the page"},
		{p.accent, p.tint, "as text on its own tint"}, {p.onAccent, p.accent, "behind the text of a button"},
		{p.onAccent, p.accentStrong, "behind the text of a button"}, {p.accentStrong, p.ground, "as text on the page"},
	} {
		if c := contrast(pair.text, pair.on); c < ratio {
			ratio, where = c, pair.where
		}
	}
	return ratio, where
}

// nearest is p with the accent, or with the nearest to it on its way to strong that can be read.
func (p palette) nearest(accent, strong Color) palette {
	for part := range 256 {
		if try := p.with(accent.mix(strong, float64(part)/255), strong); try.readable() {
			return try
		}
	}
	return p.with(strong, strong) // which can be read
}

func (p palette) readable() bool {
	ratio, _ := p.weakest()
	return ratio >= leastContrast
}

func (p palette) check(option, mode string, strong Color) error {
	if p.readable() {
		return nil
	}
	ratio, where := p.weakest()
	return fmt.Errorf("%s %s has a contrast of %.2f %s%s, and people need %.1f (WCAG 2.2, 1.4.3); the nearest that passes is %s",
		option, p.accent, ratio, where, mode, leastContrast, p.nearest(p.accent, strong).accent)
}

func (b Brand) colors() *theme {
	if b.theme == nil {
		return &maru
	}
	return b.theme
}

// Bars are the colours of a browser's own bar above the pages, in light and dark mode.
func (b Brand) Bars() (light, dark Color) {
	t := b.colors()
	return t.light.ground, t.dark.ground
}

// Accent is the colour of buttons in light mode, and that of the text on them, for letters.
func (b Brand) Accent() (accent, text Color) {
	t := b.colors()
	return t.light.accent, t.light.onAccent
}

// Stylesheet is the colours as CSS custom properties. The pages' stylesheet follows it.
func (b Brand) Stylesheet() string {
	t := b.colors()
	return ":root {\n  color-scheme: light dark;\n" + t.light.properties("  ") + "}\n\n" +
		"@media (prefers-color-scheme: dark) {\n  :root {\n" + t.dark.properties("    ") + "  }\n}\n"
}

func (p palette) properties(indent string) string {
	var css strings.Builder
	for _, one := range p.named() {
		fmt.Fprintf(&css, "%s--%s: %s;\n", indent, one.name, one.color)
	}
	return css.String()
}

type namedColor struct {
	name  string
	color Color
}

// named are the colours under the names that the stylesheet knows.
func (p palette) named() []namedColor {
	return []namedColor{
		{"ground", p.ground}, {"sheet", p.sheet}, {"ink", p.ink}, {"soft", p.soft}, {"line", p.line}, {"field", p.field},
		{"accent", p.accent}, {"accent-strong", p.accentStrong}, {"on-accent", p.onAccent}, {"tint", p.tint},
		{"bad", p.bad}, {"bad-tint", p.badTint}, {"good", p.good}, {"good-tint", p.goodTint},
	}
}
