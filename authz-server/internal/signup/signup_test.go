package signup

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDomainsAreThoseOfTheDNS(t *testing.T) {
	t.Parallel()
	p, err := New(nil, Config{Mode: OfDomains, Domains: []string{"Example.com", ".Sub.example", " bücher.example "}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for email, allowed := range map[string]bool{
		"a@example.com": true, "a@EXAMPLE.COM": true, "a@sub.example.com": false, "a@notexample.com": false, "a@example.com.evil.example": false,
		"a@sub.example": false, "a@x.sub.example": true, "a@x.y.sub.example": true, "a@xsub.example": false,
		"a@bücher.example": true, "a@xn--bcher-kva.example": true, "a@BÜCHER.example": true, "\"x@example.com\"@evil.example": false, "": false,
	} {
		if got := p.Allows(email) == ""; got != allowed {
			t.Errorf("%s: %t", email, got)
		}
	}
	if shown := p.Domains(); !slices.Equal(shown, []string{"example.com", "*.sub.example", "bücher.example"}) {
		t.Errorf("%q", shown)
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cfg  Config
		want string
	}{
		{Config{Mode: "x"}, "--signup must be"},
		{Config{Mode: OfDomains}, "--signup=domains and --signup-domain need each other"},
		{Config{Domains: []string{"example.com"}}, "--signup=domains and --signup-domain need each other"},
		{Config{Mode: OfDomains, Domains: []string{"x@example.com"}}, `--signup-domain "x@example.com" must be a domain`},
		{Config{Mode: OfDomains, Domains: []string{"localhost"}}, `--signup-domain "localhost" must be a domain`},
		{Config{Mode: OfDomains, Domains: []string{"*.example.com"}}, `--signup-domain "*.example.com" must be a domain`},
		{Config{Mode: OfDomains, Domains: []string{"..example.com"}}, `--signup-domain "..example.com" must be a domain`},
		{Config{Mode: OfDomains, Domains: []string{""}}, `--signup-domain "" must be a domain`},
		{Config{Terms: Terms{URL: "https://x.example/"}}, "--terms-url and --terms-version need each other"},
		{Config{Terms: Terms{Version: "1"}}, "--terms-url and --terms-version need each other"},
	} {
		if _, err := New(nil, test.cfg, nil); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.cfg, err)
		}
	}
}

// Whoever adds another way to sign up goes by the policy. Operators and directories make accounts by
// package admin, and tests as they like.
func TestAccountsAreMadeByThePolicyAlone(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	allowed := []string{"internal/signup/signup.go", "internal/store/accounts/users.go", "internal/admin/people.go",
		"internal/admin/provisioning/people.go"}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.Contains(name, "test/") {
			return err
		}
		text, err := os.ReadFile(path)
		if calls := strings.Contains(string(text), "CreateUser("); calls && !slices.Contains(allowed, name) {
			t.Errorf("%s makes accounts without asking who may sign up", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
