package statuslist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/maru-auth/maru/jwks/internal/fetch"
	"github.com/maru-auth/maru/jwks/jose"
)

const (
	mediaType = "application/statuslist+jwt" // §8.1
	typ       = "statuslist+jwt"             // §5.1

	// fetchTimeout bounds one attempt.
	fetchTimeout = 5 * time.Second
	// firstRetry and lastRetry bound the pauses between attempts that fail.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 3 * time.Second
	// patience is how long the first attempts are repeated quickly: a list that
	// one replica of the issuer has just begun may be unknown to another for a
	// moment.
	patience = 800 * time.Millisecond
	// retiredAfter is for how long nobody asks about a list that its issuer ends.
	retiredAfter = 30 * time.Second
	// unfetched is how long a list is remembered that cannot be fetched.
	unfetched = time.Minute

	// replicas is how far apart the replicas of an issuer may sign their lists:
	// each signs for itself, and again before its list is ten seconds old. A
	// list that is older than the one held by less is no replay.
	replicas = 15 * time.Second
)

// follow is the one goroutine that fetches the list: at once if now, else when
// it is wanted.
func (f *Follower) follow(l *followed, now bool) {
	timer := time.NewTimer(unfetched)
	defer timer.Stop()
	if now {
		timer.Reset(0)
	}
	for {
		select {
		case <-f.ctx.Done():
			return
		case <-l.dropped:
			return
		case <-l.wanted:
		case <-timer.C:
			if l.held.Load() == nil || f.cfg.Now().Unix()-l.used.Load() > int64(unusedFor/time.Second) {
				f.drop(l)
				return
			}
		}
		l.begin()
		err := f.attempt(l)
		if f.ctx.Err() != nil {
			l.end(err, 0)
			return
		}
		if f.retired(l, err) {
			f.drop(l)
			l.end(err, 0)
			return
		}
		f.note(l, err)
		pause := f.pause(l, err)
		l.end(err, pause)
		if l.held.Load() == nil {
			pause = unfetched // and fetched when somebody asks
		}
		timer.Reset(pause)
	}
}

// attempt fetches the list; the first time, more than once if need be.
func (f *Follower) attempt(l *followed) error {
	if l.held.Load() == nil {
		select {
		case f.first <- struct{}{}:
			defer func() { <-f.first }()
		default:
			return errCrowded
		}
	}
	start := time.Now()
	for n := 1; ; n++ {
		f.fetches.Add(1)
		err := f.fetch(l)
		if err != nil && !errors.Is(err, errOlder) {
			f.failures.Add(1)
		}
		if err == nil || l.tried || l.held.Load() != nil || time.Since(start) >= patience {
			l.tried = true
			return err
		}
		select {
		case <-time.After(retryPause(n)):
		case <-l.dropped:
			return err
		case <-f.ctx.Done():
			return err
		}
	}
}

// retired says whether the issuer ended a list that nobody has asked about for
// a while: its last token has expired.
func (f *Follower) retired(l *followed, err error) bool {
	var status *fetch.StatusError
	return errors.As(err, &status) && (status.Status == http.StatusNotFound || status.Status == http.StatusGone) &&
		f.cfg.Now().Unix()-l.used.Load() >= int64(retiredAfter/time.Second)
}

// note logs the first of several failures, and the end of them.
func (f *Follower) note(l *followed, err error) {
	switch {
	case errors.Is(err, errOlder):
	case err == nil && l.failures > 0:
		f.cfg.Log.Info("the status list can be fetched again", "uri", l.uri)
		l.failures = 0
	case err != nil:
		if l.failures == 0 {
			attrs := []slog.Attr{slog.String("uri", l.uri), slog.Any("error", err)}
			if held := l.held.Load(); held != nil {
				attrs = append(attrs, slog.Time("tokens_refused_from", held.usableTill))
			}
			f.cfg.Log.LogAttrs(f.ctx, slog.LevelWarn, "fetching a status list failed", attrs...)
		}
		l.failures++
	}
}

// pause is how long to wait before the next attempt.
func (f *Follower) pause(l *followed, err error) time.Duration {
	held := l.held.Load()
	switch {
	case err != nil && errors.Is(err, errOlder):
		return jitter(lastRetry / 6)
	case err != nil:
		return jitter(retryPause(l.failures))
	case held == nil: // its key was withdrawn just now
		return 0
	}
	// Before the end of its life, so that nobody meets an old one.
	lifetime := min(f.lifetime(held.list), held.expires.Sub(f.cfg.Now()))
	return jitter(max(lifetime, f.cfg.MinRefresh) * 9 / 10)
}

func retryPause(failures int) time.Duration {
	return min(firstRetry<<min(max(failures-1, 0), 10), lastRetry)
}

// jitter takes up to a tenth off, so that many verifiers do not fetch at once.
func jitter(d time.Duration) time.Duration {
	return d - rand.N(d/10+1) //nolint:gosec // G404: spreads the load, keeps no secret
}

var (
	errOlder       = errors.New("the list is a little older than the one held")
	errReplayed    = errors.New("the list is older than the one held")
	errNotModified = errors.New("the list that is said to be unchanged has expired")
	errMediaType   = errors.New("the answer is not " + mediaType)
)

