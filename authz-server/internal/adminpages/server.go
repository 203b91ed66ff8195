package adminpages

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

func (a *Administration) serverRoutes(r *mux.Router) {
	a.view(r, "/admin/keys", (*visit).keys)
	a.view(r, "/admin/queues", (*visit).queues)
	a.view(r, "/admin/throttles", (*visit).throttles)
	a.view(r, "/admin/tokens", (*visit).tokens)
	a.view(r, "/admin/settings", (*visit).settings)
	a.view(r, "/admin/upstreams", (*visit).upstreams)
	for _, d := range serverDeeds {
		a.change(r, d)
	}
}

// serverDeeds are the changes of the server itself.
var serverDeeds = []deed{
	{path: "/admin/keys/rotate", form: (*visit).rotateKeysForm, do: (*visit).rotateKeys, problems: []translation{
		{is: keys.ErrPending, problem: messages.AdminKeyPending}}},
	{path: "/admin/keys/{kid}/withdraw", form: (*visit).withdrawKeyForm, do: (*visit).withdrawKey, problems: []translation{
		{is: keys.ErrUnknown, problem: messages.AdminKeyUnknown}}},
	{path: "/admin/queues/{kind}/retry-all", form: (*visit).retryAllForm, do: (*visit).retryAll},
	{path: "/admin/queues/{kind}/{id}/retry", form: (*visit).retryForm, do: (*visit).retry},
	{path: "/admin/queues/{kind}/{id}/drop", form: (*visit).dropForm, do: (*visit).drop},
	{path: "/admin/throttles/lift", form: (*visit).liftForm, do: (*visit).lift, problems: []translation{
		{of: "address", field: "address", problem: messages.AdminAddressWrong}}},
	{path: "/admin/tokens/new", form: (*visit).newTokenForm, do: (*visit).newToken, problems: []translation{
		{of: "uses", field: "uses", problem: messages.AdminUsesWrong}, {of: "note", field: "note", problem: messages.AdminNoteLong}}},
	{path: "/admin/tokens/{id}/withdraw", form: (*visit).withdrawTokenForm, do: (*visit).withdrawToken},
}

// GET /admin/keys
func (v *visit) keys() error {
	words := v.t.Admin.Server.Keys
	all, err := v.Admin.Keys(v.r.Context(), v.actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Key, words.Alg, words.State, words.Age, words.Until, ""}, Empty: words.None}
	for _, one := range all {
		state := cell{Text: words.States[one.State], Tag: map[string]string{"current": "good", "withdrawn": "bad"}[one.State], Under: one.Reason}
		if state.Tag == "" {
			state.Tag = "quiet"
		}
		if state.Under != "" { // a tag has nothing below it
			state.Text, state.Tag = words.States[one.State], ""
		}
		none := words.Never
		if one.State == "current" {
			none = words.Unset
		}
		row := []cell{{Text: one.KID, Code: true}, {Text: one.Alg, Code: true}, state, moment(one.Since, words.Never), moment(one.Until, none), {}}
		if one.State != "withdrawn" {
			row[5].Links = []action{{Path: "/admin/keys/" + url.PathEscape(one.KID) + "/withdraw", Label: words.Withdraw, About: one.KID}}
		}
		t.Rows = append(t.Rows, row)
	}
	return v.tables(http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t},
		Buttons: []action{{Path: "/admin/keys/rotate", Label: words.Rotate, ID: "rotate", Main: true}}})
}

func (v *visit) rotateKeysForm() (form, error) {
	words := v.t.Admin.Server.Keys
	all, err := v.Admin.Keys(v.r.Context(), v.actor)
	alg := input{Kind: "select", Name: "alg", Label: words.WhichAlg, Needed: true, Options: []choice{{Label: words.AllAlgs}}}
	for _, one := range all {
		if one.Alg != "" && !slices.ContainsFunc(alg.Options, func(c choice) bool { return c.Value == one.Alg }) {
			alg.Options = append(alg.Options, choice{Value: one.Alg, Label: one.Alg, Chosen: v.value("alg", "") == one.Alg})
		}
	}
	return form{Title: words.RotateTitle, Intro: []string{words.RotateIntro}, Button: words.Rotate, Back: "/admin/keys", Inputs: []input{
		alg, {Kind: "check", Name: "now", Label: words.AtOnce, Hint: words.AtOnceHint, Ticked: v.ticked("now", false)}, v.reasonInput(false),
	}}, err
}

