package markdown

import (
	"context"
	"crypto/sha256"
	"errors"
	"html/template"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	maxRendered = 16 << 20 // bytes of HTML that are kept
	renderEntry = 256      // bytes that a result takes beside its HTML
	renderWait  = time.Second
)

// Renderer renders few texts at once, so that they never take the whole machine, and keeps the
// results. It is safe for concurrent use; make it with [New].
type Renderer struct {
	render func(context.Context, string) (template.HTML, error)
	places chan struct{}

	mu    sync.Mutex
	kept  *simplelru.LRU[[sha256.Size]byte, rendered]
	bytes int // of kept
}

// rendered is what became of a text: HTML, or that it costs too much.
type rendered struct {
	html    template.HTML
	tooMuch bool
}

func (r rendered) size() int { return renderEntry + len(r.html) }

func New() *Renderer {
	r := &Renderer{render: convert, places: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
	forget := func(_ [sha256.Size]byte, old rendered) { r.bytes -= old.size() }
	kept, err := simplelru.NewLRU(maxRendered/renderEntry, forget)
	if err != nil {
		panic(err) // only for a size below one
	}
	r.kept = kept
	return r
}

// html returns body as HTML. It returns false if that would cost too much, or if too many texts are
// being rendered and none ends within a second: then show the text as it was typed. Errors: ctx's,
// or the program's fault.
func (r *Renderer) html(ctx context.Context, body string) (template.HTML, bool, error) {
	key := sha256.Sum256([]byte(body))
	if found, ok := r.get(key); ok {
		return found.html, !found.tooMuch, nil
	}
	timeout := time.NewTimer(renderWait)
	defer timeout.Stop()
	select {
	case r.places <- struct{}{}:
		defer func() { <-r.places }()
	case <-timeout.C:
		return "", false, nil
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
	if found, ok := r.get(key); ok { // another reader was faster
		return found.html, !found.tooMuch, nil
	}
	html, err := r.render(ctx, body)
	if err != nil && !errors.Is(err, errTooMuch) {
		return "", false, err
	}
	r.keep(key, rendered{html, err != nil})
	return html, err == nil, nil
}

func (r *Renderer) get(key [sha256.Size]byte) (rendered, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept.Get(key)
}

func (r *Renderer) keep(key [sha256.Size]byte, result rendered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept.Remove(key)
	r.kept.Add(key, result)
	r.bytes += result.size()
	for r.bytes > maxRendered {
		r.kept.RemoveOldest()
	}
}
