package keys

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// As many signatures are made at once as there are processors. Who waits for a turn goes when its
// request ends.
func TestASignatureWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	ring := newPlace(t, sqldbtest.SQLite(t)).ring(t)
	_, kid := sign(t, ring)
	for range runtime.GOMAXPROCS(0) {
		if err := ring.turns.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := ring.Sign(gone, "at+jwt", []byte(`{}`))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a request that is gone: %v", err)
	}
	if _, err := ring.SignWith(gone, kid, "at+jwt", []byte(`{}`)); !errors.Is(err, context.Canceled) {
		t.Errorf("with a named key: %v", err)
	}
	signed := make(chan error)
	go func() {
		_, _, err := ring.Sign(t.Context(), "at+jwt", []byte(`{}`))
		signed <- err
	}()
	select {
	case err := <-signed:
		t.Fatalf("it did not wait: %v", err)
	default:
	}
	ring.turns.leave()
	if err := <-signed; err != nil {
		t.Error(err)
	}
}

func TestTwoSignaturesAreMadeSideBySideIfProcessorsAreIdle(t *testing.T) {
	t.Parallel()
	failed := errors.New("failed")
	ring := &Ring{turns: make(turns, 2)}
	meet := make(chan struct{})
	first := func() error { meet <- struct{}{}; return failed }
	second := func() error { <-meet; return errors.New("another") }
	if err := ring.Together(first, second); !errors.Is(err, failed) { // neither could end by itself
		t.Error(err)
	}
	if err := ring.Together(func() error { return nil }, func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("the second failed: %v", err)
	}

	func() { // a panic beside must end its request, and not the process
		defer func() {
			if p := recover(); p != "beside" {
				t.Errorf("recovered %v", p)
			}
		}()
		_ = ring.Together(func() error { return nil }, func() error { panic("beside") })
	}()

	if err := ring.turns.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	order := ""
	err := ring.Together(func() error { order += "a"; return nil }, func() error { order += "b"; return failed })
	if order != "ab" || !errors.Is(err, failed) { // with -race: and not at once
		t.Errorf("on the last idle processor: %s %v", order, err)
	}
	order = ""
	err = ring.Together(func() error { order += "a"; return failed }, func() error { order += "b"; return nil })
	if order != "a" || !errors.Is(err, failed) {
		t.Errorf("the first failed: %s %v", order, err)
	}
}

// askedContext closes asked when somebody waits for its end.
type askedContext struct {
	context.Context
	asked chan struct{}
	once  sync.Once
}

func (c *askedContext) Done() <-chan struct{} {
	c.once.Do(func() { close(c.asked) })
	return c.Context.Done()
}

func TestAKeyThatGoesDuringTheWaitForATurnSignsNothing(t *testing.T) {
	t.Parallel()
	ring := newPlace(t, sqldbtest.SQLite(t)).ring(t)
	_, first := sign(t, ring)
	for range runtime.GOMAXPROCS(0) {
		if err := ring.turns.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	waiting := &askedContext{Context: t.Context(), asked: make(chan struct{})}
	signed := make(chan string)
	go func() {
		_, kid, err := ring.Sign(waiting, "at+jwt", []byte(`{}`))
		if err != nil {
			t.Error(err)
		}
		signed <- kid
	}()
	<-waiting.asked
	for _, now := range []bool{false, true} {
		if err := ring.Rotate(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	ring.turns.leave()
	if kid := <-signed; kid == first || kid == "" {
		t.Errorf("signed by %q, the key of before", kid)
	}
}
