package e2e

import (
	"bufio"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/testenv"
)

// A metric is what an operator can know of one.
type metric struct {
	kind   string          // counter, gauge or histogram
	labels map[string]bool // but for le
}

func (m metric) String() string {
	return m.kind + " {" + strings.Join(slices.Sorted(maps.Keys(m.labels)), ", ") + "}"
}

// documentedMetrics reads the tables of deploy/observability/README.md: by program, the metrics by
// name.
func documentedMetrics(t *testing.T) map[string]map[string]metric {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", "observability", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]metric{}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram) \\|([^|]*)\\| ([^|]*) \\|")
	for _, cells := range row.FindAllStringSubmatch(string(text), -1) {
		one := metric{cells[2], map[string]bool{}}
		for _, label := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[3], -1) {
			one.labels[label[1]] = true
		}
		programs := strings.Split(strings.ReplaceAll(cells[4], "all", "authz-server, user, board, client-demo"), ", ")
		for _, program := range programs {
			if all[program] == nil {
				all[program] = map[string]metric{}
			}
			all[program][cells[1]] = one
		}
	}
	return all
}

// series is one line of a program's metrics.
var series = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? \S+$`)

// pair is a label and its value.
var pair = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)

// scrape reads a program's metrics, and calls see with every label's value.
func scrape(t *testing.T, address string, see func(name, label, value string)) map[string]metric {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := map[string]metric{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) == 4 && words[1] == "TYPE" {
			found[words[2]] = metric{words[3], map[string]bool{}}
			continue
		}
		parts := series.FindStringSubmatch(lines.Text())
		if parts == nil {
			continue
		}
		name := parts[1]
		if _, ok := found[name]; !ok { // of a histogram
			name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		}
		for _, one := range pair.FindAllStringSubmatch(parts[2], -1) {
			if one[1] != "le" {
				found[name].labels[one[1]] = true
				see(name, one[1], one[2])
			}
		}
	}
	for name := range found {
		if strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "go_") {
			delete(found, name) // of the Prometheus library, and documented there
		}
	}
	return found
}

func TestEveryMetricIsDocumentedAndItsLabelsAreBounded(t *testing.T) {
	t.Parallel()
	at := map[string]string{}
	var env []string
	for program, prefix := range map[string]string{"authz-server": "AUTHZ", "user": "USER", "board": "BOARD", "client-demo": "DEMO"} {
		at[program] = "127.0.0.1:" + testenv.FreePort(t)
		env = append(env, prefix+"_METRICS_LISTEN="+at[program])
	}
	r := start(t, 1, env...)
	someone := newPerson(t, nil)
	g := sampleApp(t, r, everyScope...).signUp(someone)
	call(t, "GET", r.API+"/user/v1/me", g.AccessToken, nil)
	call(t, "POST", r.API+"/board/v1/boards/free/posts", g.AccessToken, map[string]string{"title": "x", "body": "x"})
	call(t, "GET", r.App+"/", "", nil)
	// What strangers can choose: paths, methods, clients, scopes, addresses, tokens, states.
	const strange = "strange-thing"
	for _, origin := range []string{r.Issuer, r.API + "/board/v1", r.API + "/user/v1", r.App} {
		call(t, "GET", origin+"/"+strange+"?"+strange+"="+strange, strange, nil, "User-Agent", strange, "Origin", "https://"+strange)
		call(t, "STRANGETHING", origin+"/"+strange, "", nil)
	}
	for _, form := range []url.Values{
		{"grant_type": {strange}, "client_id": {strange}},
		{"grant_type": {"client_credentials"}, "client_id": {strange}, "client_secret": {strange}, "scope": {strange}},
		refreshForm(strange),
	} {
		call(t, "POST", r.Issuer+"/oauth2/token", "", form)
	}
	call(t, "GET", r.Issuer+"/oauth2/authorize?client_id="+strange+"&response_type="+strange+"&state="+strange, "", nil)

	documented := documentedMetrics(t)
	values := map[string]map[string]bool{} // of the labels, by program, metric and label
	found := map[string]map[string]metric{}
	var missing []string
	defer func() {
		for _, one := range missing {
			t.Errorf("%s is documented, and not there", one)
		}
	}()
	// Some come a few seconds after the start: queues are measured every so often.
	testenv.Eventually(t, "the programs have all metrics that are documented", func() bool {
		missing = nil
		for program, address := range at {
			found[program] = scrape(t, address, func(name, label, value string) {
				key := program + " " + name + " " + label
				if values[key] == nil {
					values[key] = map[string]bool{}
				}
				values[key][value] = true
				for _, secret := range []string{"strange", "STRANGE", someone.Email, someone.Name, g.ID.Subject} {
					if strings.Contains(value, secret) {
						t.Errorf("%s: %s has the label %s=%q, which a caller chose", program, name, label, value)
					}
				}
			})
			for name, one := range documented[program] {
				if _, ok := found[program][name]; !ok && !one.labels["upstream"] { // none is configured here
					missing = append(missing, program+": "+name)
				}
			}
		}
		return len(missing) == 0
	})
	for program := range at {
		for name, one := range found[program] {
			if want, ok := documented[program][name]; !ok {
				t.Errorf("%s: %s %s is not in deploy/observability/README.md", program, name, one)
			} else if !maps.Equal(want.labels, one.labels) || want.kind != one.kind {
				t.Errorf("%s: %s is a %s, and documented as %s", program, name, one, want)
			}
		}
	}
	for key, seen := range values {
		if len(seen) > 100 {
			t.Errorf("%s has %d values", key, len(seen))
		}
	}
}
