package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/apply"
	"github.com/maru-auth/maru/authz-server/internal/upstream"
	"github.com/maru-auth/maru/internal/cli"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
)

// configuration is a file for apply.
func configuration(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "maru.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (c commandLine) entries() int {
	c.t.Helper()
	return strings.Count(c.must("audit", "list", "--limit=0", "--format=json"), "\n")
}

func TestTheExampleIsAppliedOnceAndThenChangesNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		const example = "../deploy/maru.example.yaml"
		before := c.entries()
		out, err := c.run("", "apply", "--dry-run", example)
		if cli.Status(err) != 2 {
			t.Fatalf("a dry run that would change something: %v\n%s", err, out)
		}
		shows(t, out, "+ clients/shop", "+ resources/orders", "+ roles/orders/picker", "+ groups/Warehouse", "+ upstreams/work", `client_secret: "(secret)"`, "to create: 6")
		if c.entries() != before || strings.Contains(c.must("resource", "list"), "orders") {
			t.Error("a dry run changed something")
		}
		c.refused([]string{"apply", example}, "clients/shop", "--secrets-out")
		if strings.Contains(c.must("resource", "list"), "orders") {
			t.Error("a failure in the middle left something")
		}
		secretsPath := filepath.Join(t.TempDir(), "secrets.json")
		shows(t, c.must("apply", "--secrets-out", secretsPath, "--reason", "first", example), "to create: 6")
		var kept struct{ Clients map[string]string }
		text, err := os.ReadFile(secretsPath)
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		if info, failed := os.Stat(secretsPath); err != nil || failed != nil || info.Mode().Perm() != 0o600 || len(kept.Clients) != 1 {
			t.Fatalf("%v %v %v", err, failed, kept)
		}
		if works := secrets(t, c.store(), "shop", kept.Clients["shop"]); len(works) != 1 {
			t.Error("the secret that was kept does not work")
		}
		shows(t, c.must("audit", "list", "--format=json"), `"configuration.applied"`, `"resource.created"`, `"first"`)
		hides(t, c.must("audit", "list", "--format=json", "--limit=0"), kept.Clients["shop"])

		before = c.entries()
		shows(t, c.must("apply", "--secrets-out", secretsPath, "--prune", example), "nothing to change")
		if out, err := c.run("", "apply", "--dry-run", "--format=json", example); err != nil || !strings.Contains(out, `"changes"`) {
			t.Errorf("a dry run without a difference: %v %s", err, out)
		}
		if c.entries() != before {
			t.Error("applying it again left entries in the audit log")
		}
	})
}

func TestApplyChangesAndPrunesWhatItMadeAlone(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		c.must("client", "create", "--id=hand", "--name=Hand", "--redirect-uri=https://hand.example/cb")
		c.must("apply", "--secrets-out", filepath.Join(t.TempDir(), "s"), configuration(t, `
resources: [{name: orders, id: "https://orders.example", scopes: [orders:read, orders:pick]}]
roles: [{role: orders/picker, scopes: [orders:pick]}]
groups:
- {name: Warehouse, roles: [orders/picker]}
- {name: Bosses, roles: [admin/admin]}
clients:
- {client_id: made, client_name: Made, token_endpoint_auth_method: none, redirect_uris: ["https://made.example/cb"]}
- {client_id: ops, client_name: Ops, grant_types: [client_credentials], scope: "admin:write"}
- {client_id: hand, client_name: Hand 2, token_endpoint_auth_method: none, redirect_uris: ["https://hand.example/cb"]}
`))
		c.refused([]string{"apply", configuration(t, `
configuration: other
groups: [{name: WAREHOUSE}]
`)}, "default made it")
		// The scope goes with the role that is brought by it changed in the same file; the rest is gone.
		after := configuration(t, `
resources: [{name: orders, id: "https://orders.example", scopes: [orders:read]}]
roles: [{role: orders/picker, scopes: [orders:read], description: Picks}]
`)
		shows(t, c.must("apply", after), "~ resources/orders", `~ scopes: ["orders:read","orders:pick"] -> ["orders:read"]`, "+ description", "to remove: 0")
		shows(t, c.must("client", "list"), "made", "hand", "ops")
		out := c.must("apply", "--prune", after)
		shows(t, out, "- clients/made", "- groups/Warehouse", "! clients/ops stays", "! groups/bosses stays", "to remove: 2")
		list := c.must("client", "list")
		shows(t, list, "hand", "ops")
		hides(t, list, "made")
		shows(t, c.must("apply", "--prune", "--prune-administrative=clients/ops", after), "- clients/ops")
		shows(t, c.must("apply", "--prune", configuration(t, "resources: []\n")), "- roles/orders/picker", "- resources/orders")

		// What somebody else made under the name of a thing that is gone is theirs.
		again := configuration(t, "groups: [{name: Again}]\n")
		c.must("apply", again)
		c.must("group", "delete", "Again")
		c.must("group", "create", "Again")
		hides(t, c.must("apply", "--prune", configuration(t, "groups: []\n")), "Again")
		shows(t, c.must("group", "list"), "Again")
	})
}

