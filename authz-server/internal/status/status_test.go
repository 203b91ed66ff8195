package status_test

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/keys/keystest"
	"github.com/maru-auth/maru/authz-server/internal/status"
	"github.com/maru-auth/maru/authz-server/internal/store/statuses"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const url = "https://id.example/oauth2/status"

// replica returns the lists of one of several replicas.
func replica(t *testing.T, w *storetest.World) *status.Lists {
	t.Helper()
	l, _ := replicaAndKeys(t, w)
	return l
}

func replicaAndKeys(t *testing.T, w *storetest.World) (*status.Lists, *keys.Ring) {
	t.Helper()
	log, now := slog.New(slog.DiscardHandler), func() time.Time { return w.Now }
	if w.Count(t, "signing_keys") == 0 {
		keystest.Fill(t, w.Keys, w.Now)
		for _, id := range []string{"other", "client 0", "client 1", "client 2"} {
			storetest.OK(t, w.Clients.CreateClient(t.Context(), client.Client{ID: id}))
		}
	}
	ring, err := keys.Open(t.Context(), keys.Config{Store: w.Keys, KEK: keystest.KEK(t), Now: now, Log: log})
	storetest.OK(t, err)
	l, err := status.New(status.Config{
		Issuer: "https://id.example", URL: url, Blocks: w.Statuses, Grants: w.Grants, Keys: ring, Secret: make([]byte, status.SecretSize),
		Log: log, Now: now, TokenLifetime: 10 * time.Minute,
	})
	storetest.OK(t, err)
	return l, ring
}

func next(t *testing.T, l *status.Lists, client string) status.Ref {
	t.Helper()
	ref, err := l.Next(t.Context(), statuses.Holder{ClientID: client})
	storetest.OK(t, err)
	return ref
}

// published are the claims of a list.
type published struct {
	Iss, Sub      string
	Iat, Exp, TTL int64
	List          struct {
		Bits int
		Lst  string
	} `json:"status_list"`
	Withdrawn []string `json:"withdrawn_keys"`
	bits      []byte
}

func read(t *testing.T, l *status.Lists, name string) (p published, token string) {
	t.Helper()
	text, ok, err := l.List(t.Context(), name)
	if err != nil || !ok {
		t.Fatalf("the list %s: %t, %v", name, ok, err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(string(text), ".")[1])
	storetest.OK(t, err)
	storetest.OK(t, json.Unmarshal(payload, &p))
	packed, err := base64.RawURLEncoding.DecodeString(p.List.Lst)
	storetest.OK(t, err)
	z, err := zlib.NewReader(bytes.NewReader(packed))
	storetest.OK(t, err)
	p.bits, err = io.ReadAll(z)
	storetest.OK(t, err)
	return p, string(text)
}

// revoked tells whether a list says so of a token.
func revoked(t *testing.T, l *status.Lists, ref status.Ref) bool {
	t.Helper()
	p, _ := read(t, l, ref.List)
	return p.bits[ref.Index/8]>>(ref.Index%8)&1 == 1
}

func count(bits []byte) (n int) {
	for _, b := range bits {
		for ; b > 0; b &= b - 1 {
			n++
		}
	}
	return n
}

func TestNoTwoTokensShareAPlace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		replicas := []*status.Lists{replica(t, w), replica(t, w)}
		var mu sync.Mutex
		seen := map[status.Ref]bool{}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 200 {
					ref, err := replicas[i%2].Next(t.Context(), statuses.Holder{ClientID: fmt.Sprint("client ", i%3)})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if seen[ref] {
						t.Errorf("%v was given out twice", ref)
					}
					seen[ref] = true
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		// A replica that starts again wastes its blocks, and repeats nothing.
		if ref := next(t, replica(t, w), "client 0"); seen[ref] {
			t.Errorf("%v was given out again after a restart", ref)
		}
	})
}

func TestAPlaceCostsNoWriteOfItsOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := replica(t, w)
		next(t, l, "app")
		statements := storetest.Statements(t.Context(), func(ctx context.Context) {
			for range 15 {
				if _, err := l.Next(ctx, statuses.Holder{ClientID: "app"}); err != nil {
					t.Error(err)
				}
			}
		})
		if len(statements) != 0 {
			t.Errorf("%q", statements)
		}
		for range 10_000 {
			next(t, l, "app")
		}
		if n := w.Count(t, "status_blocks"); n > 8 {
			t.Errorf("%d blocks for 10,016 tokens", n)
		}
		w.Now = w.Now.Add(11 * time.Minute)
		next(t, l, "app")
		if n := w.Count(t, "status_blocks WHERE size < 4096 AND first > 5000"); n != 1 {
			t.Error("after a quiet time, the next block is not smaller")
		}
	})
}

