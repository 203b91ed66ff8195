package grants_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/store/grants"
	"github.com/maru-auth/maru/authz-server/internal/store/storetest"
	"github.com/maru-auth/maru/internal/sqldb"
)

// revokedStatuses are all that was revoked, each once.
func revokedStatuses(t *testing.T, w *storetest.World) map[string]bool {
	t.Helper()
	all, err := w.Grants.RevokedSince(t.Context(), time.Time{})
	storetest.OK(t, err)
	found := map[string]bool{}
	for _, one := range all {
		for status := range strings.FieldsSeq(one.Statuses) {
			found[status] = true
		}
	}
	return found
}

func note(t *testing.T, w *storetest.World, id, status string) {
	t.Helper()
	storetest.OK(t, w.Grants.NoteStatus(t.Context(), id,
		grants.Note{Status: status, Lifetime: 10 * time.Minute}))
}

// Tokens were given a day; now they get ten minutes, and a grant is refreshed again and again.
func TestAShorterLifetimeForgetsNoTokenOfALongerOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		const day = 24 * time.Hour
		w.Code(t, "g", true)
		noteFor := func(status string, lifetime time.Duration) {
			storetest.OK(t, w.Grants.NoteStatus(t.Context(), "g",
				grants.Note{Status: status, Lifetime: lifetime}))
		}
		noteFor("long/1", day)
		w.Now = w.Now.Add(time.Hour)
		noteFor("long/2", day)
		for i := range 12 {
			w.Now = w.Now.Add(20 * time.Minute)
			noteFor(fmt.Sprint("short/", i), 10*time.Minute)
		}
		storetest.OK(t, w.Grants.RevokeTokensOf(t.Context(), w.Person.ID, []string{"openid"}))
		found := revokedStatuses(t, w)
		for _, status := range []string{"long/1", "long/2", "short/11"} {
			if !found[status] {
				t.Errorf("%s is not revoked: %v", status, found)
			}
		}
	})
}

// What has expired is forgotten, so that a row does not grow for as long as its grant lives.
func TestAGrantForgetsTokensThatHaveExpired(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		w.Code(t, "g", true)
		for i := range 60 {
			note(t, w, "g", fmt.Sprint("list/", i))
			w.Now = w.Now.Add(2 * time.Minute)
		}
		storetest.OK(t, w.Grants.RevokeTokensOf(t.Context(), w.Person.ID, []string{"openid"}))
		if found := revokedStatuses(t, w); len(found) > 12 || !found["list/59"] || !found["list/55"] {
			t.Errorf("%d are remembered: %v", len(found), found)
		}
	})
}

// There are more grants than a batch has, and many began at the same moment.
func TestExchangedTokensAreRevokedInBatches(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		const many = sqldb.BatchRows*2 + 10
		for i := range many {
			id := fmt.Sprint("g", i)
			w.Code(t, id, true)
			note(t, w, id, fmt.Sprint("own/", i))
			if i%10 == 0 {
				note(t, w, id, fmt.Sprint("list/", i, ";service"))
			}
			if i == sqldb.BatchRows+50 {
				w.Now = w.Now.Add(time.Second)
			}
		}
		storetest.OK(t, w.Grants.RevokeExchanged(t.Context(), "app"))
		found := revokedStatuses(t, w)
		for i := 0; i < many; i += 10 {
			if !found[fmt.Sprint("list/", i, ";service")] {
				t.Errorf("the exchanged token of grant %d is not revoked", i)
			}
		}
		if g, err := w.Grants.Grant(t.Context(), "g0"); err != nil || !g.Live(w.Now) || g.Epoch == 0 {
			t.Errorf("%+v %v", g, err)
		}
		if g, err := w.Grants.Grant(t.Context(), "g1"); err != nil || g.Epoch != 0 || found["own/1"] {
			t.Errorf("a grant from which nothing was exchanged was touched: %+v %v", g, err)
		}
	})
}

// The oldest of too many grants end with their tokens, and no others.
func TestGrantsBeyondTheBoundLoseTheirTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, w *storetest.World) {
		n := 0
		for ; n <= grants.MaxGrants || n < grants.MaxGrants+200 && !revokedStatuses(t, w)["list/0"]; n++ {
			w.Now = w.Now.Add(time.Millisecond)
			w.Code(t, fmt.Sprint("g", n), true)
			note(t, w, fmt.Sprint("g", n), fmt.Sprint("list/", n))
		}
		found := revokedStatuses(t, w)
		for i := range n {
			if over := i < n-grants.MaxGrants; found[fmt.Sprint("list/", i)] != over {
				t.Errorf("of %d grants, number %d is over: %v", n, i, !over)
			}
		}
	})
}
