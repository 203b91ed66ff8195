package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/internal/sqldb"
)

// ids are what was found, in their order.
func ids(findings []Finding) (all []string) {
	for _, one := range findings {
		all = append(all, one.ID)
		if (one.Do == "") != (one.Severity == OK) || one.Seen == "" {
			panic("a finding says too little: " + one.ID)
		}
	}
	return all
}

func want(t *testing.T, name string, findings []Finding, want ...string) {
	t.Helper()
	if got := ids(findings); !slices.Equal(got, want) {
		t.Errorf("%s: found %q, want %q: %+v", name, got, want, findings)
	}
}

func at(t *testing.T, id string) issuer.URL {
	t.Helper()
	u, err := issuer.Parse(id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// Every finding of the table is made somewhere, and has what to do unless all is well.
func TestEveryFindingCanBeMade(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	id := regexp.MustCompile(`"([a-z]+\.[a-z_-]+)"`)
	for _, name := range files {
		if name == "findings.go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range id.FindAllStringSubmatch(string(text), -1) {
			made[match[1]] = true
		}
	}
	for id, kind := range kinds {
		if !made[id] {
			t.Errorf("nothing finds %s", id)
		}
		if (kind.do == "") != (kind.severity == OK) {
			t.Errorf("%s is %s, and to do is %q", id, kind.severity, kind.do)
		}
		if !slices.ContainsFunc(checks, func(c check) bool { return c.name == checkOf(id) }) {
			t.Errorf("%s is of no check", id)
		}
	}
}

func TestADatabaseIsJudgedByWhatItSays(t *testing.T) {
	good := sqldb.Inspection{Engine: sqldb.Postgres, Version: "17.2", Number: 170002, Encoding: "UTF8", TimeZone: "Asia/Seoul", Places: 97, Schema: 7, Known: 7}
	for name, one := range map[string]struct {
		change func(*sqldb.Inspection)
		want   []string
	}{
		"a good one":       {func(*sqldb.Inspection) {}, []string{"database.ok"}},
		"an old Postgres":  {func(i *sqldb.Inspection) { i.Version, i.Number = "14.9", 140009 }, []string{"database.old"}},
		"another encoding": {func(i *sqldb.Inspection) { i.Encoding = "SQL_ASCII" }, []string{"database.encoding"}},
		"a standby":        {func(i *sqldb.Inspection) { i.ReadOnly = true }, []string{"database.read_only"}},
		"without fsync":    {func(i *sqldb.Inspection) { i.Unsafe = "fsync=off" }, []string{"database.not_durable"}},
		"few connections":  {func(i *sqldb.Inspection) { i.Places = 8 }, []string{"database.few_places"}},
		"a newer schema":   {func(i *sqldb.Inspection) { i.Schema, i.Unfit = 9, errors.New("newer") }, []string{"database.schema"}},
		"an older schema":  {func(i *sqldb.Inspection) { i.Schema = 6 }, []string{"database.schema_behind"}},
		"no schema":        {func(i *sqldb.Inspection) { i.Schema = 0 }, []string{"database.empty"}},
		"a good file": {func(i *sqldb.Inspection) {
			*i = sqldb.Inspection{Engine: sqldb.SQLite, Mode: 0o600, Schema: 7, Known: 7}
		}, []string{"database.ok"}},
		"a file that others can read": {
			func(i *sqldb.Inspection) {
				*i = sqldb.Inspection{Engine: sqldb.SQLite, Mode: 0o644, Schema: 7, Known: 7}
			}, []string{"database.readable"}},
	} {
		i := good
		one.change(&i)
		want(t, name, judgeDatabase(i, 8), one.want...)
	}
}

func TestKeysAreJudgedByTheirAge(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	state := func(state string, days int) keys.State {
		return keys.State{KID: "k", Alg: "RS256", State: state, Since: now.AddDate(0, 0, -days)}
	}
	const quarter = 90 * 24 * time.Hour
	for name, one := range map[string]struct {
		ring     keys.Inspection
		rotation time.Duration
		want     []string
	}{
		"a young one":               {keys.Inspection{Keys: []keys.State{state("current", 80), state("retired", 900)}}, quarter, []string{"keys.ok"}},
		"a next one":                {keys.Inspection{Keys: []keys.State{state("next", 0), state("current", 89)}}, quarter, []string{"keys.ok"}},
		"none":                      {keys.Inspection{}, quarter, []string{"keys.none"}},
		"one past its time":         {keys.Inspection{Keys: []keys.State{state("current", 92)}}, quarter, []string{"keys.old"}},
		"one that nobody rotates":   {keys.Inspection{Keys: []keys.State{state("current", 401)}}, 0, []string{"keys.old"}},
		"under an old encryption":   {keys.Inspection{Keys: []keys.State{state("current", 1)}, Stale: 3}, quarter, []string{"keys.stale"}},
		"a year without a rotation": {keys.Inspection{Keys: []keys.State{state("current", 365)}}, 0, []string{"keys.ok"}},
	} {
		want(t, name, judgeKeys(one.ring, one.rotation, now), one.want...)
	}
}

// chain makes a root, an authority below it, and a certificate for login.example by that.
func chain(t *testing.T, now time.Time, authority, leaf time.Duration) (tls.ConnectionState, *x509.CertPool) {
	t.Helper()
	make := func(name string, ca bool, ends time.Time, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-1000 * 24 * time.Hour), NotAfter: ends,
			IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		}
		if !ca {
			template.DNSNames = []string{name}
		}
		if parent == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made, key
	}
	root, rootKey := make("root", true, now.Add(10000*time.Hour), nil, nil)
	middle, middleKey := make("authority", true, now.Add(authority), root, rootKey)
	last, _ := make("login.example", false, now.Add(leaf), middle, middleKey)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	return tls.ConnectionState{Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{last, middle}}, roots
}

