package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/maru-auth/maru/deploy/stack"
	"github.com/maru-auth/maru/internal/freeport"
	"github.com/maru-auth/maru/internal/testenv"
	"github.com/maru-auth/maru/internal/testenv/chrome"
	"github.com/maru-auth/maru/internal/testenv/program"
)

// What an operator does on the first day, in a real browser and through the gateway, and then the
// same by the interfaces for programs.

func TestTheFirstDayOfAnOperator(t *testing.T) {
	t.Parallel()
	firstDay(t, start(t, 1))
}

func TestTheFirstDayOfAnOperatorOnTwoReplicas(t *testing.T) {
	t.Parallel()
	r := startWith(t, stack.Config{Env: postgres(t), IssuerPath: "/id"}, 2)
	r.Issuer += "/id"
	firstDay(t, r)
}

func firstDay(t *testing.T, r *running) {
	o := &operator{tab: newTab(t, "en"), t: t, r: r}
	o.bootstrap()
	o.makeApp()
	o.disable(o.somebody())
	o.byREST(o.somebody())
	o.bySCIM()
	o.verifyLog()
	o.Calm()
}

// operator is an administrator with a browser.
type operator struct {
	tab
	t     *testing.T
	r     *running
	email string
}

// command runs a command at the machine.
func (o *operator) command(args ...string) string {
	o.t.Helper()
	out, err := o.r.Authz(o.t.Context(), "", args...)
	if err != nil {
		o.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return out
}

// open opens a page of the issuer.
func (o *operator) open(path string) {
	o.t.Helper()
	o.Open(o.r.Issuer + path)
	o.Is("document.readyState === 'complete'")
}

// bootstrap signs up by the one-time link, with a passkey and nothing else.
func (o *operator) bootstrap() {
	link := regexp.MustCompile(`https?://\S+`).FindString(o.command("bootstrap-admin"))
	o.Authenticator()
	o.email = newPerson(o.t, nil).Email
	o.Open(link)
	o.Visible("#passkey")
	o.Fill("#name", "Operator", "#email", o.email)
	o.Click("#passkey")
	o.Visible("#code")
	o.Fill("#code", o.r.letter(o.t, o.email).Code())
	o.Click("#verify")
	o.Is(`location.pathname.includes("/account")`)
	o.open("/admin")
	o.fits("en")
	o.See("h1", "Overview")

	// The link was good once.
	again := newPerson(o.t, nil).open(link)
	if again.byID("signup") != nil && strings.Contains(again.text(), "administrator") {
		o.t.Errorf("the link works again: %s", again.text())
	}
	// Nobody else sees that there is an administration.
	if shown := newPerson(o.t, nil).open(o.r.Issuer + "/admin"); shown.byID("login") == nil {
		o.t.Errorf("a stranger at /admin: %d %s", shown.Status, shown.text())
	}
}

// makeApp makes a client by the wizard, and runs the Go program that it shows, by which the operator
// logs in.
func (o *operator) makeApp() {
	port, release, err := freeport.Reserve()
	if err != nil {
		o.t.Fatal(err)
	}
	defer release()
	home := fmt.Sprintf("http://localhost:%d", port)
	o.open("/admin/clients/new")
	o.Click(`input[name="kind"][value="web"]`)
	o.Fill("#client_name", "Notes")
	o.Click("#next")
	o.Visible("#redirect_uris")
	o.Fill("#redirect_uris", home+"/callback")
	o.Click("#next")
	for _, scope := range []string{"openid", "profile", "email"} {
		box := chrome.CSS(fmt.Sprintf(`input[name="scope"][value=%q]`, scope))
		o.Visible(box)
		if !chrome.Eval[bool](o.Browser, fmt.Sprintf("document.querySelector(%q).checked", string(box))) {
			o.Click(box)
		}
	}
	o.Click("#next")
	o.Visible("#create")
	o.fits("en")
	o.Click("#create")
	o.Visible("#snippet-go")
	o.fits("en")
	text := func(selector string) string {
		return chrome.Eval[string](o.Browser, fmt.Sprintf("document.querySelector(%q).textContent", selector))
	}
	source, commands := text(`#snippet-go [data-file="main.go"]`), text(`#snippet-go [data-run]`)
	secret := regexp.MustCompile(`CLIENT_SECRET='?([^' ]+)'? go run`).FindStringSubmatch(commands)
	if secret == nil || strings.Contains(source, secret[1]) {
		o.t.Fatalf("no secret in the commands, or one in the program:\n%s", commands)
	}
	file := filepath.Join(o.t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		o.t.Fatal(err)
	}
	built := filepath.Join(filepath.Dir(file), "app")
	build := exec.CommandContext(o.t.Context(), "go", "build", "-o", built, file) // by this repository's modules: tests need no network
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		o.t.Fatalf("%v\n%s", err, out)
	}
	run := exec.CommandContext(o.t.Context(), built)
	run.Env = append(os.Environ(), "CLIENT_SECRET="+secret[1])
	app := program.Start(o.t, run)
	testenv.Eventually(o.t, "the app listens", func() bool { return app.Says("listening at") })
	o.Open(home + "/")
	o.Is(`!!document.querySelector("#allow") || document.body.innerText.includes("Hello, Operator!")`)
	if chrome.Eval[bool](o.Browser, `!!document.querySelector("#allow")`) {
		o.Click("#allow")
	}
	o.Is(`document.body.innerText.includes("Hello, Operator!")`)
	app.Stop()
}

