package site

import (
	"net/http"
	"sync"

	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/internal/httpd"
)

// maxAtOnce is how many requests of one person, or of one network if nobody is logged in, are
// answered at once. While a service is slow, one visitor must not take up all calls to it.
const maxAtOnce = 32

// crowd counts requests under way by visitor. The zero value is ready for use, and safe for
// concurrent use.
type crowd struct {
	mu     sync.Mutex
	byWhom map[string]int
}

// enter counts a request until leave is called. It returns false if the visitor has too many under
// way.
func (c *crowd) enter(who string) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byWhom[who] >= maxAtOnce {
		return nil, false
	}
	if c.byWhom == nil {
		c.byWhom = map[string]int{}
	}
	c.byWhom[who]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.byWhom[who]--; c.byWhom[who] == 0 {
			delete(c.byWhom, who)
		}
	}, true
}

// visitor names who makes a request: a person or a network.
func visitor(r *http.Request, session *flow.Session) string {
	if session != nil {
		return "person " + session.Subject
	}
	return "address " + flow.Network(httpd.ClientAddr(r.Context())).String()
}
