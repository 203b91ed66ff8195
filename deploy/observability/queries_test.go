// Package observability tests the dashboard and the alert rules by Prometheus' own parser and engine. It is
// a module of its own, for Prometheus depends on much that Maru does not need.
//
// That the metrics of the README are those of the programs is tested in deploy/e2e.
package observability

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"gopkg.in/yaml.v3"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A metric has a kind and labels.
type metric struct {
	kind   string
	labels []string
}

// metrics are those of the README's tables.
func metrics(t *testing.T) map[string]metric {
	t.Helper()
	all := map[string]metric{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram) \\|([^|]*)\\|").FindAllStringSubmatch(string(read(t, "README.md")), -1) {
		one := metric{kind: row[2]}
		for _, label := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[3], -1) {
			one.labels = append(one.labels, label[1])
		}
		all[row[1]] = one
	}
	// Of Prometheus itself, and of its library.
	for name, kind := range map[string]string{"up": "gauge", "process_cpu_seconds_total": "counter", "process_resident_memory_bytes": "gauge"} {
		all[name] = metric{kind: kind}
	}
	if len(all) < 50 {
		t.Fatalf("the README has %d metrics", len(all))
	}
	return all
}

// An alert is a rule of alerts.yaml.
type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []alert
		}
	}
	if err := yaml.Unmarshal(read(t, "alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// queries are those of the dashboard by panel, and those of the alerts by name.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$job", ".*") // what Grafana puts in
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			all[panel.Title] = append(all[panel.Title], variables.Replace(target.Expr))
		}
	}
	for _, one := range alerts(t) {
		all[one.Alert] = append(all[one.Alert], one.Expr)
	}
	if len(all) < 40 {
		t.Fatalf("%d panels and alerts have queries", len(all))
	}
	return all
}

func TestQueriesAskForMetricsAndLabelsThatThereAre(t *testing.T) {
	known := metrics(t)
	parse := parser.NewParser(parser.Options{})
	for where, all := range queries(t) {
		for _, query := range all {
			expr, err := parse.ParseExpr(query)
			if err != nil {
				t.Errorf("%s: %v: %s", where, err, query)
				continue
			}
			for _, problem := range check(known, expr) {
				t.Errorf("%s: %s: %s", where, problem, query)
			}
		}
	}
}

// check says what is wrong with the metrics, labels and functions of a query.
func check(known map[string]metric, expr parser.Expr) (problems []string) {
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			one, ok := known[n.Name]
			if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(n.Name, ""); !ok && known[base].kind == "histogram" {
				one, ok = metric{kind: "counter", labels: known[base].labels}, true
				if strings.HasSuffix(n.Name, "_bucket") {
					one.labels = append(slices.Clone(one.labels), "le")
				}
			}
			if !ok {
				problems = append(problems, "there is no metric "+n.Name)
				return nil
			}
			for _, matcher := range n.LabelMatchers {
				if !slices.Contains(append([]string{"__name__", "job", "instance"}, one.labels...), matcher.Name) {
					problems = append(problems, n.Name+" has no label "+matcher.Name)
				}
			}
			rated := slices.ContainsFunc(path, func(above parser.Node) bool {
				call, ok := above.(*parser.Call)
				return ok && slices.Contains([]string{"rate", "increase"}, call.Func.Name)
			})
			if rated != (one.kind == "counter") {
				problems = append(problems, n.Name+" is a "+one.kind)
			}
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				if !slices.Contains(labelsIn(known, n.Expr), label) {
					problems = append(problems, "nothing has the label "+label)
				}
			}
		}
		return nil
	})
	return problems
}

// labelsIn are the labels of the metrics in a part of a query.
func labelsIn(known map[string]metric, expr parser.Expr) []string {
	labels := []string{"job", "instance"}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if n, ok := node.(*parser.VectorSelector); ok {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(n.Name, "")
			labels = append(labels, known[n.Name].labels...)
			if known[base].kind == "histogram" {
				labels = append(append(labels, known[base].labels...), "le")
			}
		}
		return nil
	})
	return labels
}

// goodDay are series on which no alert fires, in Prometheus' own notation: start+step x times, each 15
// seconds apart. bad are those by name that take the place of these, or come beside them, for the alert
// to fire.
const goodDay = `
up{job="authz-server", instance="a"} 1x480
http_request_duration_seconds_count{job="board", method="GET", route="/", status="200"} 0+100x480
http_request_duration_seconds_count{job="board", method="GET", route="/", status="500"} 0+0x480
http_request_duration_seconds_bucket{job="board", method="GET", route="/", status="200", le="0.1"} 0+100x480
http_request_duration_seconds_bucket{job="board", method="GET", route="/", status="200", le="5"} 0+100x480
http_request_duration_seconds_bucket{job="board", method="GET", route="/", status="200", le="+Inf"} 0+100x480
database_ready{job="board"} 1x480
database_writable{job="board"} 1x480
database_pool_refusals_total{job="board", pool="write"} 5+0x480
database_clock_ahead_seconds{job="board"} 0.01x480
database_sweep_running_seconds{job="board", kind="keys"} 0x480
database_sweep_last_success_timestamp_seconds{job="board"} 0+15x480
authz_signing_key_rotation_seconds{alg="RS256"} 1000000-15x480
authz_signing_duration_seconds_sum{alg="RS256"} 0+0.1x480
authz_signing_duration_seconds_count{alg="RS256"} 0+100x480
authz_queue_oldest_seconds{kind="mail"} 3x480
authz_stream_oldest_seconds{stream="s", receiver="board"} 3x480
authz_audit_oldest_seconds{job="authz-server"} 0.5x480
authz_audit_file_failures_total{job="authz-server"} 5+0x480
authz_logins_total{proof="password", outcome="success"} 0+10x480
authz_logins_total{proof="password", outcome="refused"} 0+3x480
authz_logins_total{proof="password", outcome="failed"} 0+0x480
issuer_keys{job="board"} 2x480
issuer_keys_age_seconds{job="board"} 300x480
status_lists{job="board"} 3x480
status_list_age_seconds{job="board"} 4x480
status_fail_open_seconds{job="board"} 120x480
trace_spans_total{job="board", outcome="failed"} 7+0x480
`

