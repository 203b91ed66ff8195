package main

import (
	"strings"
	"testing"

	"github.com/maru-auth/maru/internal/machine"
)

func TestTheTableSaysHowManyTimesAPeersRateMaruReaches(t *testing.T) {
	r := &Report{Machine: machine.Machine{Processors: 2}, OpenSSL: 1000, RSA: "openssl 3.0", Tags: "libcrypto", Connections: 16, Rounds: 3, Duration: 3, LeftOut: []string{"keycloak: left out: no java"}, Servers: []Server{
		{"Maru (SQLite)", "durable", map[string]Figure{"client-credentials": {Rate: 1500, P99: 20, CPU: 1.1}, "refresh": {Rate: 300}}},
		{"Maru (Postgres)", "durable", map[string]Figure{"client-credentials": {Rate: 1200}}},
		{"another 9", "in memory", map[string]Figure{"client-credentials": {Rate: 1000, P99: 24.6, CPU: 0.754}, "refresh": {Rate: 0}}},
	}}
	table := r.markdown()
	for _, want := range []string{
		"| Maru (SQLite) | durable | 1500 (20, 1.10) |  | – | – | – | – | 300 (0, 0.00) |  |\n",
		"| another 9 | in memory | 1000 (25, 0.75) | 1.50, 1.20 | – | – | – | – | 0 (0, 0.00) |  |\n",
		"`make peers PEERS_TAGS=libcrypto`: ", "Maru's by openssl 3.0;",
		"signs 1000 times a second on one processor, and so 2000 on 2. Client credentials of Maru (SQLite) are 0.75 of that. " +
			"Client credentials of Maru (Postgres) are 0.60 of that.\n",
		"\nNot measured: keycloak: left out: no java\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	columns := 0
	for line := range strings.Lines(table) {
		if strings.HasPrefix(line, "|") {
			if n := strings.Count(line, "|"); columns == 0 {
				columns = n
			} else if n != columns {
				t.Errorf("%d columns, the header has %d: %s", n, columns, line)
			}
		}
	}
}

func TestTheMedianTurnCounts(t *testing.T) {
	turns := []Figure{{Rate: 3, P99: 30}, {Rate: 1, P99: 10}, {Rate: 2, P99: 20}}
	if got := median(turns); got.Rate != 2 || got.P99 != 20 {
		t.Errorf("%+v", got)
	}
	if got := median(turns[:2]); got.Rate != 1 { // of two, the slower one
		t.Errorf("%+v", got)
	}
}

// Keycloak's form is HTML, in which an address is escaped.
func TestTheFormOfALogInIsFound(t *testing.T) {
	found := formAction.FindStringSubmatch(`<form id="kc-form-login" class="x" onsubmit="login.disabled = true; return true;" action="http://h/a?b=1&amp;c=2" method="post">`)
	if found == nil || found[1] != "http://h/a?b=1&amp;c=2" {
		t.Errorf("%q", found)
	}
}
