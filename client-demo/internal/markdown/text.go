package markdown

import (
	"context"
	"html/template"
	"time"
)

// Source is a text as a person wrote it. Its format is "markdown", or "plain" for one that is shown
// as it is.
type Source struct{ Format, Body string }

// Text is a text as pages show it.
type Text struct {
	Body    string
	HTML    template.HTML // empty: show Body as it was typed
	AsTyped bool          // Body is Markdown, but costs too much to render
}

// Render lays out one text. Errors: ctx's, or the program's fault.
func (r *Renderer) Render(ctx context.Context, source Source) (text Text, err error) {
	text.Body = source.Body
	if source.Format != "markdown" || source.Body == "" {
		return text, nil
	}
	html, rendered, err := r.html(ctx, source.Body)
	if rendered {
		text.HTML = html
	}
	text.AsTyped = !rendered
	return text, err
}

// allWait is how long [Renderer.RenderAll] takes at most.
const allWait = 2 * time.Second

// RenderAll lays out the texts of one page, in their order. After two seconds it returns the rest
// as they were typed; the next reader gets further, because results are kept. Errors: as of
// [Renderer.Render].
func (r *Renderer) RenderAll(ctx context.Context, sources []Source) ([]Text, error) {
	limited, cancel := context.WithTimeout(ctx, allWait)
	defer cancel()
	texts := make([]Text, len(sources))
	for i, source := range sources {
		text, err := r.Render(limited, source)
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			text, err = Text{Body: source.Body, AsTyped: true}, nil
		}
		if err != nil {
			return nil, err
		}
		texts[i] = text
	}
	return texts, nil
}
