package audit

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

// Bounds of what is recorded of tries that failed. They belong to no transaction, and strangers can
// make as many as they like.
const (
	laterAtOnce   = 32
	laterPerHour  = 3600
	laterPatience = 5 * time.Second
	onceWithin    = 15 * time.Minute
	onceKept      = 10_000
)

// ErrTooMany says that more tries failed within an hour than the log takes. The metrics count all.
var ErrTooMany = errors.New("audit: too many failed tries to record each")

// Later records what belongs to no transaction, after the answer, so that the time of an answer
// does not tell whether there is an account. It is safe for concurrent use; the zero Later is ready
// but for its fields.
type Later struct {
	Log    *Log
	Now    func() time.Time
	Failed func(ctx context.Context, err error) // told of what could not be recorded, and once an hour of ErrTooMany

	PerHour int // how many this process records within an hour at most; 0: 3600

	mutex   sync.Mutex
	running int
	hour    time.Time
	count   int
	told    bool
	last    map[string]time.Time // when Once recorded a person's last
	done    sync.WaitGroup
}

// Record records e. It returns at once.
func (l *Later) Record(ctx context.Context, e Entry) {
	if l == nil {
		return
	}
	if ok, first := l.admit(); !ok {
		if first {
			l.Failed(ctx, ErrTooMany)
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

// admit takes the right to record one; first is true for the first in an hour that gets none.
func (l *Later) admit() (ok, first bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if now := l.Now(); now.Sub(l.hour).Abs() >= time.Hour {
		l.hour, l.count, l.told = now, 0, false
	}
	if l.running >= laterAtOnce || l.count >= cmp.Or(l.PerHour, laterPerHour) {
		first, l.told = !l.told, true
		return false, first
	}
	l.running++
	l.count++
	return true, false
}

// Wait waits until everything is recorded.
func (l *Later) Wait() {
	if l != nil {
		l.done.Wait()
	}
}
