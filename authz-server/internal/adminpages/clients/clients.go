// Package clients has the pages about apps: their list, each with what can be done to it, and the
// steps by which one is made.
package clients

import (
	"embed"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/clients/snippets"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

//go:embed templates/*.html
var templates embed.FS

// Room is the pages about apps.
var Room = frame.Room{Templates: templates, Routes: routes}

func routes(r *frame.Routes) {
	r.View("/admin/clients", showClients)
	wizardRoutes(r)
	r.View("/admin/clients/{id}", showClient)
	r.View("/admin/clients/{id}/grants", showClientGrants)
	r.View("/admin/clients/{id}/consents", showClientConsents)
	for _, d := range clientDeeds {
		r.Change(d)
	}
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

func clientRowOf(v *frame.Visit, c client.Client) clientRow {
	words := v.T.Admin.Clients
	row := clientRow{ID: c.ID, Name: c.Name, Path: frame.ClientPath(c.ID), Kind: words.Kinds[appKind(&c)],
		Off: !c.DisabledAt.IsZero(), Used: c.UsedAt}
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
func showClients(v *frame.Visit) error {
	if id := strings.TrimSpace(v.Asked("id")); id != "" {
		_, err := v.Admin.Client(v.R.Context(), v.Actor, id)
		if err == nil {
			v.See(frame.ClientPath(id))
			return nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	after := v.Asked("after")
	found, err := v.Admin.ListClients(v.R.Context(), v.Actor, after, frame.PageSize)
	if err != nil {
		return err
	}
	page := clientList{Later: after != "", Next: frame.NextPage("/admin/clients", found.Next), Find: v.Asked("id")}
	for _, c := range found.Items {
		page.Clients = append(page.Clients, clientRowOf(v, c))
	}
	return v.Show("clients", page)
}

// clientPage is the page of one app.
type clientPage struct {
	clientRow
	Facts    []frame.Member
	Secrets  []secretRow
	NoSecret string // in words: why it has none
	Metadata string
	Grants   grantList
	Consents consentList
	Snippets snippetList
	Secret   bool // it has one
	Managed  bool // it manages its own registration, if it has the token
	Made     time.Time
}

type secretRow struct{ Made, Until time.Time }

// GET /admin/clients/{id}
func showClient(v *frame.Visit) error {
	id, err := v.ClientID()
	if err != nil {
		return err
	}
	c, err := v.Admin.Client(v.R.Context(), v.Actor, id)
	if err != nil {
		return err
	}
	page := clientPage{clientRow: clientRowOf(v, c), Facts: clientFacts(v, c), Made: c.CreatedAt, Secret: c.HasSecret()}
	switch {
	case c.Public():
		page.NoSecret = v.T.Admin.Clients.NoSecret
	case !c.HasSecret():
		page.NoSecret = v.T.Admin.Clients.OwnKeys
	}
	if page.Managed, err = v.Admin.ManagesItself(v.R.Context(), v.Actor, id); err != nil {
		return err
	}
	page.Managed = page.Managed && !v.Admin.AdministrativeClient(c)
	secrets, err := v.Admin.ClientSecrets(v.R.Context(), v.Actor, id)
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
	if page.Grants, err = grantsTo(v, id, "", 10); err != nil {
		return err
	}
	if page.Consents, err = consentsTo(v, id, "", 10); err != nil {
		return err
	}
	if page.Snippets, err = snippetsOf(v, c, ""); err != nil {
		return err
	}
	return v.Show("client", page)
}

// shownMembers are the members that have words, in the order of the page.
var shownMembers = []string{"client_id", "grant_types", "token_endpoint_auth_method", "redirect_uris",
	"post_logout_redirect_uris", "scope", "audiences",
	"token_exchange_audiences", "trusted", "require_pkce", "dpop_bound_access_tokens", "profile", "subject_type",
	"logo_uri", "client_uri", "policy_uri", "tos_uri",
	"contacts", "backchannel_logout_uri"}

func clientFacts(v *frame.Visit, c client.Client) (facts []frame.Member) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil
	}
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		return nil
	}
	for _, name := range shownMembers {
		fact := frame.Member{Name: v.T.Admin.Clients.Facts[name], Code: true}
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
			fact.Values, fact.Code = []string{v.YesNo(value)}, false
		}
		if name == "trusted" && c.ForPeople() {
			fact.Values, fact.Code = []string{v.YesNo(!c.Trusted)}, false
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
func snippetsOf(v *frame.Visit, c client.Client, secret string) (list snippetList, err error) {
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
	ID, UserID, Email, EndPath   string // the address is empty where the account is gone
	Scope                        string
	Offline, Over                bool
	Since, Used, Expires, EndsAt time.Time
}

func grantsTo(v *frame.Visit, id, after string, limit int) (list grantList, err error) {
	found, err := v.Admin.GrantsTo(v.R.Context(), v.Actor, id, after, limit)
	path := frame.ClientPath(id)
	list = grantList{Path: path, Next: frame.NextPage(path+"/grants", found.Next), Later: after != ""}
	if err != nil {
		return list, err
	}
	var people []string
	for _, g := range found.Items {
		people = append(people, g.UserID)
	}
	addresses, err := v.Admin.Addresses(v.R.Context(), v.Actor, people)
	for _, g := range found.Items {
		over := !g.RevokedAt.IsZero() || !g.ExpiresAt.After(v.Now())
		list.Grants = append(list.Grants, grantOfApp{ID: g.ID, UserID: g.UserID, Email: addresses[g.UserID],
			EndPath: path + "/grants/" + url.PathEscape(g.ID), Scope: strings.Join(g.Scope, " "),
			Offline: g.Offline, Over: over, Since: g.CreatedAt, Used: g.UsedAt, Expires: g.ExpiresAt})
	}
	return list, err
}

// GET /admin/clients/{id}/grants
func showClientGrants(v *frame.Visit) error {
	id, err := v.ClientID()
	if err != nil {
		return err
	}
	list, err := grantsTo(v, id, v.Asked("after"), frame.PageSize)
	if err != nil {
		return err
	}
	return v.Show("client_grants", list)
}

// consentList is a page of who allowed an app what.
type consentList struct {
	Consents []consentRow
	Path     string
	Next     string
	Later    bool
}

type consentRow struct {
	UserID, Email, Scope string // the address is empty where the account is gone
	Since                time.Time
}

func consentsTo(v *frame.Visit, id, after string, limit int) (list consentList, err error) {
	found, err := v.Admin.ConsentsTo(v.R.Context(), v.Actor, id, after, limit)
	list = consentList{Path: frame.ClientPath(id), Next: frame.NextPage(frame.ClientPath(id)+"/consents", found.Next),
		Later: after != ""}
	if err != nil {
		return list, err
	}
	var people []string
	for _, c := range found.Items {
		people = append(people, c.UserID)
	}
	addresses, err := v.Admin.Addresses(v.R.Context(), v.Actor, people)
	for _, c := range found.Items {
		list.Consents = append(list.Consents, consentRow{c.UserID, addresses[c.UserID], strings.Join(c.Scope, " "), c.UpdatedAt})
	}
	return list, err
}

// GET /admin/clients/{id}/consents
func showClientConsents(v *frame.Visit) error {
	id, err := v.ClientID()
	if err != nil {
		return err
	}
	list, err := consentsTo(v, id, v.Asked("after"), frame.PageSize)
	if err != nil {
		return err
	}
	return v.Show("client_consents", list)
}

// clientIssued shows a new secret of an app once, with the programs that use it.
type clientIssued struct {
	frame.Issued
	Snippets snippetList
}

// issued shows a new secret of an app. Nothing keeps the page: not the browser's cache, and not this
// server's address or log.
func issued(v *frame.Visit, made directory.Issued, title string, intro ...string) (frame.Outcome, error) {
	list, err := snippetsOf(v, made.Client, made.Secret)
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.ShownOnce("client_issued", clientIssued{frame.Issued{
		Title: title, Intro: intro, Label: v.T.Admin.Clients.Secret, Secret: made.Secret, Back: frame.ClientPath(made.ID),
		Facts: []frame.Member{{Name: v.T.Admin.Clients.ID, Values: []string{made.ID}, Code: true}},
	}, list})
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
func metadataError(err error) error {
	field, problem, detail, ok := clientError(err)
	if !ok {
		return err
	}
	return &frame.InWords{Field: field, Problem: problem, Detail: detail}
}
