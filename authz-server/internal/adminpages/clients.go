package adminpages

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/snippets"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/pages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

func (a *Administration) clientRoutes(r *mux.Router) {
	a.view(r, "/admin/clients", (*visit).clients)
	a.wizardRoutes(r)
	a.view(r, "/admin/clients/{id}", (*visit).client)
	a.view(r, "/admin/clients/{id}/grants", (*visit).clientGrants)
	a.view(r, "/admin/clients/{id}/consents", (*visit).clientConsents)
	for _, d := range clientDeeds {
		a.change(r, d)
	}
}

// pageSize is how many rows a list has.
const pageSize = 50

// clientPath is the address of an app's page. An id that is the URL of a document would be a path of
// its own; in base64url after a ~, with which no other id begins, it is one segment.
func clientPath(id string) string {
	if client.IsDocumentID(id) {
		id = "~" + base64.RawURLEncoding.EncodeToString([]byte(id))
	}
	return "/admin/clients/" + url.PathEscape(id)
}

// clientID is the id of the app that the address names.
func (v *visit) clientID() (string, error) {
	id := v.in("id")
	coded, ok := strings.CutPrefix(id, "~")
	if !ok {
		return id, nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(coded)
	if err != nil || !client.IsDocumentID(string(plain)) {
		return "", store.ErrNotFound
	}
	return string(plain), nil
}

// appKind is what kind of app a client is, as the steps by which one is made call it.
func appKind(c *client.Client) string {
	switch {
	case c.HasGrantType(client.AuthorizationCode) && !c.Public():
		return "web"
	case c.HasGrantType(client.AuthorizationCode) && c.ApplicationType == client.ApplicationNative:
		return "native"
	case c.HasGrantType(client.AuthorizationCode):
		return "spa"
	case c.HasGrantType(client.DeviceCode):
		return "device"
	case len(c.Audiences) > 0:
		return "api"
	case c.HasGrantType(client.ClientCredentials):
		return "service"
	}
	return "other"
}

// clientRow is an app in a list.
type clientRow struct {
	ID, Name, Path, Kind string
	Off                  bool
	Also                 []string // what else it is, in words
	Used                 time.Time
}

func (v *visit) clientRow(c client.Client) clientRow {
	words := v.t.Admin.Clients
	row := clientRow{ID: c.ID, Name: c.Name, Path: clientPath(c.ID), Kind: words.Kinds[appKind(&c)], Off: !c.DisabledAt.IsZero(), Used: c.UsedAt}
	if row.Name == "" {
		row.Name = c.ID
	}
	if administers(c.Scopes()) {
		row.Also = append(row.Also, words.Administers)
	}
	switch {
	case c.Document():
		row.Also = append(row.Also, words.Document)
	case c.Unvouched:
		row.Also = append(row.Also, words.Itself)
	}
	return row
}

// administers tells whether a scope gives power over the server.
func administers(scopes []string) bool { return slices.ContainsFunc(scopes, crowning) }

func crowning(scope string) bool {
	return scope == client.ScopeAdminRead || scope == client.ScopeAdminWrite || scope == client.ScopeSCIM
}

// clientList is the page of all apps.
type clientList struct {
	Clients []clientRow
	Next    string // the address of the page after; empty: there is none
	Later   bool   // there is a page before
	Find    string
}

// GET /admin/clients, by their ids; ?id= goes to one, or to those after it.
func (v *visit) clients() error {
	if id := strings.TrimSpace(v.asked("id")); id != "" {
		_, err := v.Admin.Client(v.r.Context(), v.actor, id)
		if err == nil {
			v.Guard.See(v.w, v.r, clientPath(id))
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	after := v.asked("after")
	found, err := v.Admin.ListClients(v.r.Context(), v.actor, after, pageSize)
	if err != nil {
		return err
	}
	page := clientList{Later: after != "", Next: next("/admin/clients", found.Next), Find: v.asked("id")}
	for _, c := range found.Items {
		page.Clients = append(page.Clients, v.clientRow(c))
	}
	return v.show("clients", page)
}

// next is the address of the page of a list after a cursor.
func next(path, cursor string) string {
	if cursor == "" {
		return ""
	}
	return withParameter(path, "after", cursor)
}

// clientPage is the page of one app.
type clientPage struct {
	clientRow
	Facts    []clientFact
	Secrets  []secretRow
	NoSecret string // in words: why it has none
	Metadata string
	Grants   grantList
	Consents consentList
	Snippets snippetList
	Secret   bool // it has one
	Made     time.Time
}

// clientFact is a member of the metadata in words. Several values are a list.
type clientFact struct {
	Name   string
	Values []string
	Code   bool // they are no words
}

type secretRow struct{ Made, Until time.Time }

// GET /admin/clients/{id}
func (v *visit) client() error {
	id, err := v.clientID()
	if err != nil {
		return err
	}
	c, err := v.Admin.Client(v.r.Context(), v.actor, id)
	if err != nil {
		return err
	}
	page := clientPage{clientRow: v.clientRow(c), Facts: v.clientFacts(c), Made: c.CreatedAt, Secret: c.HasSecret()}
	switch {
	case c.Public():
		page.NoSecret = v.t.Admin.Clients.NoSecret
	case !c.HasSecret():
		page.NoSecret = v.t.Admin.Clients.OwnKeys
	}
	secrets, err := v.Admin.ClientSecrets(v.r.Context(), v.actor, id)
	if err != nil {
		return err
	}
	for _, one := range secrets {
		page.Secrets = append(page.Secrets, secretRow{one.CreatedAt, one.ExpiresAt})
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	page.Metadata = string(text)
	if page.Grants, err = v.grantsTo(id, "", 10); err != nil {
		return err
	}
	if page.Consents, err = v.consentsTo(id, "", 10); err != nil {
		return err
	}
	if page.Snippets, err = v.snippets(c, ""); err != nil {
		return err
	}
	return v.show("client", page)
}

// shownMembers are the members that have words, in the order of the page.
var shownMembers = []string{"client_id", "grant_types", "token_endpoint_auth_method", "redirect_uris", "post_logout_redirect_uris", "scope", "audiences",
	"token_exchange_audiences", "trusted", "require_pkce", "dpop_bound_access_tokens", "profile", "subject_type", "logo_uri", "client_uri", "policy_uri", "tos_uri",
	"contacts", "backchannel_logout_uri"}

func (v *visit) clientFacts(c client.Client) (facts []clientFact) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		return nil
	}
	yes := map[bool]string{true: v.t.Admin.Frame.Yes, false: v.t.Admin.Frame.No}
	for _, name := range shownMembers {
		fact := clientFact{Name: v.t.Admin.Clients.Facts[name], Code: true}
		switch value := members[name].(type) {
		case string:
			if fact.Values = []string{value}; name == "scope" {
				fact.Values = strings.Fields(value)
			}
		case []any:
			for _, one := range value {
				text, _ := one.(string)
				fact.Values = append(fact.Values, text)
			}
		case bool:
			fact.Values, fact.Code = []string{yes[value]}, false
		}
		if name == "trusted" && c.ForPeople() {
			fact.Values, fact.Code = []string{yes[!c.Trusted]}, false
		}
		if len(fact.Values) > 0 {
			facts = append(facts, fact)
		}
	}
	return facts
}

// snippetList is the programs for an app.
type snippetList struct {
	Snippets []snippets.Snippet
	NoSecret bool // they need a secret, and the commands do not have it
}

// snippets are the programs for an app. The commands that run them have the secret, if it is given.
func (v *visit) snippets(c client.Client, secret string) (list snippetList, err error) {
	list.NoSecret = c.HasSecret() && secret == ""
	list.Snippets, err = snippets.Of(snippets.App{Issuer: v.Admin.Issuer.String(), Client: c, Secret: secret})
	return list, err
}

// grantList is a page of the grants to an app.
type grantList struct {
	Grants []grantOfApp
	Path   string // of the app's page
	Next   string
	Later  bool
}

type grantOfApp struct {
	ID, UserID, EndPath          string
	Scope                        string
	Offline, Over                bool
	Since, Used, Expires, EndsAt time.Time
}

func (v *visit) grantsTo(id, after string, limit int) (list grantList, err error) {
	found, err := v.Admin.GrantsTo(v.r.Context(), v.actor, id, after, limit)
	path := clientPath(id)
	list = grantList{Path: path, Next: next(path+"/grants", found.Next), Later: after != ""}
	for _, g := range found.Items {
		over := !g.RevokedAt.IsZero() || !g.ExpiresAt.After(v.Now())
		list.Grants = append(list.Grants, grantOfApp{ID: g.ID, UserID: g.UserID, EndPath: path + "/grants/" + url.PathEscape(g.ID), Scope: strings.Join(g.Scope, " "),
			Offline: g.Offline, Over: over, Since: g.CreatedAt, Used: g.UsedAt, Expires: g.ExpiresAt})
	}
	return list, err
}

// GET /admin/clients/{id}/grants
func (v *visit) clientGrants() error {
	id, err := v.clientID()
	if err != nil {
		return err
	}
	list, err := v.grantsTo(id, v.asked("after"), pageSize)
	if err != nil {
		return err
	}
	return v.show("client_grants", list)
}

// consentList is a page of who allowed an app what.
type consentList struct {
	Consents []consentRow
	Path     string
	Next     string
	Later    bool
}

type consentRow struct {
	UserID, Scope string
	Since         time.Time
}

func (v *visit) consentsTo(id, after string, limit int) (list consentList, err error) {
	found, err := v.Admin.ConsentsTo(v.r.Context(), v.actor, id, after, limit)
	list = consentList{Path: clientPath(id), Next: next(clientPath(id)+"/consents", found.Next), Later: after != ""}
	for _, c := range found.Items {
		list.Consents = append(list.Consents, consentRow{c.UserID, strings.Join(c.Scope, " "), c.UpdatedAt})
	}
	return list, err
}

// GET /admin/clients/{id}/consents
func (v *visit) clientConsents() error {
	id, err := v.clientID()
	if err != nil {
		return err
	}
	list, err := v.consentsTo(id, v.asked("after"), pageSize)
	if err != nil {
		return err
	}
	return v.show("client_consents", list)
}

// onceShown is what is shown when it is made, and never again.
type onceShown struct {
	Title    string
	Intro    []string
	Label    string // of the secret
	Secret   string
	Back     string
	Facts    []clientFact
	Snippets *snippetList
}

// once shows what is never shown again: no link on the page leads to it, and no cache keeps it.
func once(content onceShown) (outcome, error) {
	return outcome{page: &pages.AdminPage{Name: "issued", Content: content, Once: true}}, nil
}

// issued shows a new secret of an app. Nothing keeps the page: not the browser's cache, and not this
// server's address or log.
func (v *visit) issued(made directory.Issued, title string, intro ...string) (outcome, error) {
	list, err := v.snippets(made.Client, made.Secret)
	if err != nil {
		return outcome{}, err
	}
	return once(onceShown{
		Title: title, Intro: intro, Label: v.t.Admin.Clients.Secret, Secret: made.Secret, Back: clientPath(made.ID), Snippets: &list,
		Facts: []clientFact{{v.t.Admin.Clients.ID, []string{made.ID}, true}},
	})
}

// clientError puts what the directory finds wrong with metadata into words.
func clientError(err error) (field string, problem messages.Problem, detail string, ok bool) {
	var wrong *client.Error
	if !errors.As(err, &wrong) {
		return "", "", "", false
	}
	field, problem, detail = wrong.Field, messages.AdminValue, wrong.Error()
	if field == "client_name" {
		return field, messages.AdminNameInvalid, "", true
	}
	if field == "redirect_uris" || field == "post_logout_redirect_uris" {
		for _, one := range uriProblems {
			if strings.Contains(wrong.Description, one.says) {
				return field, one.problem, detail, true
			}
		}
	}
	return field, problem, detail, true
}

// uriProblems are the words for what package client says of an address, by a part of that.
// TestEachWrongAddressIsSaidInWords holds them together.
var uriProblems = []struct {
	says    string
	problem messages.Problem
}{
	{"must hold at least one URI", messages.AdminURIMissing},
	{"may hold at most", messages.AdminURIMany},
	{"is there twice", messages.AdminURITwice},
	{"bytes long", messages.AdminURILong},
	{"must have only the characters of a URI", messages.AdminURICharacter},
	{"hexadecimal digits", messages.AdminURICharacter},
	{"must not have a fragment", messages.AdminURIFragment},
	{"must not have a wildcard", messages.AdminURIWildcard},
	{"must be absolute", messages.AdminURIAbsolute},
	{"must begin with https://", messages.AdminURIScheme},
	{"must have a dot in its scheme", messages.AdminURIScheme},
	{"must have a slash after the scheme", messages.AdminURIScheme},
	{"has an app's own scheme", messages.AdminURIPrivate},
	{"must not have a user name", messages.AdminURIUser},
	{"must have a port", messages.AdminURIPort},
	{"must name a host", messages.AdminURIHost},
	{"must be https", messages.AdminURIHTTPS},
	{"must not have . or ..", messages.AdminURIDots},
}

// metadataError puts err into words, if it is about the metadata of an app.
func (v *visit) metadataError(err error) error {
	field, problem, detail, ok := clientError(err)
	if !ok {
		return err
	}
	return &inWords{field, problem, detail}
}

// inWords is an error of a form that was put into words, with what it says in English.
type inWords struct {
	field   string
	problem messages.Problem
	detail  string
}

func (e *inWords) Error() string { return e.detail }

// lines are those of an input, without blank ones.
func lines(text string) []string {
	all := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}