func TestAConfigurationIsReadStrictly(t *testing.T) {
	c := commandLine{t, sqldbtest.SQLite(t)}
	for text, says := range map[string]string{
		"":                                   "empty",
		"clients:\n- client_id: a\nfoo: 1":   "line 3",
		"clients:\n- client_id: a\n  foo: 1": "line 3",
		"clients:\n- client_id: a\n  client_name: A\n  client_name: B":                    "line 4",
		"groups:\n- name: A\n- name: a":                                                   "twice",
		"groups: {}":                                                                      "list",
		"groups:\n- name: 3":                                                              "text",
		"groups:\n- &a {name: A}\n- *a":                                                   "anchors",
		"groups:\n- !!binary aGk=":                                                        "tag",
		"groups: []\n---\ngroups: []":                                                     "second document",
		"roles:\n- role: moderator\n  scopes: [board:moderate]":                           "line 2",
		"roles:\n- role: board/x\n  scopes: [user:read]":                                  "line 3",
		"roles:\n- role: nothing/x\n  scopes: [a]":                                        "nothing",
		"clients:\n- client_id: a\n  client_secret: x":                                    "client_secret_file",
		"clients:\n- client_id: a\n  client_secret_file: /nothing/there":                  "line 3",
		"clients:\n- client_id: a\n  client_secret_env: NOT_SET":                          "line 3",
		"clients:\n- client_id: a\n  client_name: A\n  redirect_uris: [\"javascript:a\"]": "line 4",
		"upstreams:\n- name: a\n  preset: facebook":                                       "line 3",
		"upstreams:\n- name: a\n  password: x":                                            "line 3",
		"resources:\n- name: admin\n  id: https://x.example\n  scopes: [x]":               "of the settings",
		"{\"groups\": [\n{\"name\": \"A\", \"name\": \"B\"}]}":                            "line 2",
		"{\"groups\": [\n{\"name\": \"A\"}]":                                              "JSON",
		"{\"groups\": []} x":                                                              "follows",
		strings.Repeat("[", 100) + strings.Repeat("]", 100):                               "each other",
		"configuration: A B":                                                              "configuration",
	} {
		c.refused([]string{"apply", configuration(t, text)}, says)
	}
	shows(t, c.must("apply", configuration(t, "{\"groups\": [\n\t{\"name\": \"\\ud83d\\ude00\"}]}")), "to create: 1")
}

// Two at once come one after the other, and the second has nothing to do.
func TestTwoApplyAtOnce(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		file := configuration(t, "groups: [{name: One}, {name: Two}]\nresources: [{name: orders, id: \"https://orders.example\", scopes: [a]}]\n")
		served(t, c.url)
		const many = 3
		outs := make(chan string, many)
		for range many {
			go func() {
				var out, errs bytes.Buffer
				p := &program{in: strings.NewReader(""), out: &out, errs: &errs, now: time.Now}
				if err := p.run(t.Context(), []string{"--database-url=" + c.url, "--key-encryption-key=" + testKEK, "apply", file}); err != nil {
					outs <- err.Error()
					return
				}
				outs <- out.String()
			}()
		}
		made := 0
		for range many {
			switch out := <-outs; {
			case strings.Contains(out, "to create: 3"):
				made++
			case !strings.Contains(out, "nothing to change"):
				t.Error(out)
			}
		}
		if made != 1 {
			t.Errorf("%d of them made it", made)
		}
	})
}

// runIn is run in an environment.
func (c commandLine) runIn(environ []string, args ...string) (string, error) {
	c.t.Helper()
	served(c.t, c.url)
	var out, errs bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, errs: &errs, now: time.Now, environ: environ}
	err := p.run(c.t.Context(), append([]string{"--database-url=" + c.url, "--key-encryption-key=" + testKEK}, args...))
	return out.String(), err
}

func TestASecretComesFromTheEnvironment(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		file := configuration(t, `
clients:
- {client_id: shop, client_name: Shop, redirect_uris: ["https://shop.example/cb"], client_secret_env: SHOP_SECRET}
`)
		const one, other = "a-secret-of-the-shop-that-is-long-enough-0001", "a-secret-of-the-shop-that-is-long-enough-0002"
		for name, environ := range map[string][]string{"not set": nil, "empty": {"SHOP_SECRET="}, "blank": {"SHOP_SECRET= \t"}, "another's": {"SHOP_SECRETS=" + one}} {
			if out, err := c.runIn(environ, "apply", file); err == nil || !strings.Contains(err.Error(), "client_secret_env") || !strings.Contains(err.Error(), "line 3") {
				t.Errorf("%s: %v %s", name, err, out)
			}
		}
		hides(t, c.must("client", "list"), "shop")
		apply := func(secret string) string {
			t.Helper()
			out, err := c.runIn([]string{"SHOP_SECRET=" + secret}, "apply", file)
			if err != nil {
				t.Fatal(err)
			}
			hides(t, out, secret)
			return out
		}
		shows(t, apply(one), "+ clients/shop", `client_secret: "(secret)"`)
		secrets(t, c.store(), "shop", one)
		shows(t, apply(one), "nothing to change")
		shows(t, apply(other), "~ clients/shop", "client_secret")
		if works := secrets(t, c.store(), "shop", other); len(works) != 1 {
			t.Error("the other secret does not work")
		}
		// Without the variable it fails, and the secret stays.
		if _, err := c.runIn(nil, "apply", file); err == nil {
			t.Error("a variable that is gone is taken")
		}
		secrets(t, c.store(), "shop", other)
		hides(t, c.must("audit", "list", "--format=json", "--limit=0"), one, other)
	})
}