func TestACertificateIsJudged(t *testing.T) {
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	good, roots := chain(t, now, 300*day, 60*day)
	want(t, "a good one", judgeCertificate(good, "login.example", roots, now), "tls.ok")
	want(t, "another name", judgeCertificate(good, "other.example", roots, now), "tls.refused")
	want(t, "an authority that nobody trusts", judgeCertificate(good, "login.example", x509.NewCertPool(), now), "tls.refused")
	want(t, "expired", judgeCertificate(good, "login.example", roots, now.Add(61*day)), "tls.expired")
	want(t, "about to expire", judgeCertificate(good, "login.example", roots, now.Add(50*day)), "tls.expiring")
	early, roots2 := chain(t, now, 10*day, 60*day)
	want(t, "an authority about to expire", judgeCertificate(early, "login.example", roots2, now), "tls.expiring")
	cut := good
	cut.PeerCertificates = good.PeerCertificates[:1]
	want(t, "without its authority", judgeCertificate(cut, "login.example", roots, now), "tls.refused")
	old := good
	old.Version = tls.VersionTLS11
	want(t, "an old protocol", judgeCertificate(old, "login.example", roots, now), "tls.old")
	want(t, "nothing", judgeCertificate(tls.ConnectionState{Version: tls.VersionTLS13}, "login.example", roots, now), "tls.refused")
}

func TestWhoSharesAHostIsNamed(t *testing.T) {
	for _, one := range []struct {
		issuer, api string
		want        []string
	}{
		{"https://login.example", "https://api.example", nil},
		{"http://localhost:9000", "http://localhost:8000", nil},
		{"https://192.0.2.1", "https://api.example", []string{"cookies.address"}},
		{"https://example.com/id", "https://api.example", []string{"cookies.shared"}},
		{"https://login.example", "https://login.example:8443", []string{"cookies.port"}},
	} {
		want(t, one.issuer, judgeHost(at(t, one.issuer), one.api), one.want...)
	}
}

func TestCookiesAndRedirectsMustArriveAsTheyWereSent(t *testing.T) {
	const good, host = "__Host-maru-toward=/account; Path=/; HttpOnly; Secure; SameSite=Lax", "https://login.example"
	for name, one := range map[string]struct {
		cookie, location string
		want             []string
	}{
		"as they were":        {good, "/login", nil},
		"an absolute address": {good, host + "/login", nil},
		"another's cookie":    {"lb=7; Domain=example", "/login", nil},
		"without Secure":      {strings.Replace(good, "; Secure", "", 1), "/login", []string{"cookies.changed"}},
		"with a domain":       {good + "; Domain=example", "/login", []string{"cookies.changed"}},
		"another path":        {strings.Replace(good, "Path=/", "Path=/id", 1), "/login", []string{"cookies.changed"}},
		"without its prefix":  {strings.TrimPrefix(good, "__Host-"), "/login", []string{"cookies.changed"}},
		"to plain http":       {good, "http://login.example/login", []string{"cookies.moved"}},
		"to an inner name":    {good, "https://authz:9100/login", []string{"cookies.moved"}},
	} {
		res := &http.Response{Header: http.Header{"Set-Cookie": {one.cookie}, "Location": {one.location}}}
		want(t, name, judgeAnswer(at(t, host), res), one.want...)
	}
	below := &http.Response{Header: http.Header{"Location": {"/login"}}}
	want(t, "out of the issuer's path", judgeAnswer(at(t, host+"/id"), below), "cookies.moved")
}

