package brand

// LetterColors are the colours of a letter in one mode.
type LetterColors struct{ Ground, Sheet, Ink, Soft, Line, Tint, Accent, OnAccent Color }

// Letters are the colours of letters, in light and dark mode.
func (b Brand) Letters() (light, dark LetterColors) {
	t := b.colors()
	return t.light.letter(), t.dark.letter()
}

func (p palette) letter() LetterColors {
	return LetterColors{
		Ground: p.ground, Sheet: p.sheet, Ink: p.ink, Soft: p.soft, Line: p.line, Tint: p.tint, Accent: p.accent, OnAccent: p.onAccent,
	}
}
