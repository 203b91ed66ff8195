package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// agreed is what the tester would have otherwise, and what stays: two attributes that are one value
// here (the name, the language) cannot be removed one by one, nobody is neither active nor not, and
// members have the userName as their display, which the tester did not send.
var agreed = regexp.MustCompile(`^PATCH modify\(\) did not remove attribute '(name|displayName|preferredLanguage|locale|active)'` +
	`|^Attribute 'members' was not (added|replaced) or has unexpected value`)

// A company's directory is a stock client, and a stock tester of servers looks for what does not
// conform to RFC 7643 and RFC 7644.
func TestSCIMByAStockClient(t *testing.T) {
	t.Parallel()
	python := interpreter(t)
	m, s := start(t), secret()
	m.register(metadata{"client_id": "directory", "client_name": "Directory", "client_secret": s,
		"grant_types": []string{"client_credentials"}, "scope": "scim"})
	cmd := exec.CommandContext(bounded(t), python, filepath.Join("python", "scim_directory.py"), m.issuer+"/scim/v2", "dora@example.com")
	cmd.Env = append(os.Environ(), "TOKEN="+m.token(bounded(t), "directory", s, "scim"))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	var seen struct {
		ID             string
		Found, Members []string
		Everywhere     [][]string
		Active, Gone   bool
		Checks         []struct{ Status, Title, Reason, About, Data string }
	}
	if err := json.Unmarshal(out, &seen); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if seen.ID == "" || !slices.Equal(seen.Found, []string{seen.ID}) || !slices.Equal(seen.Members, seen.Found) || seen.Active || !seen.Gone {
		t.Errorf("the directory saw %.2000s", out)
	}
	for _, page := range seen.Everywhere {
		if !slices.Equal(page, []string{"User", "Group"}) {
			t.Errorf("a search through all types of resources finds %v", page)
		}
	}
	if len(seen.Everywhere) != 2 {
		t.Errorf("the directory saw %.2000s", out)
	}
	passed := 0
	for _, one := range seen.Checks {
		switch one.Status {
		case "SUCCESS", "COMPLIANT", "ACCEPTABLE":
			passed++
		case "SKIPPED":
		default:
			if agreed.MatchString(one.Reason) {
				continue
			}
			t.Errorf("%s of %s: %s: %s (%s)", one.Title, one.About, one.Status, one.Reason, one.Data)
		}
	}
	if passed < 60 {
		t.Errorf("only %d checks passed", passed)
	}
	t.Logf("%d checks, %d passed", len(seen.Checks), passed)
}
