package flow

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestADocumentIsFetchedOnceForAllWhoNeedItAndStaysGoodWhenTheIssuerGoes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	c := newClient(t, Config{Origin: "https://app.example", Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	defer c.Close()
	var fetches atomic.Int64
	answer := make(chan error)
	document := fetched[string]{client: c, name: "document", fetch: func(context.Context) (string, error) {
		fetches.Add(1)
		return "the document", <-answer
	}}
	const pause = time.Minute

	gone, leave := context.WithCancel(t.Context())
	leave()
	if got, err := document.again(gone, pause, time.Hour); got != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("one who leaves gets %q, %v", got, err)
	}
	if got, err := document.again(t.Context(), pause, 0); got != "" || !errors.Is(err, errSlow) {
		t.Errorf("one who cannot wait gets %q, %v", got, err)
	}
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			if got, err := document.again(t.Context(), pause, time.Hour); got != "the document" || err != nil {
				t.Errorf("one of many gets %q, %v", got, err)
			}
		})
	}
	answer <- nil
	waiting.Wait()
	if n := fetches.Load(); n != 1 {
		t.Errorf("%d fetches for 22 who need it", n)
	}

	now = now.Add(pause)
	broken := errors.New("the issuer is gone")
	go func() { answer <- broken }()
	for range 2 { // the second does not ask again
		if got, err := document.again(t.Context(), pause, time.Hour); got != "the document" || !errors.Is(err, broken) {
			t.Errorf("afterwards: %q, %v", got, err)
		}
	}
	if n := fetches.Load(); n != 2 {
		t.Errorf("%d fetches", n)
	}
}
