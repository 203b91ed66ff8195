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
