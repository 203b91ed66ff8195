package server

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/directory"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func tokenRoutes(r *frame.Routes) {
	r.View("/admin/tokens", showTokens)
	r.Change(frame.Deed{Path: "/admin/tokens/new", Form: newTokenForm, Do: newToken, Problems: []frame.Translation{
		{Of: "uses", Field: "uses", Problem: messages.AdminUsesWrong},
		{Of: "note", Field: "note", Problem: messages.AdminNoteLong},
	}})
	r.Change(frame.Deed{Path: "/admin/tokens/{id}/withdraw", Form: withdrawTokenForm, Do: withdrawToken})
}

// GET /admin/tokens
func showTokens(v *frame.Visit) error {
	words := v.T.Admin.Server.Tokens
	found, err := v.Admin.InitialTokens(v.R.Context(), v.Actor, v.Asked("after"), frame.PageSize)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Note, words.Left, words.Made, words.Ends, ""}, Empty: words.None,
		Next: frame.NextPage("/admin/tokens", found.Next), Later: v.Asked("after") != ""}
	for _, one := range found.Items {
		t.Rows = append(t.Rows, []cell{{Text: one.Note, Under: one.ID}, {Text: number(one.UsesLeft)},
			moment(one.CreatedAt, ""), moment(one.ExpiresAt, ""),
			{Links: []action{{Path: "/admin/tokens/" + url.PathEscape(one.ID) + "/withdraw", Label: words.Withdraw,
				About: one.ID}}}})
	}
	return tables(v, http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t},
		Buttons: []action{{Path: "/admin/tokens/new", Label: words.New, ID: "new", Main: true}}})
}

// tokenLifetimes are for how long something that is handed out works.
var tokenLifetimes = []string{"1h", "24h", "168h", "720h", "8760h"}

func lifetimeInput(v *frame.Visit, label, first string) frame.Input {
	in := frame.Input{Kind: "select", Name: "expires_in", Label: label, Needed: true}
	for _, one := range tokenLifetimes {
		in.Options = append(in.Options, frame.Choice{Value: one, Label: v.T.Admin.Server.Tokens.Lifetimes[one],
			Chosen: one == v.Value("expires_in", first)})
	}
	return in
}

// lifetime is what was chosen of tokenLifetimes.
func lifetime(v *frame.Visit) (time.Duration, error) {
	d, err := time.ParseDuration(v.Typed.Get("expires_in"))
	if err != nil {
		return 0, guard.FormError{"expires_in": messages.AdminValue}
	}
	return d, nil
}

func newTokenForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Tokens
	return frame.Form{Title: words.NewTitle, Intro: []string{words.NewIntro}, Button: words.Create, Back: "/admin/tokens",
		Inputs: []frame.Input{
			{Kind: "text", Name: "note", Label: words.Note, Hint: words.NoteHint, Value: v.Value("note", "")},
			{Kind: "number", Name: "uses", Label: words.Uses, Hint: words.UsesHint, Value: v.Value("uses", "1"), Needed: true},
			lifetimeInput(v, words.Lifetime, "24h"), v.ReasonInput(false),
		}}, nil
}

func newToken(v *frame.Visit) (frame.Outcome, error) {
	words := v.T.Admin.Server.Tokens
	lifetime, err := lifetime(v)
	if err != nil {
		return frame.Outcome{}, err
	}
	uses, err := strconv.ParseInt(v.Typed.Get("uses"), 10, 64)
	if err != nil {
		return frame.Outcome{}, guard.FormError{"uses": messages.AdminUsesWrong}
	}
	token, _, err := v.Admin.CreateInitialToken(v.R.Context(), v.Actor,
		directory.InitialToken{Uses: uses, Lifetime: lifetime, Note: v.Typed.Get("note")}, v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.ShownOnce("issued", frame.Issued{
		Title: words.MadeTitle, Intro: []string{words.MadeIntro}, Label: words.Token, Secret: token, Back: "/admin/tokens",
	})
}

func withdrawTokenForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Tokens
	return frame.Form{Title: words.WithdrawTitle, Subject: v.In("id"), Intro: []string{words.WithdrawIntro},
		Button: words.Withdraw, Danger: true, Back: "/admin/tokens",
		Inputs: []frame.Input{v.ReasonInput(false)}}, nil
}

func withdrawToken(v *frame.Visit) (frame.Outcome, error) {
	if err := v.Admin.WithdrawInitialToken(v.R.Context(), v.Actor, v.In("id"), v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/tokens", "token_withdrawn")
}
