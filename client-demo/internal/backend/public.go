package backend

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// The board service lets an address make 100 requests without a token at once and 20 a second after
// that, and all strangers who come here share this app's. So answers that everybody may read are kept
// for a while, and each network has a part of the others: none keeps the others from reading.
const (
	strangersAtOnce = 30
	strangersEvery  = time.Second / 3
	maxStrangers    = 10_000 // networks that are remembered

	publicFresh = 10 * time.Second // as the board service says
	maxPublic   = 200              // answers
	maxKept     = 128 << 10        // bytes of an answer
)

// publicAnswers keeps answers that are marked as public. It is safe for concurrent use.
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

func newPublicAnswers(now func() time.Time) *publicAnswers {
	kept, err := simplelru.NewLRU[string, publicAnswer](maxPublic, nil)
	if err != nil {
		panic(err) // only for a size below one
	}
	return &publicAnswers{now: now, kept: kept}
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