var bad = map[string][]string{
	"MaruDown":               {`up{job="authz-server", instance="a"} 0x480`},
	"MaruErrors":             {`http_request_duration_seconds_count{job="board", method="GET", route="/", status="500"} 0+5x480`},
	"MaruSlow":               {`http_request_duration_seconds_bucket{job="board", method="GET", route="/", status="200", le="0.1"} 0+50x480`},
	"MaruDatabaseAway":       {`database_ready{job="board"} 0x480`, `database_writable{job="board"} 0x480`},
	"MaruDatabaseWaits":      {`database_pool_refusals_total{job="board", pool="write"} 0+1x480`},
	"MaruClockOff":           {`database_clock_ahead_seconds{job="board"} -3x480`},
	"MaruSweepStuck":         {`database_sweep_running_seconds{job="board", kind="keys"} 0+15x480`, `database_sweep_last_success_timestamp_seconds{job="board"} -9000x480`},
	"MaruKeyRotationOverdue": {`authz_signing_key_rotation_seconds{alg="RS256"} -4000-15x480`},
	"MaruSigningSlow":        {`authz_signing_duration_seconds_sum{alg="RS256"} 0+3x480`},
	"MaruDeliveryStuck":      {`authz_queue_oldest_seconds{kind="mail"} 0+15x480`, `authz_stream_oldest_seconds{stream="s", receiver="board"} 0+15x480`},
	"MaruAuditBehind":        {`authz_audit_oldest_seconds{job="authz-server"} 0+15x480`, `authz_audit_file_failures_total{job="authz-server"} 0+15x480`},
	"MaruLoginsFail":         {`authz_logins_total{proof="password", outcome="failed"} 0+2x480`},
	"MaruGuessing":           {`authz_logins_total{proof="password", outcome="refused"} 0+300x480`},
	"MaruServiceWithoutKeys": {`issuer_keys{job="board"} 0x480`, `issuer_keys_age_seconds{job="board"} 10000+15x480`},
	"MaruRevocationStale":    {`status_list_age_seconds{job="board"} 70x480`},
	"MaruTracesLost":         {`trace_spans_total{job="board", outcome="failed"} 0+1x480`},
}

// at is the moment of judgement: two hours after the first sample.
var at = time.Unix(2*60*60, 0).UTC()

// firing tells whether an alert fires at that moment: its expression has a result for as long as the
// rule says.
func firing(t *testing.T, one alert, series string) bool {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 15s\n  "+strings.ReplaceAll(strings.TrimSpace(series), "\n", "\n  "))
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	lasts, err := time.ParseDuration(one.For)
	if err != nil {
		t.Fatalf("%s: for: %v", one.Alert, err)
	}
	for when := at.Add(-lasts); !when.After(at); when = when.Add(15 * time.Second) {
		query, err := engine.NewInstantQuery(t.Context(), storage, nil, one.Expr, when)
		if err != nil {
			t.Fatal(err)
		}
		vector, err := query.Exec(context.Background()).Vector()
		if err != nil {
			t.Fatal(err)
		}
		if len(vector) == 0 {
			return false
		}
		query.Close()
	}
	return true
}

func TestAlertsFireWhenTheyShouldAndAreSilentOnAGoodDay(t *testing.T) {
	for _, one := range alerts(t) {
		if firing(t, one, goodDay) {
			t.Errorf("%s fires on a good day", one.Alert)
		}
		if len(bad[one.Alert]) == 0 {
			t.Errorf("%s is not tested", one.Alert)
		}
		for _, line := range bad[one.Alert] {
			name := line[:strings.Index(line, "} ")+2]
			changed := regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+`.*$`).ReplaceAllLiteralString(goodDay, line)
			if changed == goodDay {
				t.Errorf("%s: %s is not among the series of a good day", one.Alert, name)
			}
			if !firing(t, one, changed) {
				t.Errorf("%s does not fire with %s", one.Alert, line)
			}
		}
	}
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	seen := map[string]bool{}
	for _, one := range alerts(t) {
		if seen[one.Alert] || one.For == "" || !slices.Contains([]string{"page", "ticket"}, one.Labels["severity"]) ||
			one.Annotations["summary"] == "" || len(one.Annotations["runbook"]) < 40 {
			t.Errorf("%s: %+v", one.Alert, one)
		}
		seen[one.Alert] = true
	}
}
