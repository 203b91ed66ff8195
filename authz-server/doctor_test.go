package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/mail/mailtest"
	"github.com/maru-auth/maru/internal/sqldb"
	"github.com/maru-auth/maru/internal/sqldb/sqldbtest"
	"github.com/maru-auth/maru/internal/testenv/site"
)

// A gateway is a proxy before a server. change, if not nil, changes what it sends on, and back.
type gateway struct {
	server  atomic.Pointer[string] // host:port
	request func(*httputil.ProxyRequest)
	answer  func(*http.Response) error
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := g.server.Load()
	if to == nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "http", Host: *to})
			p.Out.Host = p.In.Host
			p.SetXForwarded()
			if g.request != nil {
				g.request(p)
			}
		},
		ModifyResponse: g.answer,
	}).ServeHTTP(w, r)
}

type diagnosis struct {
	OK       bool
	Findings []struct{ Check, ID, Severity, Seen, Do string }
	text     string
}

// bad are the ids of what is not as it must be.
func (d diagnosis) bad() (ids []string) {
	for _, one := range d.Findings {
		if one.Severity == "error" || one.Severity == "warning" {
			ids = append(ids, one.ID)
		}
	}
	return ids
}

// diagnose runs the doctor, at a time.
func (c commandLine) diagnose(now func() time.Time, args ...string) diagnosis {
	c.t.Helper()
	var out, errs bytes.Buffer
	p := &program{in: strings.NewReader(""), out: &out, errs: &errs, now: now}
	err := p.run(c.t.Context(), append([]string{"--database-url=" + c.url, "--key-encryption-key=" + testKEK, "doctor", "--format=json"}, args...))
	d := diagnosis{text: out.String()}
	if failed := json.Unmarshal(out.Bytes(), &d); failed != nil {
		c.t.Fatalf("%v, %v: %s", failed, err, out.String())
	}
	if d.OK != (err == nil) {
		c.t.Errorf("ok is %t, and the command ends with %v", d.OK, err)
	}
	return d
}

func (c commandLine) wantBad(name string, d diagnosis, want ...string) {
	c.t.Helper()
	if got := d.bad(); !slices.Equal(got, want) {
		c.t.Errorf("%s: %q, want %q:\n%s", name, got, want, d.text)
	}
}

func TestADoctorFindsNothingAtAServerThatIsAsItMustBe(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		g := &gateway{}
		front := site.New(t, g)
		args := []string{"--issuer=" + front.URL, "--outgoing-ca-file=" + front.CAFile, "--mail-smtp-url=" + mailtest.New(t).URL, "--mail-from=a@example.com"}
		addr, _ := serving(t, c.url, args...)
		g.server.Store(&addr)
		d := c.diagnose(time.Now, append(args, "--listen="+addr)...)
		want := []string{}
		if strings.HasPrefix(c.url, "postgres") && slices.Contains(d.bad(), "database.not_durable") {
			want = []string{"database.not_durable"} // the cluster of tests need not survive anything
		}
		c.wantBad("a good world", d, want...)
		shows(t, d.text, "issuer.ok", "tls.ok", "proxies.ok", "keys.ok", "cookies.ok", "mail.ok", "clock.ok", "server.ok")
	})
}

func TestADoctorNamesWhatIsWrongOnTheWayToAServer(t *testing.T) {
	t.Parallel()
	c := commandLine{t, sqldbtest.SQLite(t)}
	g := &gateway{}
	front := httptest.NewServer(g)
	t.Cleanup(front.Close)
	args := []string{"--issuer=" + front.URL}
	addr, _ := serving(t, c.url, args...)
	g.server.Store(&addr)
	args = append(args, "--listen="+addr)
	for name, one := range map[string]struct {
		request func(*httputil.ProxyRequest)
		answer  func(*http.Response) error
		want    []string
	}{
		"nothing": {nil, nil, nil},
		"no X-Forwarded headers": {func(p *httputil.ProxyRequest) {
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				p.Out.Header.Del(name)
			}
		}, nil, []string{"proxies.no_client", "proxies.no_proto"}},
		"a caller's own address": {func(p *httputil.ProxyRequest) {
			p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
		}, nil, []string{"proxies.passes_on"}},
		"another host": {func(p *httputil.ProxyRequest) {
			p.Out.Host = "authz:9100"
			p.Out.Header.Del("X-Forwarded-Host")
		}, nil, []string{"proxies.host"}},
		"no question": {func(p *httputil.ProxyRequest) { p.Out.Header.Del("Maru-Doctor") }, nil, []string{"issuer.silent"}},
		"a redirect": {nil, func(r *http.Response) error {
			r.StatusCode, r.Status = http.StatusMovedPermanently, "301 Moved Permanently"
			r.Header.Set("Location", "https://www.example/")
			return nil
		}, []string{"issuer.status"}},
		"a redirect to an inner name": {nil, func(r *http.Response) error {
			if r.Header.Get("Location") != "" {
				r.Header.Set("Location", "http://"+addr+"/login")
			}
			return nil
		}, []string{"cookies.moved"}},
	} {
		g.request, g.answer = one.request, one.answer
		c.wantBad(name, c.diagnose(time.Now, args...), one.want...)
	}
	g.request, g.answer = nil, nil
	ahead := c.diagnose(func() time.Time { return time.Now().Add(time.Hour) }, args...)
	if !slices.Contains(ahead.bad(), "clock.issuer") {
		t.Errorf("an hour ahead: %s", ahead.text)
	}
	down := "127.0.0.1:1"
	g.server.Store(&down)
	c.wantBad("the server is away, and one runs here", c.diagnose(time.Now, args...), "issuer.status")
	c.wantBad("no server runs", c.diagnose(time.Now, "--issuer="+front.URL, "--listen="+down))
}

