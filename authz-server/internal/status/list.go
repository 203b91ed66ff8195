package status

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
)

// typeList is the type of a list's JWT (§5.1).
const typeList = "statuslist+jwt"

// A list is a status list as this replica publishes it.
type list struct {
	bits    []byte
	changed time.Time // by what was revoked last

	// What was signed last.
	token []byte
	at    int64 // its iat; 0: it is not of these bits
}

// listClaims are the claims of a list (§5.1).
type listClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"` // its address
	IssuedAt int64    `json:"iat"`
	Expiry   int64    `json:"exp"`
	TTL      int64    `json:"ttl"` // seconds
	List     listBits `json:"status_list"`
	// WithdrawnKeys are the ids of keys that were compromised. Whoever follows the lists refuses
	// whatever these signed. The claim is our own.
	WithdrawnKeys []string `json:"withdrawn_keys,omitempty"`
}

type listBits struct {
	Bits int    `json:"bits"`
	List string `json:"lst"` // base64url of the compressed bits (§4.1)
}

// refresh brings the lists up to date with the database if they are older than pollEvery.
func (l *Lists) refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.poll(ctx, pollEvery)
}

// poll brings the lists up to date if they are older than most. The caller holds mu. An outcome
// counts for all who wait for it.
func (l *Lists) poll(ctx context.Context, most time.Duration) error {
	now := l.cfg.Now()
	if since := now.Sub(l.polled); !l.polled.IsZero() && 0 <= since && since < most {
		return l.failed
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	l.failed = l.load(ctx)
	l.polled = now
	return l.failed
}

// load reads the lists, and what was revoked since it was read last.
func (l *Lists) load(ctx context.Context) error {
	began, since := l.cfg.Now(), time.Time{}
	whole := l.whole.IsZero() || began.Sub(l.whole) >= wholeEvery || began.Before(l.whole)
	if !whole {
		since = l.read.Add(-overlap)
	}
	stored, err := l.cfg.Blocks.Lists(ctx)
	if err != nil {
		return err
	}
	blocks, err := l.cfg.Blocks.RevokedBlocks(ctx, since)
	if err != nil {
		return err
	}
	revoked, err := l.cfg.Grants.RevokedSince(ctx, since)
	if err != nil {
		return err
	}
	withdrawn, err := l.cfg.Keys.ReadWithdrawn(ctx)
	if err != nil {
		return err
	}
	l.keep(stored)
	for _, b := range blocks {
		if one := l.known[b.List]; one != nil {
			order := l.shuffle(b.List)
			for position := b.First; position < b.First+b.Size; position++ {
				one.set(order.index(position), b.RevokedAt)
			}
		}
	}
	for _, r := range revoked {
		for status := range strings.FieldsSeq(r.Statuses) {
			if ref, ok := ParseRef(status); ok && l.known[ref.List] != nil {
				l.known[ref.List].set(ref.Index, r.At)
			}
		}
	}
	if !slices.Equal(withdrawn, l.withdrawn) {
		l.withdrawn = withdrawn
		for _, one := range l.known {
			one.change(began)
		}
	}
	l.forsake(blocks)
	l.read = began
	if whole {
		l.whole = began
	}
	return nil
}

// keep has the lists that are stored and no others.
func (l *Lists) keep(stored []statuses.List) {
	known := make(map[string]*list, len(stored))
	for _, s := range stored {
		one := l.known[s.Name]
		if one == nil {
			one = &list{bits: make([]byte, statuses.ListSize/8)}
		}
		if !s.RevokedAt.IsZero() {
			one.setAll(s.RevokedAt)
		}
		known[s.Name] = one
	}
	l.known = known
	l.count.Set(float64(len(known)))
}

// set marks an index as invalid (§7.1), which it stays.
func (o *list) set(index int64, at time.Time) {
	mask := byte(1) << (index % 8) // from the least significant bit (§4.1)
	if o.bits[index/8]&mask != 0 {
		return
	}
	o.bits[index/8] |= mask
	o.change(at)
}

func (o *list) setAll(at time.Time) {
	for i := range o.bits {
		if o.bits[i] != 0xff {
			o.bits[i] = 0xff
			o.change(at)
		}
	}
}

func (o *list) change(at time.Time) {
	o.at = 0
	if at.After(o.changed) {
		o.changed = at
	}
}

// ParseRef reads what [Ref.String] wrote. What follows a semicolon is package tokens' own.
func ParseRef(text string) (Ref, bool) {
	text, _, _ = strings.Cut(text, ";")
	name, number, _ := strings.Cut(text, "/")
	index, err := strconv.ParseInt(number, 10, 64)
	return Ref{name, index}, err == nil && 0 <= index && index < statuses.ListSize
}

// List returns a list as a JWT. It is not ok if there is no such list. Replicas whose lists are
// equal sign the same to the letter, for iat comes from the content and from the window, and RS256
// is deterministic: whoever asks one after the other does not get an older one. The error is a
// failure of the database.
func (l *Lists) List(ctx context.Context, name string) (token []byte, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.poll(ctx, pollEvery); err != nil {
		return nil, false, err
	}
	if l.known[name] == nil { // it may be new
		if err := l.poll(ctx, pollEvery/10); err != nil {
			return nil, false, err
		}
	}
	one := l.known[name]
	if one == nil {
		return nil, false, nil
	}
	at := max(l.cfg.Now().Truncate(window).Unix(), one.changed.Unix())
	if at != one.at {
		if err := l.sign(ctx, name, one, at); err != nil {
			return nil, false, err
		}
	}
	return one.token, true, nil
}

func (l *Lists) sign(ctx context.Context, name string, one *list, at int64) error {
	bits, err := compress(one.bits)
	if err != nil {
		return err
	}
	claims, err := json.Marshal(listClaims{
		Issuer: l.cfg.Issuer, Subject: l.address + name,
		IssuedAt: at, Expiry: at + int64(validFor/time.Second), TTL: int64(l.cfg.TTL / time.Second),
		List: listBits{Bits: 1, List: base64.RawURLEncoding.EncodeToString(bits)}, WithdrawnKeys: l.withdrawn,
	})
	if err != nil {
		return err
	}
	token, _, err := l.cfg.Keys.Sign(ctx, typeList, claims)
	if err != nil {
		return err
	}
	one.token, one.at = []byte(token), at
	return nil
}

// compress is the DEFLATE of the bits in the form of ZLIB (§4.1).
func compress(bits []byte) ([]byte, error) {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write(bits); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Revoked tells whether an index is invalid, as the list says that is published now. Those of a list
// that does not exist are: it was of a database that a backup replaced. The error is a failure of
// the database.
func (l *Lists) Revoked(ctx context.Context, r Ref) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.poll(ctx, pollEvery); err != nil {
		return false, err
	}
	if l.known[r.List] == nil { // it may be new
		if err := l.poll(ctx, 0); err != nil {
			return false, err
		}
	}
	one := l.known[r.List]
	return one == nil || one.bits[r.Index/8]&(1<<(r.Index%8)) != 0, nil
}

// URIs returns the addresses of all lists, in order. The error is a failure of the database.
func (l *Lists) URIs(ctx context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.poll(ctx, pollEvery); err != nil {
		return nil, err
	}
	uris := make([]string, 0, len(l.known))
	for name := range l.known {
		uris = append(uris, l.address+name)
	}
	slices.Sort(uris)
	return uris, nil
}
