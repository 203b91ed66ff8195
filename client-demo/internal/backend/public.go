package backend

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// The services count requests without a token by address, and this app's visitors all have its own: so answers that everybody
// may read are asked for once in a while only.
const (
	publicFresh = 10 * time.Second // as the board says
	maxPublic   = 200              // answers
	maxKept     = 128 << 10        // bytes of one
)

// publicAnswers keeps answers that were marked as public. It is safe for concurrent use.
type publicAnswers struct {
	now func() time.Time

	mu   sync.Mutex
	kept *simplelru.LRU[string, publicAnswer]
}

type publicAnswer struct {
	text  []byte
	etag  string
	until time.Time
}

func newPublicAnswers() *publicAnswers {
	kept, err := simplelru.NewLRU[string, publicAnswer](maxPublic, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &publicAnswers{now: time.Now, kept: kept}
}

func (p *publicAnswers) get(address string) (publicAnswer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, ok := p.kept.Get(address)
	return answer, ok && p.now().Before(answer.until)
}

func (p *publicAnswers) keep(address string, answer publicAnswer) {
	if len(answer.text) > maxKept || len(address) > 2048 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answer.until = p.now().Add(publicFresh)
	p.kept.Add(address, answer)
}