func TestADoctorFindsOutThatAnotherServerAnswers(t *testing.T) {
	t.Parallel()
	g := &gateway{}
	front := httptest.NewServer(g)
	t.Cleanup(front.Close)
	other := commandLine{t, sqldbtest.SQLite(t)}
	addr, _ := serving(t, other.url, "--issuer="+front.URL)
	g.server.Store(&addr)
	mine := commandLine{t, sqldbtest.SQLite(t)}
	_, end := serving(t, mine.url, "--issuer="+front.URL)
	end()
	mine.wantBad("another database", mine.diagnose(time.Now, "--issuer="+front.URL, "--listen="+addr), "issuer.keys")
	other.wantBad("another issuer", other.diagnose(time.Now, "--issuer="+front.URL+"/id", "--listen="+addr), "issuer.status")
}

func TestADoctorSaysWhatIsWrongInside(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t-of-the-mail-server"
	wrongKEK := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	c := commandLine{t, sqldbtest.SQLite(t)}
	c.must("keys", "list")
	_, end := serving(t, c.url)
	end()
	nobody := []string{"--issuer=http://localhost:1", "--listen=127.0.0.1:1"}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { // a program that is no mail server
		for {
			conn, err := closed.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { closed.Close() })
	for name, one := range map[string]struct {
		args []string
		want []string
	}{
		"nothing":               {nil, nil},
		"another KEK":           {[]string{"--key-encryption-key=" + wrongKEK}, []string{"keys.wrong_kek"}},
		"a wrong setting":       {[]string{"--key-bits=1024"}, []string{"settings.refused"}},
		"mail that is half set": {[]string{"--mail-from=a@example.com"}, []string{"settings.refused"}},
		"an insecure setting":   {[]string{"--insecure-legacy-response-types", "--registration=open"}, []string{"settings.insecure"}},
		"a private network":     {[]string{"--insecure-upstream-private-networks=10.1.2.0/24"}, []string{"settings.insecure"}},
		"no private network":    {[]string{"--insecure-upstream-private-networks=169.254.0.0/16"}, []string{"settings.refused", "settings.insecure"}},
		"no mail server":        {[]string{"--mail-smtp-url=smtp://maru:" + secret + "@127.0.0.1:1", "--mail-from=a@example.com"}, []string{"mail.unreachable"}},
		"no mail server there":  {[]string{"--mail-smtp-url=smtp://maru:" + secret + "@" + closed.Addr().String(), "--mail-from=a@example.com"}, []string{"mail.greeting"}},
		"plain http":            {[]string{"--issuer=http://login.invalid", "--insecure-http-issuer"}, []string{"settings.insecure", "tls.none"}},
	} {
		d := c.diagnose(time.Now, append(slices.Clone(nobody), one.args...)...)
		c.wantBad(name, d, one.want...)
		hides(t, d.text, secret, testKEK, wrongKEK)
	}
	if err := os.Chmod(strings.TrimPrefix(c.url, "sqlite:"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.wantBad("a file that others can read", c.diagnose(time.Now, nobody...), "database.readable")
	old := c.diagnose(func() time.Time { return time.Now().AddDate(1, 0, 0) }, nobody...)
	if !slices.Contains(old.bad(), "keys.old") {
		t.Errorf("a year later: %s", old.text)
	}
	text, err := c.run("", append([]string{"doctor", "--key-bits=1024"}, nobody...)...)
	if err == nil || !strings.Contains(text, "error    settings") || !strings.Contains(text, "(settings.refused)") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestADoctorReadsASchemaOfTheFutureAndChangesNothing(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		served(t, c.url)
		db, err := sqldb.Open(t.Context(), c.url)
		if err != nil {
			t.Fatal(err)
		}
		c.must("user", "list") // brings the schema up to date
		for _, one := range []string{
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (9001, TRUE)`,
			`UPDATE schema_compatibility SET oldest_version = 9000`,
		} {
			if _, err := db.Exec(t.Context(), one); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		before := content(t, c.url)
		d := c.diagnose(time.Now, "--issuer=http://localhost:1", "--listen=127.0.0.1:1")
		if !slices.Contains(d.bad(), "database.schema") || !strings.Contains(d.text, "keys.skipped") {
			t.Error(d.text)
		}
		if after := content(t, c.url); !bytes.Equal(before, after) {
			t.Error("the database was changed")
		}
	})
}

// content is that of an SQLite database's file; nil for others.
func content(t *testing.T, databaseURL string) []byte {
	t.Helper()
	path, ok := strings.CutPrefix(databaseURL, "sqlite:")
	if !ok {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestADoctorComesBeforeTheFirstStart(t *testing.T) {
	dir := t.TempDir()
	c := commandLine{t, "sqlite:" + filepath.Join(dir, "data", "authz.db")}
	d := c.diagnose(time.Now, "--issuer=http://localhost:1", "--listen=127.0.0.1:1")
	c.wantBad("before the first start", d)
	shows(t, d.text, "database.empty", "server.not_running", "issuer.skipped")
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if path != dir {
			t.Errorf("it made %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADoctorComparesClocksWithPostgres(t *testing.T) {
	c := commandLine{t, sqldbtest.Postgres(t)}
	c.must("user", "list")
	d := c.diagnose(func() time.Time { return time.Now().Add(-time.Hour) }, "--issuer=http://localhost:1", "--listen=127.0.0.1:1")
	if !slices.Contains(d.bad(), "clock.database") {
		t.Error(d.text)
	}
}