func TestProxiesAreJudgedByHowARequestArrives(t *testing.T) {
	const we, proxy = "198.51.100.7:4000", "10.0.0.5:5000"
	good := Arrival{Peer: proxy, Client: "198.51.100.7", Host: "login.example", ForwardedFor: []string{"198.51.100.7"}, ForwardedHost: "login.example", ForwardedProto: "https"}
	for name, one := range map[string]struct {
		change func(*Arrival)
		want   []string
	}{
		"as it should":             {func(*Arrival) {}, []string{"proxies.ok"}},
		"it appends":               {func(a *Arrival) { a.ForwardedFor = []string{invented, "198.51.100.7"} }, []string{"proxies.ok"}},
		"we are a trusted network": {func(a *Arrival) { a.ForwardedFor, a.Client = []string{invented, "198.51.100.7"}, invented }, []string{"proxies.ok"}},
		"no proxy":                 {func(a *Arrival) { a.Peer, a.ForwardedFor, a.Client = we, []string{invented}, invented }, []string{"proxies.ok"}},
		"it says nothing": {
			func(a *Arrival) {
				a.ForwardedFor, a.ForwardedHost, a.ForwardedProto, a.Client = nil, "", "", "10.0.0.5"
			},
			[]string{"proxies.no_client", "proxies.no_proto"}},
		"it is not believed":       {func(a *Arrival) { a.Client = "10.0.0.5" }, []string{"proxies.untrusted"}},
		"it passes on what we say": {func(a *Arrival) { a.ForwardedFor, a.Client = []string{invented}, invented }, []string{"proxies.passes_on"}},
		"both": {
			func(a *Arrival) { a.ForwardedFor, a.Client = []string{invented}, "10.0.0.5" },
			[]string{"proxies.passes_on", "proxies.untrusted"}},
		"another host":                  {func(a *Arrival) { a.Host, a.ForwardedHost = "authz:9100", "" }, []string{"proxies.host"}},
		"another host, and it says so":  {func(a *Arrival) { a.Host = "authz:9100" }, []string{"proxies.ok"}},
		"no scheme":                     {func(a *Arrival) { a.ForwardedProto = "" }, []string{"proxies.no_proto"}},
		"another scheme":                {func(a *Arrival) { a.ForwardedProto = "http" }, []string{"proxies.proto"}},
		"another host and no proxy":     {func(a *Arrival) { a.Peer, a.Host, a.ForwardedHost = we, "x", "" }, []string{"proxies.host"}},
		"an address in its other forms": {func(a *Arrival) { a.Client = "::ffff:10.0.0.5" }, []string{"proxies.untrusted"}},
	} {
		seen := good
		one.change(&seen)
		want(t, name, judgeArrival(seen, we, at(t, "https://login.example")), one.want...)
	}
}

func TestClocksAreCompared(t *testing.T) {
	now := time.Date(2026, 5, 1, 9, 0, 0, 0, time.UTC)
	greeting := func(at time.Time) *smtp.Probe {
		return &smtp.Probe{Greeting: "220 mail.example ESMTP Sendmail 8.18; " + at.Format("Mon, 2 Jan 2006 15:04:05 -0700")}
	}
	for name, one := range map[string]struct {
		p    patient
		want []string
	}{
		"none":                  {patient{}, []string{"clock.skipped"}},
		"no time in a greeting": {patient{probed: &smtp.Probe{Greeting: "220 mail.example ESMTP"}}, []string{"clock.skipped"}},
		"the mail server's":     {patient{probed: greeting(now.Add(3 * time.Second))}, []string{"clock.ok"}},
		"in another zone":       {patient{probed: greeting(now.In(time.FixedZone("", 9*3600)))}, []string{"clock.ok"}},
		"not the mail server's": {patient{probed: greeting(now.Add(time.Minute))}, []string{"clock.mail"}},
		"the gateway's":         {patient{reached: &reached{date: now.Add(-5 * time.Second), at: now}}, []string{"clock.ok"}},
		"not the gateway's":     {patient{reached: &reached{date: now.Add(-time.Hour), at: now}}, []string{"clock.issuer"}},
		"the server's":          {patient{reached: &reached{at: now, seen: &Arrival{At: now.Add(-time.Second)}}}, []string{"clock.ok"}},
		"not the server's":      {patient{reached: &reached{at: now, seen: &Arrival{At: now.Add(-10 * time.Second)}}}, []string{"clock.issuer"}},
		"not the database's": {
			patient{store: new(store.Store), database: sqldb.Inspection{Engine: sqldb.Postgres, Clock: errors.New("an hour")}}, []string{"clock.database"}},
		"the database's": {patient{store: new(store.Store), database: sqldb.Inspection{Engine: sqldb.Postgres}}, []string{"clock.ok"}},
	} {
		one.p.probeAt = now
		want(t, name, clock(t.Context(), &one.p), one.want...)
	}
}

