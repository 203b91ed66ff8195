package server

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/keys"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

func keyRoutes(r *frame.Routes) {
	r.View("/admin/keys", showKeys)
	r.Change(frame.Deed{Path: "/admin/keys/rotate", Form: rotateKeysForm, Do: rotateKeys, Problems: []frame.Translation{
		{Is: keys.ErrPending, Problem: messages.AdminKeyPending},
	}})
	r.Change(frame.Deed{Path: "/admin/keys/{kid}/withdraw", Form: withdrawKeyForm, Do: withdrawKey,
		Problems: []frame.Translation{
			{Is: keys.ErrUnknown, Problem: messages.AdminKeyUnknown},
		}})
}

// GET /admin/keys
func showKeys(v *frame.Visit) error {
	words := v.T.Admin.Server.Keys
	all, err := v.Admin.Keys(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Key, words.Alg, words.State, words.Age, words.Until, ""}, Empty: words.None}
	for _, one := range all {
		tags := map[string]string{"current": "good", "withdrawn": "bad"}
		state := cell{Text: words.States[one.State], Tag: tags[one.State], Under: one.Reason}
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
		row := []cell{{Text: one.KID, Code: true}, {Text: one.Alg, Code: true}, state, moment(one.Since, words.Never),
			moment(one.Until, none), {}}
		if one.State != "withdrawn" {
			row[5].Links = []action{{Path: "/admin/keys/" + url.PathEscape(one.KID) + "/withdraw", Label: words.Withdraw,
				About: one.KID}}
		}
		t.Rows = append(t.Rows, row)
	}
	return tables(v, http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t},
		Buttons: []action{{Path: "/admin/keys/rotate", Label: words.Rotate, ID: "rotate", Main: true}}})
}

func rotateKeysForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Keys
	all, err := v.Admin.Keys(v.R.Context(), v.Actor)
	alg := frame.Input{Kind: "select", Name: "alg", Label: words.WhichAlg, Needed: true,
		Options: []frame.Choice{{Label: words.AllAlgs}}}
	for _, one := range all {
		if one.Alg != "" && !slices.ContainsFunc(alg.Options, func(c frame.Choice) bool { return c.Value == one.Alg }) {
			alg.Options = append(alg.Options, frame.Choice{Value: one.Alg, Label: one.Alg,
				Chosen: v.Value("alg", "") == one.Alg})
		}
	}
	return frame.Form{
		Title: words.RotateTitle, Intro: []string{words.RotateIntro}, Button: words.Rotate, Back: "/admin/keys",
		Inputs: []frame.Input{
			alg, {Kind: "check", Name: "now", Label: words.AtOnce, Hint: words.AtOnceHint, Ticked: v.Ticked("now", false)},
			v.ReasonInput(false),
		},
	}, err
}

func rotateKeys(v *frame.Visit) (frame.Outcome, error) {
	var algs []string
	if alg := v.Typed.Get("alg"); alg != "" {
		all, err := v.Admin.Keys(v.R.Context(), v.Actor)
		if err != nil {
			return frame.Outcome{}, err
		}
		if !slices.ContainsFunc(all, func(k keys.State) bool { return k.Alg == alg }) {
			return frame.Outcome{}, guard.FormError{"alg": messages.AdminValue}
		}
		algs = []string{alg}
	}
	if err := v.Admin.RotateKeys(v.R.Context(), v.Actor, v.Typed.Has("now"), algs, v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/keys", "keys_rotated")
}

// theKey is the key that the address names.
func theKey(v *frame.Visit) (keys.State, error) {
	all, err := v.Admin.Keys(v.R.Context(), v.Actor)
	if err != nil {
		return keys.State{}, err
	}
	for _, one := range all {
		if one.KID == v.In("kid") {
			return one, nil
		}
	}
	return keys.State{}, store.ErrNotFound
}

func withdrawKeyForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Keys
	key, err := theKey(v)
	return frame.Form{
		Title: words.WithdrawTitle, Subject: key.KID,
		Intro:  []string{words.WithdrawTells, words.WithdrawPeople, words.WithdrawAll},
		Facts:  []frame.Fact{{Name: words.Alg, Value: key.Alg}, {Name: words.State, Value: words.States[key.State]}},
		Button: words.Withdraw, Danger: true, Back: "/admin/keys", Inputs: []frame.Input{v.ReasonInput(true)},
	}, err
}

func withdrawKey(v *frame.Visit) (frame.Outcome, error) {
	reason, err := v.Reason(true)
	if err == nil {
		err = v.Admin.WithdrawKeys(v.R.Context(), v.Actor, keys.Withdrawal{KIDs: []string{v.In("kid")}, Reason: reason})
	}
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/keys", "key_withdrawn")
}
