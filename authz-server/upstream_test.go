package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

func TestUpstreamsAreManagedByCommands(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		out := c.mustWith("s3cret\n", "upstream", "create", "google", "--preset=google", "--client-id=abc", "--client-secret-file=-")
		shows(t, out, "http://localhost:9000/login/upstream/google/callback")
		c.refusedWith("s", []string{"upstream", "create", "google", "--preset=google", "--client-id=abc", "--client-secret-file=-"}, "exists")
		c.refused([]string{"upstream", "create", "Google", "--preset=google", "--client-id=abc"}, "name")
		c.refused([]string{"upstream", "create", "x", "--preset=nonsense", "--client-id=abc"}, "github", "google", "kakao", "naver", "apple")
		c.refused([]string{"upstream", "create", "x", "--preset=github", "--client-id=abc"}, "--client-secret-file")
		c.refused([]string{"upstream", "create", "x", "--title=X", "--upstream-issuer=http://10.0.0.1", "--client-id=abc", "--auth-method=none"}, "--upstream-issuer")
		c.refused([]string{"upstream", "create", "x", "--title=X", "--client-id=abc", "--auth-method=none"}, "--upstream-issuer")
		c.refusedWith("no key", []string{"upstream", "create", "apple", "--preset=apple", "--client-id=abc", "--apple-team-id=T", "--apple-key-id=K", "--client-secret-file=-"}, ".p8")
		c.refusedWith("s", []string{"upstream", "create", "apple", "--preset=apple", "--client-id=abc", "--client-secret-file=-"}, "--apple-team-id")
		c.must("upstream", "create", "work", "--title=Work", "--upstream-issuer=https://id.example.com", "--client-id=maru", "--auth-method=none",
			"--address-domain=Example.COM", "--no-new-accounts", "--strong-acr=mfa", "--claim", "name=display.name")
		out = c.mustWith("s", "upstream", "create", "entra", "--preset=microsoft", "--client-id=abc", "--client-secret-file=-", "--logout",
			"--tenant=8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
		shows(t, out, "http://localhost:9000/login/upstream/entra/logged-out", "http://localhost:9000/login/upstream/entra/backchannel-logout")
		shows(t, c.must("upstream", "show", "entra"), `"logout": true`, `"8eaef023-2b34-4da1-9baa-8bc8c9d6a490"`, `login.microsoftonline.com/common/v2.0`)
		c.refused([]string{"upstream", "update", "entra", "--tenant=contoso"}, "--tenant")
		c.refused([]string{"upstream", "update", "entra", "--upstream-issuer=https://login.microsoftonline.com/contoso.com/v2.0", "--tenant="}, "--upstream-issuer")
		c.must("upstream", "update", "entra", "--tenant=", "--no-logout")
		hides(t, c.must("upstream", "show", "entra"), `"logout"`, `"tenants"`)
		c.refusedWith("s", []string{"upstream", "create", "hub", "--preset=github", "--client-id=abc", "--client-secret-file=-", "--logout"}, "--logout")
		within := []string{"upstream", "create", "inside", "--title=X", "--upstream-issuer=https://10.1.2.3", "--client-id=abc", "--auth-method=none"}
		c.refused(within, "--upstream-issuer")
		c.refused(append(within, "--insecure-upstream-private-networks=10.1.3.0/24"), "--upstream-issuer")
		c.refused(append(within, "--insecure-upstream-private-networks=127.0.0.0/8"), "--insecure-upstream-private-networks")
		c.must(append(within, "--insecure-upstream-private-networks=10.1.2.0/24")...)
		shown := c.must("upstream", "show", "google")
		shows(t, shown, `"issuer": "https://accounts.google.com"`, `"has_secret": true`, `"addresses": "claim"`)
		hides(t, shown+c.must("upstream", "list", "--format=json")+c.must("audit", "list", "--format=json"), "s3cret")
		shows(t, c.must("audit", "list"), "upstream.created")
		shows(t, c.must("upstream", "show", "work"), `"example.com"`, `"no_signup": true`, `"display.name"`)
		shows(t, c.must("upstream", "list"), "google", "work", "enabled")
		c.must("upstream", "update", "google", "--disabled", "--addresses=never")
		shows(t, c.must("upstream", "show", "google"), `"disabled": true`, `"addresses": "never"`, `"has_secret": true`)
		c.refused([]string{"upstream", "update", "google", "--addresses=perhaps"}, "--addresses")
		c.refused([]string{"upstream", "update", "none", "--disabled"}, "no upstream")
		c.must("upstream", "update", "google", "--no-disabled")

		s := c.store()
		c.mustWith(goodPassword, "user", "create", "--email", "mina@example.org", "--name", "Mina", "--password-stdin")
		found, err := s.Users.UserByEmail(t.Context(), "mina@example.org")
		if err == nil {
			_, err = s.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "google", Issuer: "https://accounts.google.com", Subject: "1", UserID: found.ID})
		}
		if err != nil {
			t.Fatal(err)
		}
		c.refused([]string{"upstream", "delete", "google"}, "--force", "--disabled")
		c.must("upstream", "delete", "google", "--force")
		c.refused([]string{"upstream", "show", "google"}, "no upstream")
		shows(t, c.must("audit", "list"), "upstream.deleted", "upstream.changed")
	})
}

// The machine is told what it would do to the last administrator, and how to do it nevertheless.
func TestTheLastAdministratorsUpstreamIsDeletedByName(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		c.must("upstream", "create", "work", "--title=Work", "--upstream-issuer=https://id.example.com", "--client-id=maru", "--auth-method=none",
			"--strong-acr=mfa")
		c.mustWith(goodPassword, "user", "create", "--email", "root@example.org", "--name", "Root", "--password-stdin")
		c.must("user", "set-role", "root@example.org", "admin/admin")
		s := c.store()
		found, err := s.Users.UserByEmail(t.Context(), "root@example.org")
		if err == nil {
			err = s.Users.RehashPassword(t.Context(), found.ID, found.PasswordHash, "") // they have none
		}
		if err == nil {
			_, err = s.Upstreams.Link(t.Context(), upstreams.Identity{Upstream: "work", Issuer: "https://id.example.com", Subject: "1", UserID: found.ID})
		}
		if err != nil {
			t.Fatal(err)
		}
		c.refused([]string{"upstream", "delete", "work", "--force"}, "no administrator", "--last-administrator")
		c.refused([]string{"upstream", "update", "work", "--disabled"}, "no administrator", "--force")
		c.refused([]string{"upstream", "update", "work", "--strong-acr="}, "no administrator")
		c.must("upstream", "update", "work", "--title=Office")
		c.must("upstream", "delete", "work", "--force", "--last-administrator")
	})
}

func TestAnAppleKeyIsCheckedAndRewrapped(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "AuthKey.p8")
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		c.must("upstream", "create", "apple", "--preset=apple", "--client-id=org.example.web", "--apple-team-id=T", "--apple-key-id=K", "--client-secret-file="+file)
		out := c.must("keys", "rewrap", "--key-encryption-key="+strings.Repeat("B", 43)+"=", "--old-key-encryption-key="+testKEK)
		shows(t, out, "encrypted anew: ")
		stored, err := c.store().Upstreams.Upstream(t.Context(), "apple")
		if err != nil || len(stored.Secret) == 0 {
			t.Fatal(err)
		}
	})
}