func kek(t *testing.T, first byte) *keys.KEK {
	t.Helper()
	key := make([]byte, 32)
	key[0] = first
	k, err := keys.NewKEK(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Only who has the key-encryption key can ask how requests arrive, and read the answer.
func TestNobodyElseIsToldHowRequestsArrive(t *testing.T) {
	const id = "https://login.example"
	ours, now := kek(t, 1), time.Unix(1_800_000_000, 0).UTC()
	served := Answering(ours, at(t, id), func() time.Time { return now }, http.NotFoundHandler())
	ask := func(path, asked string) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, id+path, nil)
		r.Header.Set(header, asked)
		r.Header["X-Forwarded-For"] = []string{"192.0.2.1\x1b[2J", strings.Repeat("9", 1000) + ",10.0.0.1"}
		w := httptest.NewRecorder()
		served.ServeHTTP(w, r)
		if w.Code != http.StatusNotFound {
			t.Errorf("the request is not answered: %d", w.Code)
		}
		return w.Header().Get(header)
	}
	asked, nonce, err := question(ours, at(t, id))
	if err != nil {
		t.Fatal(err)
	}
	answer := ask(metadata, asked)
	seen, ok := read(ours, at(t, id), nonce, answer)
	if !ok || seen.Host != "login.example" || !seen.At.Equal(now) || len(seen.ForwardedFor) != 3 || seen.ForwardedFor[2] != "10.0.0.1" {
		t.Errorf("%+v %t", seen, ok)
	}
	if text := strings.Join(seen.ForwardedFor, ""); strings.Contains(text, "\x1b") || len(text) > 300 {
		t.Errorf("a header is passed on as it is: %q", text)
	}
	if len(answer) > 2000 || strings.Contains(answer, "login.example") {
		t.Errorf("the answer can be read, or is long: %s", answer)
	}
	theirs, theirNonce, err := question(kek(t, 2), at(t, id))
	if err != nil {
		t.Fatal(err)
	}
	other, otherNonce, err := question(ours, at(t, "https://other.example"))
	if err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string]string{
		"nothing": "", "rubbish": "rubbish", "no base64": "***", "another key": theirs, "another issuer": other, "its own answer": answer,
		"long": strings.Repeat("A", 1<<16), "cut": asked[:len(asked)-2],
	} {
		if got := ask(metadata, one); got != "" {
			t.Errorf("%s is answered: %s", name, got)
		}
	}
	if got := ask("/account", asked); got != "" {
		t.Error("another page answers")
	}
	for _, wrong := range []string{theirNonce, otherNonce, ""} {
		if _, ok := read(ours, at(t, id), wrong, answer); ok {
			t.Error("an answer to another question is taken")
		}
	}
	if _, ok := read(kek(t, 2), at(t, id), nonce, answer); ok {
		t.Error("another key opens the answer")
	}
}

// What does not answer costs the time of its check and no more.
func TestNoCheckTakesLongerThanItMay(t *testing.T) {
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hangs.Close()
	p := &patient{Config: Config{Issuer: at(t, hangs.URL), Now: time.Now, Listen: strings.TrimPrefix(hangs.URL, "http://")}, http: newClient(nil, time.Now), running: true}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	want(t, "the issuer", self(ctx, p), "issuer.unreachable")
	want(t, "the server", server(ctx, p), "server.not_running")
}

func FuzzTimeIn(f *testing.F) {
	f.Add("220 mail.example ESMTP; Thu, 26 Nov 2026 17:27:14 +0000 (UTC)")
	f.Add("220 26 Nov 2026 17:27:14 -0930")
	f.Fuzz(func(_ *testing.T, greeting string) { timeIn(greeting) })
}

// Certificates and mail servers say what they like.
func TestAnErrorCannotMoveTheCursor(t *testing.T) {
	t.Parallel()
	text := why(errors.New("x509: certificate is valid for \x1b]0;owned\a\x1b[2J\u202e\nevil, not here"))
	if strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) || !strings.Contains(text, "evil, not here") {
		t.Errorf("%q", text)
	}
}