func (v *visit) rotateKeys() (outcome, error) {
	var algs []string
	if alg := v.typed.Get("alg"); alg != "" {
		all, err := v.Admin.Keys(v.r.Context(), v.actor)
		if err != nil {
			return outcome{}, err
		}
		if !slices.ContainsFunc(all, func(k keys.State) bool { return k.Alg == alg }) {
			return outcome{}, guard.FormError{"alg": messages.AdminValue}
		}
		algs = []string{alg}
	}
	if err := v.Admin.RotateKeys(v.r.Context(), v.actor, v.typed.Has("now"), algs, v.typed.Get("reason")); err != nil {
		return outcome{}, err
	}
	return done("/admin/keys", "keys_rotated")
}

// theKey is the key that the address names.
func (v *visit) theKey() (keys.State, error) {
	all, err := v.Admin.Keys(v.r.Context(), v.actor)
	if err != nil {
		return keys.State{}, err
	}
	for _, one := range all {
		if one.KID == v.in("kid") {
			return one, nil
		}
	}
	return keys.State{}, store.ErrNotFound
}

func (v *visit) withdrawKeyForm() (form, error) {
	words := v.t.Admin.Server.Keys
	key, err := v.theKey()
	return form{
		Title: words.WithdrawTitle, Subject: key.KID, Intro: []string{words.WithdrawTells, words.WithdrawPeople, words.WithdrawAll},
		Facts:  []fact{{words.Alg, key.Alg}, {words.State, words.States[key.State]}},
		Button: words.Withdraw, Danger: true, Back: "/admin/keys", Inputs: []input{v.reasonInput(true)},
	}, err
}

func (v *visit) withdrawKey() (outcome, error) {
	reason, err := v.reason(true)
	if err == nil {
		err = v.Admin.WithdrawKeys(v.r.Context(), v.actor, keys.Withdrawal{KIDs: []string{v.in("kid")}, Reason: reason})
	}
	if err != nil {
		return outcome{}, err
	}
	return done("/admin/keys", "key_withdrawn")
}

// GET /admin/queues?kind=mail|logout
func (v *visit) queues() error {
	words, kind := v.t.Admin.Server.Queues, v.asked("kind")
	if !slices.Contains(admin.QueueKinds, kind) {
		kind = admin.MailQueue
	}
	found, err := v.Admin.Deliveries(v.r.Context(), v.actor, kind, v.asked("after"), pageSize)
	if err != nil {
		return err
	}
	here := "/admin/queues?kind=" + kind
	page := tablePage{Title: words.Title, Intro: []string{words.Intro}}
	for _, one := range admin.QueueKinds {
		page.Switch = append(page.Switch, action{Path: "/admin/queues?kind=" + one, Label: words.Kinds[one], Current: one == kind})
	}
	page.Switch = append(page.Switch, action{Path: "/admin/streams", Label: words.Events})
	t := table{Columns: []string{words.To, words.What, words.Tries, words.Waits, words.Error, ""}, Empty: words.None, Next: next(here, found.Next), Later: v.asked("after") != ""}
	for _, d := range found.Items {
		to, what := cell{Text: d.To, Under: d.ID}, cell{Text: d.Letter, Code: true}
		if kind == admin.LogoutQueue {
			to = cell{Text: d.ClientID, Path: clientPath(d.ClientID), Under: d.ID}
			what = cell{Text: d.SessionID, Code: true}
		}
		due := cell{At: d.DueAt}
		if !d.GivenUpAt.IsZero() {
			due = cell{Text: words.GivenUp, Tag: "bad"}
		}
		at := "/admin/queues/" + kind + "/" + url.PathEscape(d.ID)
		t.Rows = append(t.Rows, []cell{to, what, {Text: number(d.Attempts)}, due, {Text: d.Error, Code: true}, {Links: []action{
			{Path: at + "/retry", Label: words.Retry, About: d.ID}, {Path: at + "/drop", Label: words.Drop, About: d.ID},
		}}})
	}
	if len(t.Rows) > 0 {
		t.Buttons = []action{{Path: "/admin/queues/" + kind + "/retry-all", Label: words.RetryAll, ID: "retry-all"}}
	}
	page.Tables = []table{t}
	return v.tables(http.StatusOK, page)
}

// queueForm is the page of a change of a queue. It does not look for what it is about: the deed does.
func (v *visit) queueForm(title, intro, button string, danger bool) (form, error) {
	kind := v.in("kind")
	if !slices.Contains(admin.QueueKinds, kind) {
		return form{}, store.ErrNotFound
	}
	return form{Title: title, Subject: v.in("id"), Intro: []string{intro}, Button: button, Danger: danger, Back: "/admin/queues?kind=" + kind,
		Facts: []fact{{v.t.Admin.Server.Queues.Title, v.t.Admin.Server.Queues.Kinds[kind]}}, Inputs: []input{v.reasonInput(false)}}, nil
}

