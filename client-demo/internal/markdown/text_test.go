package markdown

import (
	"context"
	"errors"
	"html/template"
	"testing"
)

func TestTextsAreShownAsTypedWhenLayingThemOutTakesTooLong(t *testing.T) {
	t.Parallel()
	sources := []Source{{"markdown", "**a**"}, {"plain", "**b**"}, {"markdown", "**c**"}}
	r := New()
	texts, err := r.RenderAll(t.Context(), sources)
	if err != nil || texts[0].HTML != "<p><strong>a</strong></p>\n" || texts[1].HTML != "" || texts[1].AsTyped {
		t.Errorf("%+v %v", texts, err)
	}
	r = New()
	r.render = func(ctx context.Context, _ string) (template.HTML, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}
	texts, err = r.RenderAll(t.Context(), sources)
	if err != nil || !texts[0].AsTyped || texts[0].Body != "**a**" || !texts[2].AsTyped {
		t.Errorf("%+v %v", texts, err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := r.RenderAll(gone, sources); !errors.Is(err, context.Canceled) {
		t.Errorf("for a reader who left: %v", err)
	}
}