// somebody is a person with an app whose token opens the board.
func (o *operator) somebody() (who *person, id, token string) {
	o.t.Helper()
	who = newPerson(o.t, nil)
	g := sampleApp(o.t, o.r, "openid", "board:read", "board:write").signUp(who)
	call(o.t, "GET", o.r.API+"/board/v1/boards?limit=1", g.AccessToken, nil).decode(o.t, http.StatusOK, &struct{}{})
	return who, g.ID.Subject, g.AccessToken
}

// refused waits until the board takes a token no more.
func (o *operator) refused(token string) {
	o.t.Helper()
	until(o.t, o.r.API+"/board/v1/boards?limit=1", token, http.StatusUnauthorized, http.StatusOK)
}

// disable finds a person by their address, looks at them, and closes their account.
func (o *operator) disable(who *person, id, token string) {
	o.t.Helper()
	o.open("/admin/users")
	o.Fill("#q", who.Email[:12])
	o.Click(`form[role="search"] button`)
	found := chrome.CSS(fmt.Sprintf(`.people a[href$="/admin/users/%s"]`, id))
	o.Visible(found)
	o.Click(found)
	o.See("h1", who.Name)
	o.fits("en")
	o.Click(chrome.CSS(fmt.Sprintf(`.deeds a[href$="/admin/users/%s/disable"]`, id)))
	o.Visible("#reason")
	o.Fill("#reason", "Asked for by their team")
	o.Click("form.fields button[type=submit]")
	o.Visible(".notice.good")
	o.fits("en")
	o.refused(token)
	if at := newPerson(o.t, nil).open(o.r.Issuer+"/login").press("login", "email", who.Email, "password", who.Password); at.byID("logout") != nil {
		o.t.Error("a disabled person logs in")
	}
}

