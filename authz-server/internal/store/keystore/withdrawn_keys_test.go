package keystore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/keystore"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb"
)

// fillLine adds RS256 keys, "key1" and so on, that activate at these hours.
func fillLine(t *testing.T, s *storetest.World, hours ...int) {
	t.Helper()
	for i, hour := range hours {
		storetest.OK(t, s.Keys.AddSigningKey(t.Context(), keystore.SigningKey{
			KID: fmt.Sprint("key", i+1), Alg: "RS256", Generation: int64(i + 1), PrivateKey: []byte("secret"),
			ActivatesAt: s.Now.Add(time.Duration(hour) * time.Hour),
		}))
	}
}

// showLine lists the keys as "key1:1@-2", with generation and hour, and the withdrawn ones after a
// bar.
func showLine(t *testing.T, s *storetest.World) string {
	t.Helper()
	keys, withdrawn, err := s.Keys.SigningKeys(t.Context())
	storetest.OK(t, err)
	var all []string
	for _, k := range keys {
		all = append(all, fmt.Sprintf("%s:%d@%d", k.KID, k.Generation, int(k.ActivatesAt.Sub(s.Now).Hours())))
	}
	if len(withdrawn) > 0 {
		all = append(all, "|")
	}
	for _, k := range withdrawn {
		if len(k.PrivateKey) != 0 || !k.WithdrawnAt.Equal(s.Now) || !k.ExpiresAt.Equal(s.Now.Add(time.Hour)) || k.Reason != "leaked" {
			t.Errorf("%+v", k)
		}
		all = append(all, fmt.Sprintf("%s:%d", k.KID, k.Generation))
	}
	return strings.Join(all, " ")
}

func withdrawal(s *storetest.World, kids ...string) keystore.Withdrawal {
	return keystore.Withdrawal{KIDs: kids, Reason: "leaked", Until: s.Now.Add(time.Hour)}
}

func TestAWithdrawnKeyHasASuccessor(t *testing.T) {
	for name, test := range map[string]struct {
		line    []int
		kids    []string
		lacking bool // a replacement is asked for
		missing bool
		want    string
	}{
		"the only key":                  {line: []int{-1}, kids: []string{"key1"}, lacking: true, want: "new:2@0 | key1:1"},
		"the current, one waits":        {line: []int{-2, -1, 1}, kids: []string{"key2"}, want: "key1:1@-2 key3:3@0 | key2:2"},
		"the current, none waits":       {line: []int{-2, -1}, kids: []string{"key2"}, lacking: true, want: "key1:1@-2 new:3@0 | key2:2"},
		"the next":                      {line: []int{-1, 1}, kids: []string{"key2"}, want: "key1:1@-1 | key2:2"},
		"a retired one":                 {line: []int{-2, -1}, kids: []string{"key1"}, want: "key2:2@-1 | key1:1"},
		"a retired one, one waits":      {line: []int{-2, -1, 1}, kids: []string{"key1"}, want: "key2:2@-1 key3:3@1 | key1:1"},
		"the current and the next":      {line: []int{-1, 1}, kids: []string{"key1", "key2"}, lacking: true, want: "new:2@0 | key1:1 key2:2"},
		"retired and next":              {line: []int{-2, -1, 1}, kids: []string{"key1", "key3"}, want: "key2:2@-1 | key1:1 key3:3"},
		"all":                           {line: []int{-2, -1, 1}, kids: []string{"key3", "key1", "key2"}, lacking: true, want: "new:3@0 | key1:1 key2:2 key3:3"},
		"the only key, by a slow clock": {line: []int{1}, kids: []string{"key1"}, lacking: true, want: "new:2@0 | key1:1"},
		"one that is not here":          {line: []int{-1}, kids: []string{"key9"}, missing: true, want: "key1:1@-1 | key9:0"},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Empty(t, func(t *testing.T, s *storetest.World) {
				fillLine(t, s, test.line...)
				before := showLine(t, s)
				w := withdrawal(s, test.kids...)
				w.Missing = test.missing
				if test.lacking {
					var lacks *keystore.NoSuccessorError
					if err := s.Keys.Withdraw(t.Context(), w); !errors.As(err, &lacks) || lacks.Alg != "RS256" {
						t.Errorf("%v", err)
					}
					if got := showLine(t, s); got != before {
						t.Errorf("without a successor there is %s, not %s", got, before)
					}
					w.Replacements = map[string]keystore.SigningKey{"RS256": {KID: "new", PrivateKey: []byte("new")}}
				}
				for range 2 { // the second time it changes nothing
					storetest.OK(t, s.Keys.Withdraw(t.Context(), w))
					if got := showLine(t, s); got != test.want {
						t.Errorf("%s, not %s", got, test.want)
					}
				}
			})
		})
	}
}