func TestAnUpstreamsSecretIsAppliedOnceAndShownNowhere(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		const one, other = "upstreams-secret-0001", "upstreams-secret-0002"
		secretFile := filepath.Join(t.TempDir(), "secret")
		file := configuration(t, `
upstreams:
- {name: google, preset: google, client_id: x, client_secret_file: `+secretFile+`}
`)
		c.refused([]string{"apply", file}, "upstreams/google", "line 3")
		apply := func(secret string) string {
			t.Helper()
			if err := os.WriteFile(secretFile, []byte(secret+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			out := c.must("apply", file)
			hides(t, out, secret)
			return out
		}
		has := func(want string) {
			t.Helper()
			stored, err := c.store().Upstreams.Upstream(t.Context(), "google")
			if err != nil || !upstream.SecretIs(kek(t), stored, want) {
				t.Errorf("it has another secret: %v", err)
			}
			hides(t, string(stored.Secret)+stored.Settings, want)
		}
		shows(t, apply(one), "+ upstreams/google", `client_secret: "(secret)"`)
		has(one)
		shows(t, apply(one), "nothing to change")
		shows(t, apply(other), "~ upstreams/google", "client_secret")
		has(other)
		// One that says nothing of a secret leaves it.
		shows(t, c.must("apply", configuration(t, "upstreams:\n- {name: google, preset: google, client_id: y}\n")), "~ client_id")
		has(other)
		for name, secret := range map[string]string{"empty": " \n", "endless": strings.Repeat("x", 17<<10)} {
			if err := os.WriteFile(secretFile, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			c.refused([]string{"apply", file}, "client_secret_file", "line 3")
			t.Log(name)
		}
		hides(t, c.must("audit", "list", "--format=json", "--limit=0"), one, other)
	})
}

// The machine stops when the secrets are on disk, and the database has nothing yet. The operator finds
// the file, learns that nothing counts, and begins again.
func TestApplyThatDiedBeforeTheCommitIsDoneAgain(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		text := `
clients:
- {client_id: shop, client_name: Shop, redirect_uris: ["https://shop.example/cb"]}
`
		file, path := configuration(t, text), filepath.Join(t.TempDir(), "secrets.json")
		served(t, c.url)
		p := &program{in: strings.NewReader(""), out: io.Discard, errs: io.Discard, now: time.Now}
		parser, err := p.parser(t.Context())
		if err == nil {
			_, err = parser.Parse([]string{"--database-url=" + c.url, "--key-encryption-key=" + testKEK, "version"})
		}
		if err != nil {
			t.Fatal(err)
		}
		read, err := apply.Read([]byte(text), p.variable)
		if err != nil {
			t.Fatal(err)
		}
		kept := &secretsFile{path: path}
		died := errors.New("the machine stops")
		if err := p.withConfiguration(t.Context(), func(a *admin.Admin) error {
			_, err := apply.Apply(t.Context(), a, p.machine(), read, apply.Options{Keep: func(secrets map[string]string) error {
				if err := kept.keep(secrets); err != nil {
					t.Error(err)
				}
				return died // and so nothing is committed, and nobody tidies up
			}})
			return err
		}); !errors.Is(err, died) {
			t.Fatal(err)
		}
		lost, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(lost), "shop") {
			t.Fatalf("%s %v", lost, err)
		}
		hides(t, c.must("client", "list"), "shop")

		c.refused([]string{"apply", "--secrets-out", path, file}, "is there already", "--dry-run")
		hides(t, c.must("client", "list"), "shop")
		if still, err := os.ReadFile(path); err != nil || !bytes.Equal(still, lost) {
			t.Errorf("the file was touched: %v", err)
		}
		if out, err := c.run("", "apply", "--dry-run", file); cli.Status(err) != 2 || !strings.Contains(out, "+ clients/shop") {
			t.Errorf("%v %s", err, out)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		c.must("apply", "--secrets-out", path, file)
		var now struct{ Clients map[string]string }
		text2, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text2, &now)
		}
		if err != nil || len(secrets(t, c.store(), "shop", now.Clients["shop"])) != 1 {
			t.Errorf("%v %v", err, now)
		}
		// Had it died afterwards, nothing would be to do, and the file would count.
		shows(t, c.must("apply", "--secrets-out", path, file), "nothing to change")
	})
}
