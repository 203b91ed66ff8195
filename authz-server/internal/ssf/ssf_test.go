package ssf_test

import (
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

func TestAnEventIsPushedToAReceiver(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.addReceiver("security", nil)
		token := w.token("security", "ssf.manage ssf.read")
		stream := w.create(token, w.push(streams.AccountDisabled, streams.AccountEnabled))
		ok(t, w.Store.Users.SetDisabled(t.Context(), w.User.ID, true))
		w.deliver()
		got := w.take()
		if len(got) != 1 || got[0].Type != "account-disabled" || got[0].Audience != "security" || got[0].Subject["sub"] != w.User.ID ||
			got[0].Subject["format"] != "iss_sub" || got[0].Subject["iss"] != w.Issuer {
			t.Fatalf("%+v of %v", got, stream)
		}
		if w.receiver.auth[0] != "Bearer in" || w.receiver.paths[0] != "/in" {
			t.Errorf("%q", w.receiver.auth)
		}
		w.deliver()
		if again := w.take(); len(again) != 0 {
			t.Errorf("again: %+v", again)
		}
	})
}
