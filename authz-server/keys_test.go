package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/keys"
)

func TestKeysWithdraw(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		if _, err := keys.Open(t.Context(), keys.Config{
			Store: c.store().Keys, KEK: kek(t), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		}); err != nil { // as serve does
			t.Fatal(err)
		}
		list := func() (all []keys.State) {
			t.Helper()
			if err := json.Unmarshal([]byte(c.must("keys", "list", "--format=json")), &all); err != nil {
				t.Fatal(err)
			}
			return all
		}
		first := list()
		leaked := first[0] // the current RS256 key
		unknown := strings.Repeat("A", 43)
		c.refused([]string{"keys", "withdraw", leaked.KID, unknown}, unknown, "no such key", "keys list", "Nothing was withdrawn")
		c.refused([]string{"keys", "withdraw"}, "kid")
		c.refused([]string{"keys", "withdraw", leaked.KID, "--reason=two\nlines"}, "--reason")
		c.refused([]string{"keys", "withdraw", leaked.KID, "--reason=" + strings.Repeat("x", 201)}, "--reason")
		c.refused([]string{"keys", "withdraw", "--missing", "a name"}, "a name", "no such key")
		if got := list(); !slices.Equal(got, first) {
			t.Errorf("%+v", got)
		}

		out := c.must("keys", "withdraw", leaked.KID, "--reason=노트북을 잃어버림")
		after := list()
		if after[0].Alg != "RS256" || after[0].State != "current" || after[0].KID == leaked.KID || len(after) != len(client.Algorithms)+1 {
			t.Fatalf("%+v", after)
		}
		gone := after[len(after)-1]
		if gone.KID != leaked.KID || gone.State != "withdrawn" || gone.Alg != "RS256" || gone.Reason != "노트북을 잃어버림" ||
			gone.Until.Sub(gone.Since) < 90*24*time.Hour {
			t.Errorf("%+v", gone)
		}
		shows(t, out, leaked.KID+" is withdrawn (was current)", after[0].KID+" (RS256) signs now", "log in again")
		shows(t, c.must("keys", "list"), "REASON", "withdrawn", "노트북을 잃어버림")
		// Whoever is not sure runs it once more.
		shows(t, c.must("keys", "withdraw", leaked.KID), "was withdrawn already")
		shows(t, c.must("keys", "withdraw", "--missing", unknown), unknown+" is withdrawn (was not in this database)")
		help := strings.Join(strings.Fields(c.must("keys", "withdraw", "--help")), " ")
		shows(t, help, "refresh tokens", "log in again", "--missing")

		// All at once, as after a theft of the whole database.
		var all []string
		for _, one := range list() {
			if one.State == "current" {
				all = append(all, one.KID)
			}
		}
		out = c.must(append([]string{"keys", "withdraw"}, all...)...)
		if strings.Count(out, "signs now") != len(client.Algorithms) || strings.Count(out, "was current") != len(client.Algorithms) {
			t.Error(out)
		}
	})
}

func TestKidsThatBeginWithAHyphenAreNoOptions(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		one, two := "-"+strings.Repeat("A", 42), "--"+strings.Repeat("A", 41)
		plain := strings.Repeat("A", 43)
		out := c.must("keys", "withdraw", one, plain, "--missing", two, "--reason=lost")
		shows(t, out, one+" is withdrawn", plain+" is withdrawn", two+" is withdrawn")
		shows(t, c.must("keys", "list"), one, two, plain, "lost")
		shows(t, c.must("keys", "withdraw", "--", one), "was withdrawn already")
		c.refused([]string{"keys", "withdraw", one, "--reson=lost"}, "--reson")
		c.refused([]string{"keys", "withdraw", "-" + strings.Repeat("A", 41)}, "unknown flag")
	})
}

func TestTokensOutliveALowerSettingOfTheirLifetime(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		now := time.Now()
		p := &program{now: func() time.Time { return now }, settings: &settings{
			AccessTokenLifetime: 24 * time.Hour, IDTokenLifetime: time.Hour, RefreshAbsolute: 90 * 24 * time.Hour,
		}}
		s := c.store()
		open := func() *keys.Ring {
			t.Helper()
			ring, err := keys.Open(t.Context(), p.ringConfig(s, kek(t), slog.New(slog.DiscardHandler)))
			if err != nil {
				t.Fatal(err)
			}
			return ring
		}
		ring := open()
		_, kid, err := ring.Sign(t.Context(), "at+jwt", []byte(`{}`))
		if err == nil {
			err = ring.Rotate(t.Context(), true)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.settings.AccessTokenLifetime, p.settings.IDTokenLifetime = time.Minute, time.Minute
		ring = open()
		published := func() bool {
			answer := httptest.NewRecorder()
			ring.ServeJWKS(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			return strings.Contains(answer.Body.String(), kid)
		}
		now = now.Add(24 * time.Hour)
		if !published() {
			t.Error("the key of a token that has not expired is not published")
		}
		now = now.Add(time.Hour)
		if published() {
			t.Error("a key is published whose tokens have expired")
		}
	})
}