// fetch gets the list once, and holds it if it is good.
func (f *Follower) fetch(l *followed) error {
	ctx, cancel := context.WithTimeout(f.ctx, fetchTimeout)
	defer cancel()
	before, began := l.held.Load(), f.cfg.Now()
	request := fetch.Request{URL: l.uri, Accept: mediaType, Max: int64(f.cfg.MaxBytes)*16/9 + 64<<10}
	if before != nil && !l.full {
		request.ETag = before.etag
	}
	header, body, err := request.Get(ctx, f.client)
	if err != nil {
		return err
	}
	if body == nil {
		// Nobody may make a list last by saying that it is still the same.
		if l.full = expired(before.list, f.cfg.Now()); l.full {
			return errNotModified
		}
		return f.hold(l, before, f.confirm(*before, began))
	}
	l.full = false
	// §8.2.
	if got, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || got != mediaType {
		return errMediaType
	}
	fetched, err := f.verify(ctx, l.uri, string(body))
	if err != nil {
		return err
	}
	if err := f.learn(fetched.withdrawn); err != nil {
		return err
	}
	before = l.held.Load() // its own key may be among those
	fetched.etag = header.Get("ETag")
	if before != nil && fetched.issued.Before(before.issued) {
		if before.issued.Sub(fetched.issued) > replicas {
			return errReplayed
		}
		// It may be of a replica whose clock is behind: what it refuses counts,
		// but it confirms nothing.
		merged := *before
		merged.list = &list{}
		*merged.list = *before.list
		merged.statuses = before.statuses.with(&fetched.statuses)
		return errors.Join(errOlder, f.hold(l, before, &merged))
	}
	if before != nil && fetched.issued.Equal(before.issued) {
		// iat counts seconds: which of the two is the newer one cannot be told,
		// and it might be a replay.
		fetched.statuses = fetched.statuses.with(&before.statuses)
	}
	return f.hold(l, before, f.confirm(*fetched, began))
}

func expired(l *list, now time.Time) bool { return (jose.NumericDate{Time: l.expires}).Past(now) }

// hold replaces the list held.
func (f *Follower) hold(l *followed, before, after *held) error {
	// If it is not held any longer, its key was withdrawn meanwhile.
	if !l.held.CompareAndSwap(before, after) {
		return errWithdrawnKey
	}
	// After it is stored: either this or learn sees the other's change.
	if f.Withdrawn(after.keyID) {
		l.held.CompareAndSwap(after, nil)
		return errWithdrawnKey
	}
	f.unsaved.Store(true)
	if before == nil || !bytes.Equal(before.bytes, after.bytes) {
		f.saveSoon()
	}
	return nil
}

var (
	errMalformed    = errors.New("the list is malformed")
	errAlgorithm    = errors.New("the list is signed with an algorithm that is not allowed")
	errType         = errors.New("the answer is a JWT of another type")
	errSignature    = errors.New("the list has a wrong signature")
	errWithdrawnKey = errors.New("the list is signed with a withdrawn key")
	errIssuer       = errors.New("the list is of another issuer")
	errSubject      = errors.New("the list is another than was asked for")
	errFuture       = errors.New("the list is from the future")
	errExpired      = errors.New("the list has expired")
	errManyKeys     = errors.New("too many withdrawn keys")
)

// verify checks a Status List Token as a token is (§8.3 steps 3 and 4).
func (f *Follower) verify(ctx context.Context, uri, text string) (*held, error) {
	t, err := jose.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	case !slices.Contains(f.cfg.Algorithms, t.Algorithm):
		return nil, errAlgorithm
	case !t.HasType(typ):
		return nil, errType
	}
	keys, err := f.cfg.Keys.Keys(ctx, t.KeyID)
	if err != nil {
		return nil, err
	}
	payload, keyID, err := signed(t, keys)
	if err != nil {
		return nil, err
	}
	l, err := parse(payload, int64(f.cfg.MaxBytes))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	now := f.cfg.Now()
	switch {
	case f.Withdrawn(keyID), slices.Contains(l.withdrawn, keyID):
		return nil, errWithdrawnKey
	// §5.1 does not ask for iss: the keys are the issuer's.
	case l.issuer != "" && l.issuer != f.cfg.Issuer:
		return nil, errIssuer
	case l.uri != uri:
		return nil, errSubject
	case (jose.NumericDate{Time: l.issued}).Ahead(now), (jose.NumericDate{Time: l.notBefore}).Ahead(now):
		return nil, errFuture
	case expired(l, now):
		return nil, errExpired
	}
	l.issuer, l.uri = f.cfg.Issuer, uri // those parsed would keep all of the text
	return &held{list: l, keyID: keyID}, nil
}

// signed returns the payload of a list that one of the keys signed, and the id
// of that key.
func signed(t *jose.JWT, keys []jose.Key) (payload []byte, keyID string, err error) {
	found := false
	for _, key := range keys {
		if !key.Fits(t.Algorithm) {
			continue
		}
		// A list without a kid must not make us try every key.
		if found && t.KeyID == "" {
			return nil, "", errSignature
		}
		found = true
		if payload, ok := t.VerifiedBy(key); ok {
			return payload, key.ID(), nil
		}
	}
	return nil, "", errSignature
}

// learn remembers withdrawn keys, for as long as the process lives: what they
// signed counts for nothing from now on, and lists among that are let go.
func (f *Follower) learn(ids []string) error {
	if !slices.ContainsFunc(ids, func(id string) bool { return !f.Withdrawn(id) }) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	known := maps.Clone(*f.withdrawn.Load())
	for _, id := range ids {
		known[id] = struct{}{}
	}
	if len(known) > maxWithdrawn {
		return errManyKeys
	}
	f.withdrawn.Store(&known)
	for _, l := range *f.lists.Load() {
		if held := l.held.Load(); held != nil && f.Withdrawn(held.keyID) {
			l.held.CompareAndSwap(held, nil)
		}
	}
	f.cfg.Log.Warn("the issuer has withdrawn keys; what they signed is refused", "kids", ids)
	if f.cfg.KeyWithdrawn != nil {
		f.cfg.KeyWithdrawn()
	}
	f.saveSoon()
	return nil
}
