package keycache

import (
	"strings"
	"testing"
	"time"
)

func TestTheMemoryOfMissingKeysIsBounded(t *testing.T) {
	t.Parallel()
	m := newMissingKeys()
	now := time.Unix(1000, 0)
	for i := range 10 * maxMissing {
		m.remember(strings.Repeat("x", i), now, time.Second)
	}
	if len(m.ids) != maxMissing {
		t.Errorf("%d remembered", len(m.ids))
	}
	last := strings.Repeat("x", 10*maxMissing-1)
	if !m.remembered(last, now) || m.remembered(last, now.Add(time.Second)) || m.remembered("another", now) {
		t.Error("remembers wrongly")
	}
	for range 10 {
		m.remember(last, now, time.Second)
	}
	if !m.remembered(last, now.Add(maxMissingPause*time.Second-1)) || m.remembered(last, now.Add(maxMissingPause*time.Second)) {
		t.Error("the pause is not bounded")
	}
}
