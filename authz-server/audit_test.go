package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/audit"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/internal/testenv"
)

func TestTheAuditLogIsListedExportedAndVerified(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		s := c.store()
		ring, err := keys.Open(t.Context(), keys.Config{Store: s.Keys, KEK: kek(t), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		key, err := auditKey(t.Context(), ring)
		if err != nil {
			t.Fatal(err)
		}
		shows(t, c.must("audit", "verify"), "whole, and empty")
		chainer, err := audit.NewChainer(audit.Config{Store: s, Key: key, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		user, err := s.Users.CreateUser(t.Context(), accounts.User{Email: "mina@example.org", Name: "Mina", PasswordHash: "x"})
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range []audit.Entry{
			{Kind: audit.LoggedIn, Actor: audit.Actor{Kind: audit.Person, ID: user.ID, Label: user.Email}, Person: user.ID, From: "192.0.2.1"},
			{Kind: audit.ClientChanged, Target: audit.Target{Kind: "client", ID: "shop", Label: "The \x1b[31mShop\nlogin.succeeded"}},
			{Kind: audit.KeyRotated, Reason: "every year"},
		} {
			if i == 2 {
				if err := chainer.Chain(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if err := audit.New(s).Record(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		all := c.must("audit", "list")
		shows(t, all, "key.rotated", "every year", "client shop (The \uFFFD[31mShop\uFFFDlogin.succeeded)", "person "+user.ID+" (mina@example.org)", "192.0.2.1")
		if strings.Count(all, "\n") != 4 || strings.Contains(all, "\x1b") {
			t.Errorf("%q", all)
		}
		for _, one := range [][]string{{"--person=mina@example.org"}, {"--person=" + user.ID}, {"--kind=login.succeeded"}, {"--limit=1", "--kind=login.succeeded", "--last=1h"}} {
			if out := c.must(append([]string{"audit", "list"}, one...)...); !strings.Contains(out, "login.succeeded") || strings.Count(out, "\n") != 2 {
				t.Errorf("%v: %s", one, out)
			}
		}
		if out := c.must("audit", "list", "--target=shop", "--format=json"); strings.Count(out, "\n") != 1 || !json.Valid([]byte(out)) {
			t.Error(out)
		}
		c.refused([]string{"audit", "list", "--kind=login"}, "login.failed")
		c.refused([]string{"audit", "list", "--person=nobody@example.org"}, "nobody@example.org")
		c.refused([]string{"audit", "list", "--limit=-1"}, "--limit")

		out := c.must("audit", "verify")
		shows(t, out, "whole: 2 entries", "1 entries wait")
		_, head, _ := strings.Cut(out, "head ")
		head, _, _ = strings.Cut(head, "\n")
		lines := bufio.NewScanner(strings.NewReader(c.must("audit", "export")))
		for n := int64(1); lines.Scan(); n++ {
			var line struct {
				Position int64
				MAC      string
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Position != n || n == 2 && head != "2:"+line.MAC {
				t.Errorf("%s: %v", lines.Text(), err)
			}
		}
		if out := c.must("audit", "export", "--after=1"); strings.Count(out, "\n") != 1 {
			t.Error(out)
		}
		if err := chainer.Chain(t.Context()); err != nil {
			t.Fatal(err)
		}
		shows(t, c.must("audit", "verify", "--head", head), "whole: 5 entries") // the exports are entries too
		shows(t, c.must("audit", "list", "--kind=audit.exported"), "machine", "command")
		c.refused([]string{"audit", "verify", "--head=7"}, "--head", "POSITION:MAC")
		c.refused([]string{"audit", "verify", "--head=7" + strings.TrimPrefix(head, "2")}, "cut off", "position 7")
		c.refused([]string{"audit", "verify", "--head=1" + strings.TrimPrefix(head, "2")}, "position 1")
	})
}

func TestServingEndsWithoutTheAuditFileThatItIsToWrite(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		c.refused([]string{"serve", "--listen=127.0.0.1:0", "--audit-file=" + filepath.Join(t.TempDir(), "missing", "audit.jsonl")},
			"--audit-file", "missing")
	})
}

// A server chains what happens, and its file has all of it; a command that changes something later
// is chained too.
func TestAServerChainsWhatHappensAndWritesItsFile(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		path := filepath.Join(t.TempDir(), "audit.jsonl")
		addr, end := serving(t, c.url, "--registration=open", "--audit-file="+path)
		answer, err := http.Post("http://"+addr+"/oauth2/register", "application/json",
			strings.NewReader(`{"client_name":"Self","redirect_uris":["https://app.example/cb"]}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s %v", answer.StatusCode, body, err)
		}
		answer.Body.Close()
		lines := func() string {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		testenv.Eventually(t, "the file has the client", func() bool { return strings.Contains(lines(), "client.registered") })
		shows(t, lines(), `"kind":"settings.started"`, `"registration":"open"`, `"key-encryption-key":"(set)"`, `"database-url":"(set)"`)
		if n := strings.Count(lines(), `"kind":"settings.started"`); n != 1 {
			t.Errorf("one start has %d entries", n)
		}
		shows(t, lines(), `"from":"127.0.0.1"`, `"kind":"key.created"`, `"actor":{"kind":"system"}`)
		var made struct {
			Secret string `json:"client_secret"`
			Token  string `json:"registration_access_token"`
		}
		if err := json.Unmarshal(body, &made); err != nil || made.Token == "" {
			t.Fatal(err, made)
		}
		hides(t, lines(), made.Secret, made.Token, testKEK, `"cut":true`)
		c.must("after-restore")
		testenv.Eventually(t, "the file has what the command did", func() bool { return strings.Contains(lines(), `"kind":"database.restored","actor":{"kind":"machine"`) })
		end()
		all := strings.Split(strings.TrimSpace(lines()), "\n")
		var last struct {
			Position int64
			MAC      string
		}
		if err := json.Unmarshal([]byte(all[len(all)-1]), &last); err != nil {
			t.Fatal(err)
		}
		shows(t, c.must("audit", "verify", "--head", fmt.Sprintf("%d:%s", last.Position, last.MAC)), fmt.Sprintf("whole: %d entries", last.Position))
	})
}

// someLines takes a few lines, as head does.
type someLines struct {
	left  int
	taken []byte
}

func (l *someLines) Write(text []byte) (int, error) {
	if l.left--; l.left < 0 {
		return 0, io.ErrClosedPipe
	}
	l.taken = append(l.taken, text...)
	return len(text), nil
}

// An export is written as it is read, a page after another; and one whose reader has had enough is in
// the log like any other.
func TestAnExportIsWrittenAsItIsRead(t *testing.T) {
	eachEngine(t, func(t *testing.T, c commandLine) {
		s := c.store()
		const many = 1700
		for range many {
			if err := audit.New(s).Record(t.Context(), audit.Entry{Kind: audit.KeyRotated}); err != nil {
				t.Fatal(err)
			}
		}
		chainer, err := audit.NewChainer(audit.Config{Store: s, Key: make([]byte, audit.KeySize), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := chainer.Chain(t.Context()); err != nil {
			t.Fatal(err)
		}
		out := &someLines{left: 3}
		p := &program{in: strings.NewReader(""), out: out, errs: io.Discard, now: time.Now}
		err = p.run(t.Context(), []string{"--database-url=" + c.url, "audit", "export"})
		if err == nil || strings.Count(string(out.taken), "\n") != 3 {
			t.Errorf("%v, %d lines", err, strings.Count(string(out.taken), "\n"))
		}
		if n := strings.Count(c.must("audit", "list", "--kind=audit.exported", "--format=json"), "\n"); n != 1 {
			t.Errorf("%d entries of an export that was cut off", n)
		}
		if n := strings.Count(c.must("audit", "export"), "\n"); n != many {
			t.Errorf("%d lines", n)
		}
	})
}