func TestAnUnknownKeyIsNotWithdrawnNorAnyWithIt(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		fillLine(t, s, -2, -1)
		if err := s.Keys.Withdraw(t.Context(), withdrawal(s, "key1", "key9")); !errors.Is(err, store.ErrNotFound) ||
			!strings.Contains(err.Error(), "key9") {
			t.Error(err)
		}
		if got := showLine(t, s); got != "key1:1@-2 key2:2@-1" {
			t.Error(got)
		}
	})
}

// A withdrawal that is cut off after any of its statements has not happened.
func TestAWithdrawalThatIsCutOffChangesNothing(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		fillLine(t, s, -2, -1)
		before := showLine(t, s)
		w := withdrawal(s, "key1", "key2")
		w.Replacements = map[string]keystore.SigningKey{"RS256": {KID: "new", PrivateKey: []byte("new")}}
		cuts := 0
		for {
			ctx, cut := context.WithCancel(t.Context())
			statements := 0
			err := s.Keys.Withdraw(sqldb.Observe(ctx, func(string, []any) {
				if statements++; statements > cuts {
					cut()
				}
			}), w)
			cut()
			if err == nil {
				break
			}
			if got := showLine(t, s); got != before {
				t.Fatalf("cut off at statement %d, there is %s", cuts+1, got)
			}
			cuts++
		}
		if got := showLine(t, s); cuts < 7 || got != "new:3@0 | key1:1 key2:2" {
			t.Errorf("after %d cuts: %s", cuts, got)
		}
	})
}

func TestWithdrawalsAndRotationsAtOnceLeaveOneSuccessor(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		fillLine(t, s, -1)
		added := storetest.Winners(t, func(ctx context.Context, i int) (bool, error) {
			if i%2 == 0 { // a replica for which it is time to rotate
				err := s.Keys.AddSigningKey(ctx, keystore.SigningKey{
					KID: fmt.Sprint("next", i), Alg: "RS256", Generation: 2, PrivateKey: []byte("x"), ActivatesAt: s.Now.Add(time.Hour),
				})
				if errors.Is(err, store.ErrExists) {
					return false, nil
				}
				return err == nil, err
			}
			w := withdrawal(s, "key1")
			w.Replacements = map[string]keystore.SigningKey{"RS256": {KID: fmt.Sprint("new", i), PrivateKey: []byte("x")}}
			return false, s.Keys.Withdraw(ctx, w)
		})
		keys, withdrawn, err := s.Keys.SigningKeys(t.Context())
		if err != nil || len(withdrawn) != 1 || len(keys) != 1 || keys[0].Generation != 2 || !keys[0].ActivatesAt.Equal(s.Now) || added > 1 {
			t.Errorf("%d added; %+v and %+v, %v", added, keys, withdrawn, err)
		}
	})
}

func TestWithdrawnKeysAreForgottenInTime(t *testing.T) {
	storetest.Empty(t, func(t *testing.T, s *storetest.World) {
		fillLine(t, s, -2, -1)
		storetest.OK(t, s.Keys.Withdraw(t.Context(), withdrawal(s, "key1")))
		for _, step := range []struct {
			at   time.Duration
			want int
		}{{time.Hour - time.Microsecond, 1}, {time.Microsecond, 0}} {
			s.Now = s.Now.Add(step.at)
			storetest.OK(t, s.Keys.ForgetWithdrawnKeys(t.Context()))
			if kids, err := s.Keys.WithdrawnKIDs(t.Context()); err != nil || len(kids) != step.want {
				t.Errorf("%v, %v", kids, err)
			}
		}
	})
}