// service makes a service with a scope of the administration, and returns its secret.
func (o *operator) service(id, scope string) string {
	o.t.Helper()
	out := o.command("client", "create", "--id", id, "--name", id, "--grant-type", "client_credentials", "--scope", scope, "--format", "json")
	var made struct {
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.Secret == "" {
		o.t.Fatalf("%v: %s", err, out)
	}
	return made.Secret
}

// credentials makes a service with a scope of the administration, and returns its token.
func (o *operator) credentials(id, scope string) string {
	o.t.Helper()
	var got tokens
	call(o.t, "POST", o.r.Issuer+"/oauth2/token", "", url.Values{"grant_type": {"client_credentials"}, "client_id": {id},
		"client_secret": {o.service(id, scope)}}).decode(o.t, http.StatusOK, &got)
	return got.Access
}

// byREST does the same as a program would.
func (o *operator) byREST(who *person, id, token string) {
	o.t.Helper()
	as := o.credentials("console", "admin:read admin:write")
	at := o.r.Issuer + "/admin/v1"
	var people struct {
		Items []struct {
			ID    string `json:"id"`
			Email string `json:"email"`
		} `json:"items"`
	}
	call(o.t, "GET", at+"/users?q="+url.QueryEscape(who.Email), as, nil).decode(o.t, http.StatusOK, &people)
	if len(people.Items) != 1 || people.Items[0].ID != id {
		o.t.Fatalf("found %+v", people)
	}
	one := call(o.t, "GET", at+"/users/"+id, as, nil)
	one.decode(o.t, http.StatusOK, &struct{}{})
	call(o.t, "PATCH", at+"/users/"+id, as, map[string]any{"disabled": true, "reason": "by a program"}, "If-Match", one.Header.Get("ETag"),
		"Content-Type", "application/merge-patch+json").decode(o.t, http.StatusOK, &struct{}{})
	o.refused(token)
	if a := call(o.t, "GET", at+"/users", token, nil); a.Status != http.StatusUnauthorized {
		o.t.Errorf("a person's token for the board at the administration: %s", a)
	}
}

// bySCIM has a directory make a person, find them, and close their account.
func (o *operator) bySCIM() {
	o.t.Helper()
	as := o.credentials("directory", "scim")
	at := o.r.Issuer + "/scim/v2/Users"
	email := newPerson(o.t, nil).Email
	var one struct {
		ID     string `json:"id"`
		Active bool   `json:"active"`
	}
	call(o.t, "POST", at, as, map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": email,
		"externalId": "7", "active": true, "name": map[string]string{"givenName": "Dora", "familyName": "Directory"}}).decode(o.t, http.StatusCreated, &one)
	var found struct {
		Resources []struct {
			ID string `json:"id"`
		} `json:"Resources"`
	}
	call(o.t, "GET", at+"?filter="+url.QueryEscape(fmt.Sprintf("userName eq %q", email)), as, nil).decode(o.t, http.StatusOK, &found)
	if len(found.Resources) != 1 || found.Resources[0].ID != one.ID {
		o.t.Fatalf("found %+v", found)
	}
	call(o.t, "PATCH", at+"/"+one.ID, as, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []map[string]any{{"op": "replace", "path": "active", "value": false}}}).decode(o.t, http.StatusOK, &one)
	if one.Active {
		o.t.Error("still active")
	}
	// What is administrative is not there for a directory.
	call(o.t, "GET", at+"?filter="+url.QueryEscape(fmt.Sprintf("userName eq %q", o.email)), as, nil).decode(o.t, http.StatusOK, &found)
	if len(found.Resources) != 0 {
		o.t.Errorf("a directory sees an administrator: %+v", found)
	}
}

// verifyLog finds in the audit log what was done, by whom and why, and that the log is whole.
func (o *operator) verifyLog() {
	o.t.Helper()
	o.command("audit", "verify")
	log := strings.Split(o.command("audit", "export"), "\n")
	for _, want := range [][]string{
		{"client.created", "Notes"}, {"user.disabled", "Asked for by their team", o.email}, {"user.disabled", "by a program", "console"},
		{"user.disabled", "directory"},
	} {
		if !slices.ContainsFunc(log, func(line string) bool {
			return !slices.ContainsFunc(want, func(part string) bool { return !strings.Contains(line, part) })
		}) {
			o.t.Errorf("the audit log has no entry with %q:\n%s", want, strings.Join(log, "\n"))
		}
	}
}
