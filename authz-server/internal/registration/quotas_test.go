package registration_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/opaque"
	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/authz-server/internal/registration"
	"github.com/maru-auth/maru/authz-server/internal/store/limits"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

func TestRegistrationIsLimitedForAnAddress(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	var limited atomic.Int64
	for range 301 { // bad ones count, too
		a := r.Send("POST", "/oauth2/register", "", `{}`)
		if a.Status == 429 {
			limited.Add(1)
			r.WantRefused("too many", a, 429, "temporarily_unavailable", "later")
			if a.Header.Get("Retry-After") == "" {
				t.Error("it does not say when")
			}
		}
	}
	if limited.Load() != 1 {
		t.Errorf("%d of 301 refused", limited.Load())
	}
	r.Clock.Advance(time.Hour)
	r.Register("", "")
}

func TestOneNetworkDoesNotTakeTheRegistrationsOfAll(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	r.UseUp("register strangers 127.0.0.1", 100, time.Hour)
	r.WantRefused("a stranger", r.Apply("", ""), 429, "temporarily_unavailable", "later")
	if err := r.Store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 1, r.Clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.Register("initial", "")
}

func TestRegistrationsOfAllAddressesAreBounded(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	for n := range directory.StrangersOfAll { // from many addresses
		if err := r.Store.Quotas.TakeQuotas(t.Context(), limits.Quota{
			Subject: fmt.Sprintf("register strangers#%d", n%8), Limit: directory.StrangersOfAll / 8, Window: time.Hour,
		}); err != nil {
			t.Fatal(err)
		}
	}
	a := r.Apply("", "")
	if a.Header.Get("Retry-After") == "" {
		t.Errorf("%v", a.Header)
	}
	r.WantRefused("one too many", a, 503, "temporarily_unavailable", "too many")
	if err := r.Store.Clients.CreateInitialToken(t.Context(), opaque.Hash("initial"), "", 1, r.Clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	r.Register("initial", "")
	r.Clock.Advance(time.Hour)
	r.Register("", "")
}

// What is stored can be longer than what was sent: "&" is six bytes in JSON that is safe in HTML.
func TestMetadataIsBoundedAsItIsStored(t *testing.T) {
	t.Parallel()
	r := providertest.NewRegistrar(t, sqldbtest.SQLite(t), registration.Open)
	uri := func(n int) string { return fmt.Sprintf(`"https://app.example/cb?%d=%s"`, n, strings.Repeat("&", 1900)) }
	var uris []string
	for n := range 10 {
		uris = append(uris, uri(n))
	}
	r.WantRefused("19 KB that become 114", r.Send("POST", "/oauth2/register", "", `{"redirect_uris":[`+strings.Join(uris, ",")+`]}`),
		400, "invalid_client_metadata", "32 KiB")
	r.Read(r.Send("POST", "/oauth2/register", "", `{"redirect_uris":[`+strings.Join(uris[:2], ",")+`]}`), 201)
}