func TestAFullListIsFollowedByAnother(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := replica(t, w)
		for i := range 8 {
			storetest.OK(t, w.Clients.CreateClient(t.Context(), client.Client{ID: fmt.Sprint("other ", i)}))
		}
		first := next(t, l, "app")
		w.Exec(t, `UPDATE status_lists SET leased = $1`, int64(statuses.ListSize-3))
		var mu sync.Mutex
		lists := map[string]int{}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				ref, err := l.Next(t.Context(), statuses.Holder{ClientID: fmt.Sprint("other ", i)})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				lists[ref.List]++
				mu.Unlock()
			})
		}
		wg.Wait()
		if len(lists) != 1 || lists[first.List] != 0 || w.Count(t, "status_lists") != 2 {
			t.Errorf("%v", lists)
		}
		uris, err := l.URIs(t.Context())
		if err != nil || len(uris) != 2 {
			t.Errorf("%v, %v", uris, err)
		}
		// It goes when the last of its tokens has expired, and not before: one that began when the block
		// ended, and shared its place with others for as long as it lived.
		w.Now = w.Now.Add(30 * time.Minute)
		if _, err := w.Sweep(t.Context()); err != nil || w.Count(t, "status_lists") != 2 {
			t.Errorf("swept too early: %v", err)
		}
		w.Now = w.Now.Add(2 * time.Minute)
		if _, err := w.Sweep(t.Context()); err != nil || w.Count(t, "status_lists") != 1 {
			t.Errorf("not swept: %v", err)
		}
		if _, ok, err := l.List(t.Context(), first.List); ok || err != nil {
			t.Errorf("a list that is over is published: %v", err)
		}
	})
}

func TestOneStatementRevokesAllTokensOfAClient(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		here, there := replica(t, w), replica(t, w)
		var held []status.Ref
		for range 20 { // more than one block
			held = append(held, next(t, here, "app"), next(t, there, "app"))
		}
		other := next(t, here, "other")
		for _, l := range []*status.Lists{here, there} {
			if p, _ := read(t, l, other.List); count(p.bits) != 0 {
				t.Fatal("something is revoked already")
			}
		}
		w.Now = w.Now.Add(time.Second)
		storetest.OK(t, w.Statuses.RevokeClient(t.Context(), "app"))
		for _, l := range []*status.Lists{here, there} {
			for _, ref := range held {
				if !revoked(t, l, ref) {
					t.Fatalf("%v is not revoked", ref)
				}
			}
			if revoked(t, l, other) {
				t.Error("another client's token is revoked")
			}
			// Its next token is good.
			if ref := next(t, l, "app"); revoked(t, l, ref) {
				t.Error("a token issued after the revocation is revoked")
			}
		}
	})
}

func TestAfterARestoreEveryEarlierTokenIsRevoked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := replica(t, w)
		known := next(t, l, "app")
		unknown := known // to the database: it was leased after the backup was made
		unknown.Index = (known.Index + 1) % statuses.ListSize
		w.Now = w.Now.Add(time.Second)
		_, err := w.EndAll(t.Context(), false)
		storetest.OK(t, err)
		for _, ref := range []status.Ref{known, unknown} {
			if !revoked(t, l, ref) {
				t.Errorf("%v is not revoked", ref)
			}
		}
		w.Now = w.Now.Add(50 * time.Millisecond) // a new list is looked for sooner than a change
		if ref := next(t, replica(t, w), "app"); ref.List == known.List || revoked(t, l, ref) {
			t.Errorf("a new token has its place in %s", ref.List)
		}
		w.Now = w.Now.Add(time.Hour)
		if _, err := w.Sweep(t.Context()); err != nil || !revoked(t, l, unknown) {
			t.Errorf("the list is gone although tokens of it may live: %v", err)
		}
	})
}

