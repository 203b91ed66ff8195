package throttle_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
)

// However many addresses a stranger has, the mail server gets no more letters than it can bear.
func TestAllLettersTogetherAreBoundedOverReplicas(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, w *storetest.World) {
		const most = 20
		var replicas [2]*throttle.Throttle
		for i := range replicas {
			replicas[i] = throttle.New(w.Store, nil, throttle.Limits{LettersOfAll: most}, nil)
		}
		var all sync.WaitGroup
		var sent atomic.Int64
		for i := range 3 * most {
			all.Go(func() {
				r := httptest.NewRequest("POST", "/forgot", nil)
				r.RemoteAddr = fmt.Sprintf("203.0.113.%d:1234", i)
				err := replicas[i%2].Letter(t.Context(), r, fmt.Sprintf("victim%d@example.org", i))
				var wait *throttle.WaitError
				switch {
				case err == nil:
					sent.Add(1)
				case !errors.As(err, &wait):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := sent.Load(); n != most {
			t.Errorf("%d letters were sent", n)
		}
	})
}
