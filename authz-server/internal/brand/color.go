package brand

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Color is a colour of sRGB.
type Color struct{ r, g, b uint8 }

var (
	black = Color{}
	white = Color{255, 255, 255}
)

// parseColor reads #rrggbb or #rgb.
func parseColor(text string) (Color, error) {
	digits, ok := strings.CutPrefix(text, "#")
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil || len(raw) != 3 {
		return Color{}, errors.New("must be a colour such as #1a5fb4")
	}
	return Color{raw[0], raw[1], raw[2]}, nil
}

// rgb is parseColor for colours that are written in this package.
func rgb(text string) Color {
	c, err := parseColor(text)
	if err != nil {
		panic(err)
	}
	return c
}

func (c Color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.r, c.g, c.b) }

// mix is c with the share part, of 0 to 1, of other in it.
func (c Color) mix(other Color, part float64) Color {
	channel := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-part) + float64(b)*part)) }
	return Color{channel(c.r, other.r), channel(c.g, other.g), channel(c.b, other.b)}
}

// luminance is the relative luminance of WCAG 2.2, from 0 for black to 1 for white.
func (c Color) luminance() float64 {
	channel := func(v uint8) float64 {
		c := float64(v) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(c.r) + 0.7152*channel(c.g) + 0.0722*channel(c.b)
}

// contrast is the contrast ratio of WCAG 2.2, from 1 for equal colours to 21 for black and white.
func contrast(a, b Color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}
