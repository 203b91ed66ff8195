package api

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	searchesOf = 2               // of one caller at once
	searchWait = 3 * time.Second // for a place in the queue and the search itself
)

var (
	errManySearches = errors.New("the caller searches several times at once already")
	errSearchesBusy = errors.New("too many searches are under way")
)

// searches keeps a caller from taking all of the few places for searches, and bounds the wait for
// one. The zero value is ready to use, and safe for concurrent use.
type searches struct {
	mu     sync.Mutex
	byWhom map[string]int
}

// enter counts a search of the caller until leave is called. The search must end with the returned
// context, whose cause may be errSearchesBusy. Error: errManySearches.
func (s *searches) enter(ctx context.Context, caller string) (limited context.Context, leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byWhom[caller] >= searchesOf {
		return nil, nil, errManySearches
	}
	if s.byWhom == nil {
		s.byWhom = make(map[string]int)
	}
	s.byWhom[caller]++
	limited, cancel := context.WithTimeoutCause(ctx, searchWait, errSearchesBusy)
	return limited, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.byWhom[caller]--; s.byWhom[caller] == 0 {
			delete(s.byWhom, caller)
		}
	}, nil
}