func TestReplicasSignTheSame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		w.Now = w.Now.Truncate(10 * time.Second).Add(time.Second)
		here, there := replica(t, w), replica(t, w)
		ref := next(t, here, "app")
		first, one := read(t, here, ref.List)
		if _, two := read(t, there, ref.List); one != two {
			t.Error("two replicas differ")
		}
		if first.Iss != "https://id.example" || first.Sub != url+"/"+ref.List || first.List.Bits != 1 || first.TTL != 3 ||
			first.Exp != first.Iat+30 || first.Iat != w.Now.Unix()-1 {
			t.Errorf("%+v", first)
		}
		w.Now = w.Now.Add(4 * time.Second)
		if _, again := read(t, here, ref.List); again != one {
			t.Error("an unchanged list was signed anew within its window")
		}
		storetest.OK(t, w.Grants.RevokeToken(t.Context(), "jti", ref.String(), w.Now.Add(time.Minute)))
		w.Now = w.Now.Add(600 * time.Millisecond)
		second, one := read(t, here, ref.List)
		if _, two := read(t, there, ref.List); one != two || second.Iat <= first.Iat || count(second.bits) != 1 {
			t.Errorf("after a revocation: %+v", second)
		}
		// Who starts now has the change too, and its list is not older.
		if late, _ := read(t, replica(t, w), ref.List); late.Iat != second.Iat || count(late.bits) != 1 {
			t.Errorf("from a new replica: %+v", late)
		}
		w.Now = w.Now.Add(10 * time.Second)
		if third, _ := read(t, there, ref.List); third.Iat <= second.Iat {
			t.Errorf("in the next window: %+v", third)
		}
	})
}

func TestListsNameTheKeysThatWereWithdrawn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		here, ring := replicaAndKeys(t, w)
		there := replica(t, w)
		ref := next(t, here, "app")
		before, token := read(t, there, ref.List)
		if before.Withdrawn != nil {
			t.Errorf("%q", before.Withdrawn)
		}
		var header struct{ Kid string }
		text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		storetest.OK(t, err)
		storetest.OK(t, json.Unmarshal(text, &header))
		w.Now = w.Now.Add(600 * time.Millisecond)
		storetest.OK(t, ring.Withdraw(t.Context(), keys.Withdrawal{KIDs: []string{header.Kid}}))
		for _, l := range []*status.Lists{here, there} {
			after, token := read(t, l, ref.List)
			if !slices.Equal(after.Withdrawn, []string{header.Kid}) || after.Iat < before.Iat {
				t.Errorf("%+v", after)
			}
			if _, kid, err := ring.Verify(t.Context(), token, "statuslist+jwt"); err != nil || kid == header.Kid {
				t.Errorf("the list is signed by %s: %v", kid, err)
			}
		}
	})
}

// A transaction that took long is committed after others that began later.
func TestALateCommitIsSeen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := replica(t, w)
		early, late := next(t, l, "app"), next(t, l, "app")
		began := w.Now
		w.Now = w.Now.Add(5 * time.Second)
		storetest.OK(t, w.Grants.RevokeToken(t.Context(), "a", late.String(), w.Now.Add(time.Minute)))
		if !revoked(t, l, late) {
			t.Fatal("not revoked")
		}
		w.Now = began // the clock of the replica whose transaction took 20 s
		storetest.OK(t, w.Grants.RevokeToken(t.Context(), "b", early.String(), w.Now.Add(time.Minute)))
		w.Now = began.Add(20 * time.Second)
		if !revoked(t, l, early) {
			t.Error("the late one is missed")
		}
		// An operator's command can take minutes.
		last := next(t, l, "app")
		w.Now = began
		storetest.OK(t, w.Grants.RevokeToken(t.Context(), "c", last.String(), began.Add(time.Hour)))
		w.Now = began.Add(2 * time.Minute)
		if !revoked(t, l, last) {
			t.Error("one that is later still is missed")
		}
	})
}

func TestAListThatCannotBeReadIsNotServed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := replica(t, w)
		ref := next(t, l, "app")
		read(t, l, ref.List)
		w.Exec(t, `ALTER TABLE status_blocks RENAME TO away`)
		w.Now = w.Now.Add(time.Second)
		if _, _, err := l.List(t.Context(), ref.List); err == nil {
			t.Error("a list of unknown age was served")
		}
		w.Exec(t, `ALTER TABLE away RENAME TO status_blocks`)
		w.Now = w.Now.Add(time.Second)
		read(t, l, ref.List)
	})
}

func TestALeaseIsNoPartOfATransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		l := replica(t, w)
		err := w.Tx(t.Context(), func(ctx context.Context) error {
			_, err := l.Next(ctx, statuses.Holder{ClientID: "app"})
			return err
		})
		if err == nil {
			t.Error("a rollback would have given the same block out twice")
		}
	})
}
