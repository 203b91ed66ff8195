package audit

import (
	"context"
	"sync"
	"time"
)

// Bounds of what is recorded of tries that failed, beside those of [Log.Record]. They belong to no
// transaction, and strangers can make as many as they like.
const (
	laterAtOnce   = 32
	laterPatience = 5 * time.Second
	onceWithin    = 15 * time.Minute
	onceKept      = 10_000
)

// Later records what belongs to no transaction, after the answer, so that the time of an answer
// does not tell whether there is an account. It is safe for concurrent use; the zero Later is ready
// but for its fields.
type Later struct {
	Log    *Log
	Now    func() time.Time
	Failed func(ctx context.Context, err error) // told of what could not be recorded

	mutex   sync.Mutex
	running int
	last    map[string]time.Time // when Once recorded a person's last
	done    sync.WaitGroup
}

// Record records e, or counts it if too many are being recorded. It returns at once.
func (l *Later) Record(ctx context.Context, e Entry) {
	if l == nil {
		return
	}
	if !l.admit() {
		if own, is := e.own(); is && l.Log != nil {
			l.Log.entries.Count(own)
		}
		return
	}
	l.done.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), laterPatience)
		defer cancel()
		if err := l.Log.Record(ctx, e); err != nil {
			l.Failed(ctx, err)
		}
		l.mutex.Lock()
		l.running--
		l.mutex.Unlock()
	})
}

// Once is Record for what concerns a person and goes on for a while: it records the first of
// 15 minutes.
func (l *Later) Once(ctx context.Context, e Entry) {
	if l == nil {
		return
	}
	now := l.Now()
	l.mutex.Lock()
	if len(l.last) >= onceKept || l.last == nil {
		l.last = make(map[string]time.Time)
	}
	key := string(e.Kind) + " " + e.Person
	before, known := l.last[key]
	if known = known && now.Sub(before).Abs() < onceWithin; !known {
		l.last[key] = now
	}
	l.mutex.Unlock()
	if !known {
		l.Record(ctx, e)
	}
}

// admit takes the right to record one.
func (l *Later) admit() bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.running >= laterAtOnce {
		return false
	}
	l.running++
	return true
}

// Wait waits until everything is recorded.
func (l *Later) Wait() {
	if l != nil {
		l.done.Wait()
	}
}
