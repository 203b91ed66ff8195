package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