func (v *visit) queueDone(word string, err error) (outcome, error) {
	if err != nil {
		return outcome{}, err
	}
	return done("/admin/queues?kind="+v.in("kind"), word)
}

func (v *visit) retryForm() (form, error) {
	words := v.t.Admin.Server.Queues
	return v.queueForm(words.RetryTitle, words.RetryIntro, words.Retry, false)
}

func (v *visit) retry() (outcome, error) {
	return v.queueDone("retried", v.Admin.RetryDelivery(v.r.Context(), v.actor, v.in("kind"), v.in("id"), v.typed.Get("reason")))
}

func (v *visit) dropForm() (form, error) {
	words := v.t.Admin.Server.Queues
	return v.queueForm(words.DropTitle, words.DropIntro, words.Drop, true)
}

func (v *visit) drop() (outcome, error) {
	return v.queueDone("dropped", v.Admin.DropDelivery(v.r.Context(), v.actor, v.in("kind"), v.in("id"), v.typed.Get("reason")))
}

func (v *visit) retryAllForm() (form, error) {
	words := v.t.Admin.Server.Queues
	return v.queueForm(words.RetryAllTitle, words.RetryAllIntro, words.RetryAll, false)
}

func (v *visit) retryAll() (outcome, error) {
	_, err := v.Admin.RetryAll(v.r.Context(), v.actor, v.in("kind"), v.typed.Get("reason"))
	return v.queueDone("retried", err)
}

// GET /admin/throttles?address=
func (v *visit) throttles() error {
	words, address := v.t.Admin.Server.Throttles, strings.TrimSpace(v.asked("address"))
	page := tablePage{Title: words.Title, Intro: []string{words.Intro}, Search: &search{Name: "address", Label: words.Address, Value: address, Hint: words.AddressHint}}
	columns, status := []string{words.What, words.Under, words.Count, words.Last}, http.StatusOK
	rows := func(all []admin.Throttled) (rows [][]cell) {
		for _, one := range all {
			last := one.Last
			if last.IsZero() {
				last = one.Until
			}
			rows = append(rows, []cell{{Text: words.Whats[one.What]}, {Text: one.Of, Code: true}, {Text: number(one.Count)}, moment(last, "")})
		}
		return rows
	}
	if address != "" {
		held, err := v.Admin.HeldBack(v.r.Context(), v.actor, address)
		if wrong, ok := v.refusal(err, nil); ok && wrong.status == http.StatusUnprocessableEntity {
			page.Search.Problem, status = v.t.Problem(messages.AdminAddressWrong, 0), wrong.status
		} else if err != nil {
			return err
		} else {
			t := table{Heading: words.Of(address), ID: "held-back", Columns: columns, Rows: rows(held), Empty: words.Nothing}
			if len(held) > 0 {
				t.Buttons = []action{{Path: "/admin/throttles/lift?" + url.Values{"address": {address}}.Encode(), Label: words.Lift, ID: "lift"}}
			}
			page.Tables = append(page.Tables, t)
		}
	}
	failures, err := v.Admin.LatestFailures(v.r.Context(), v.actor)
	if err != nil {
		return err
	}
	page.Tables = append(page.Tables, table{Heading: words.Failures, ID: "failures", Columns: columns, Rows: rows(failures), Empty: words.NoFailures})
	return v.tables(status, page)
}

func (v *visit) liftForm() (form, error) {
	words := v.t.Admin.Server.Throttles
	return form{Title: words.LiftTitle, Intro: []string{words.LiftIntro}, Button: words.Lift, Back: "/admin/throttles", Inputs: []input{
		{Kind: "text", Name: "address", Label: words.Address, Hint: words.AddressHint, Value: v.value("address", v.asked("address")), Needed: true, Inexact: true},
		v.reasonInput(false),
	}}, nil
}

func (v *visit) lift() (outcome, error) {
	if _, err := v.Admin.UnlockAddress(v.r.Context(), v.actor, strings.TrimSpace(v.typed.Get("address")), v.typed.Get("reason")); err != nil {
		return outcome{}, err
	}
	return done("/admin/throttles", "lifted")
}

// GET /admin/tokens
func (v *visit) tokens() error {
	words := v.t.Admin.Server.Tokens
	found, err := v.Admin.InitialTokens(v.r.Context(), v.actor, v.asked("after"), pageSize)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Note, words.Left, words.Made, words.Ends, ""}, Empty: words.None, Next: next("/admin/tokens", found.Next), Later: v.asked("after") != ""}
	for _, one := range found.Items {
		t.Rows = append(t.Rows, []cell{{Text: one.Note, Under: one.ID}, {Text: number(one.UsesLeft)}, moment(one.CreatedAt, ""), moment(one.ExpiresAt, ""),
			{Links: []action{{Path: "/admin/tokens/" + url.PathEscape(one.ID) + "/withdraw", Label: words.Withdraw, About: one.ID}}}})
	}
	return v.tables(http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t},
		Buttons: []action{{Path: "/admin/tokens/new", Label: words.New, ID: "new", Main: true}}})
}

