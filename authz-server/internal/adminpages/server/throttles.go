package server

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/messages"
)

func throttleRoutes(r *frame.Routes) {
	r.View("/admin/throttles", showThrottles)
	r.Change(frame.Deed{Path: "/admin/throttles/lift", Form: liftForm, Do: lift, Problems: []frame.Translation{
		{Of: "address", Field: "address", Problem: messages.AdminAddressWrong},
	}})
}

// GET /admin/throttles?address=
func showThrottles(v *frame.Visit) error {
	words, address := v.T.Admin.Server.Throttles, strings.TrimSpace(v.Asked("address"))
	page := tablePage{Title: words.Title, Intro: []string{words.Intro},
		Search: &search{Name: "address", Label: words.Address, Value: address, Hint: words.AddressHint}}
	columns, status := []string{words.What, words.Under, words.Count, words.Last}, http.StatusOK
	rows := func(all []admin.Throttled) (rows [][]cell) {
		for _, one := range all {
			last := one.Last
			if last.IsZero() {
				last = one.Until
			}
			rows = append(rows, []cell{{Text: words.Whats[one.What]}, {Text: networkOf(one.Of), Code: true},
				{Text: number(one.Count)}, moment(last, "")})
		}
		return rows
	}
	if address != "" {
		held, err := v.Admin.HeldBack(v.R.Context(), v.Actor, address)
		var wrong *admin.FieldError
		if errors.As(err, &wrong) {
			page.Search.Problem, status = v.T.Problem(messages.AdminAddressWrong, 0), http.StatusUnprocessableEntity
		} else if err != nil {
			return err
		} else {
			t := table{Heading: words.Of(address), ID: "held-back", Columns: columns, Rows: rows(held), Empty: words.Nothing}
			if len(held) > 0 {
				t.Buttons = []action{{Path: "/admin/throttles/lift?" + url.Values{"address": {address}}.Encode(),
					Label: words.Lift, ID: "lift"}}
			}
			page.Tables = append(page.Tables, t)
		}
	}
	failures, err := v.Admin.LatestFailures(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	page.Tables = append(page.Tables, table{Heading: words.Failures, ID: "failures", Note: words.FailuresIntro, Columns: columns,
		Rows: rows(failures), Empty: words.NoFailures})
	return tables(v, status, page)
}

// networkOf is the network that a sender is counted under. What is counted under something else, such
// as the hash of an account's name, stays as it is.
func networkOf(subject string) string {
	_, network, found := strings.Cut(subject, " ")
	if _, err := netip.ParsePrefix(network); err == nil && found {
		return network
	}
	if _, err := netip.ParseAddr(network); err == nil && found {
		return network
	}
	return subject
}

func liftForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Throttles
	return frame.Form{Title: words.LiftTitle, Intro: []string{words.LiftIntro}, Button: words.Lift,
		Back: "/admin/throttles", Inputs: []frame.Input{
			{Kind: "text", Name: "address", Label: words.Address, Hint: words.AddressHint,
				Value: v.Value("address", v.Asked("address")), Needed: true, Inexact: true},
			v.ReasonInput(false),
		}}, nil
}

func lift(v *frame.Visit) (frame.Outcome, error) {
	if _, err := v.Admin.UnlockAddress(v.R.Context(), v.Actor, strings.TrimSpace(v.Typed.Get("address")),
		v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/throttles", "lifted")
}