// tokenLifetimes are for how long something that is handed out works.
var tokenLifetimes = []string{"1h", "24h", "168h", "720h", "8760h"}

func (v *visit) lifetimeInput(label, first string) input {
	in := input{Kind: "select", Name: "expires_in", Label: label, Needed: true}
	for _, one := range tokenLifetimes {
		in.Options = append(in.Options, choice{Value: one, Label: v.t.Admin.Server.Tokens.Lifetimes[one], Chosen: one == v.value("expires_in", first)})
	}
	return in
}

// lifetime is what was chosen of tokenLifetimes.
func (v *visit) lifetime() (time.Duration, error) {
	d, err := time.ParseDuration(v.typed.Get("expires_in"))
	if err != nil {
		return 0, guard.FormError{"expires_in": messages.AdminValue}
	}
	return d, nil
}

func (v *visit) newTokenForm() (form, error) {
	words := v.t.Admin.Server.Tokens
	return form{Title: words.NewTitle, Intro: []string{words.NewIntro}, Button: words.Create, Back: "/admin/tokens", Inputs: []input{
		{Kind: "text", Name: "note", Label: words.Note, Hint: words.NoteHint, Value: v.value("note", "")},
		{Kind: "number", Name: "uses", Label: words.Uses, Hint: words.UsesHint, Value: v.value("uses", "1"), Needed: true},
		v.lifetimeInput(words.Lifetime, "24h"), v.reasonInput(false),
	}}, nil
}

func (v *visit) newToken() (outcome, error) {
	words := v.t.Admin.Server.Tokens
	lifetime, err := v.lifetime()
	if err != nil {
		return outcome{}, err
	}
	uses, err := strconv.ParseInt(v.typed.Get("uses"), 10, 64)
	if err != nil {
		return outcome{}, guard.FormError{"uses": messages.AdminUsesWrong}
	}
	token, _, err := v.Admin.CreateInitialToken(v.r.Context(), v.actor, directory.InitialToken{Uses: uses, Lifetime: lifetime, Note: v.typed.Get("note")}, v.typed.Get("reason"))
	if err != nil {
		return outcome{}, err
	}
	return once(onceShown{Title: words.MadeTitle, Intro: []string{words.MadeIntro}, Label: words.Token, Secret: token, Back: "/admin/tokens"})
}

func (v *visit) withdrawTokenForm() (form, error) {
	words := v.t.Admin.Server.Tokens
	return form{Title: words.WithdrawTitle, Subject: v.in("id"), Intro: []string{words.WithdrawIntro}, Button: words.Withdraw, Danger: true, Back: "/admin/tokens",
		Inputs: []input{v.reasonInput(false)}}, nil
}

func (v *visit) withdrawToken() (outcome, error) {
	if err := v.Admin.WithdrawInitialToken(v.r.Context(), v.actor, v.in("id"), v.typed.Get("reason")); err != nil {
		return outcome{}, err
	}
	return done("/admin/tokens", "token_withdrawn")
}

// GET /admin/settings
func (v *visit) settings() error {
	words := v.t.Admin.Server.Settings
	all, err := v.Admin.SettingsInForce(v.r.Context(), v.actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Name, words.Value}}
	for _, one := range all {
		value := cell{Text: one.Value, Code: true}
		switch {
		case one.Hidden && one.Set:
			value = cell{Text: words.Hidden}
		case !one.Set && one.Value == "":
			value = cell{Text: words.Unset}
		}
		t.Rows = append(t.Rows, []cell{{Text: one.Name, Code: true}, value})
	}
	return v.tables(http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t}})
}

// GET /admin/upstreams
func (v *visit) upstreams() error {
	words := v.t.Admin.Server.Upstreams
	found, err := v.Admin.ListUpstreams(v.r.Context(), v.actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Name, words.Provider, words.State, words.Redirect}, Empty: words.None}
	for _, one := range found.Items {
		state := cell{Text: words.On, Tag: "good"}
		if one.Disabled {
			state = cell{Text: words.Off, Tag: "bad"}
		}
		t.Rows = append(t.Rows, []cell{{Text: one.Name, Code: true, Under: one.Title}, {Text: one.Issuer, Code: true, Under: one.Preset}, state, {Text: one.RedirectURI, Code: true}})
	}
	return v.tables(http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t}})
}
