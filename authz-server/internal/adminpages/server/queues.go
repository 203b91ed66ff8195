package server

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

func queueRoutes(r *frame.Routes) {
	r.View("/admin/queues", showQueues)
	r.Change(frame.Deed{Path: "/admin/queues/{kind}/retry-all", Form: retryAllForm, Do: retryAll})
	r.Change(frame.Deed{Path: "/admin/queues/{kind}/{id}/retry", Form: retryForm, Do: retry})
	r.Change(frame.Deed{Path: "/admin/queues/{kind}/{id}/drop", Form: dropForm, Do: drop})
}

// GET /admin/queues?kind=mail|logout
func showQueues(v *frame.Visit) error {
	words, kind := v.T.Admin.Server.Queues, v.Asked("kind")
	if !slices.Contains(admin.QueueKinds, kind) {
		kind = admin.MailQueue
	}
	found, err := v.Admin.Deliveries(v.R.Context(), v.Actor, kind, v.Asked("after"), frame.PageSize)
	if err != nil {
		return err
	}
	here := "/admin/queues?kind=" + kind
	page := tablePage{Title: words.Title, Intro: []string{words.Intro}}
	for _, one := range admin.QueueKinds {
		page.Switch = append(page.Switch, action{Path: "/admin/queues?kind=" + one, Label: words.Kinds[one],
			Current: one == kind})
	}
	page.Switch = append(page.Switch, action{Path: "/admin/streams", Label: words.Events})
	t := table{Columns: []string{words.To, words.What, words.Tries, words.Waits, words.Error, ""}, Empty: words.None,
		Next: frame.NextPage(here, found.Next), Later: v.Asked("after") != ""}
	for _, d := range found.Items {
		to, what := cell{Text: d.To, Under: d.ID}, cell{Text: words.Letters[d.Letter]}
		if d.To == "" || d.Sealed {
			to.Text = words.Sealed
		}
		if what.Text == "" { // of another version
			what = cell{Text: d.Letter, Code: true}
		}
		if kind == admin.LogoutQueue {
			to = cell{Text: d.ClientID, Path: frame.ClientPath(d.ClientID), Under: d.ID}
			what = cell{Text: d.SessionID, Code: true}
		}
		due := cell{At: d.DueAt}
		if !d.GivenUpAt.IsZero() {
			due = cell{Text: words.GivenUp, Tag: "bad"}
		}
		at := "/admin/queues/" + kind + "/" + url.PathEscape(d.ID)
		t.Rows = append(t.Rows, []cell{to, what, {Text: number(d.Attempts)}, due, {Text: d.Error, Code: true},
			{Links: []action{
				{Path: at + "/retry", Label: words.Retry, About: d.ID}, {Path: at + "/drop", Label: words.Drop, About: d.ID},
			}}})
	}
	if len(t.Rows) > 0 {
		t.Buttons = []action{{Path: "/admin/queues/" + kind + "/retry-all", Label: words.RetryAll, ID: "retry-all"}}
	}
	page.Tables = []table{t}
	return tables(v, http.StatusOK, page)
}

// queueForm is the page of a change of a queue. It does not look for what it is about: the deed does.
func queueForm(v *frame.Visit, title, intro, button string, danger bool) (frame.Form, error) {
	kind := v.In("kind")
	if !slices.Contains(admin.QueueKinds, kind) {
		return frame.Form{}, store.ErrNotFound
	}
	words := v.T.Admin.Server.Queues
	return frame.Form{
		Title: title, Subject: v.In("id"), Intro: []string{intro}, Button: button, Danger: danger,
		Back: "/admin/queues?kind=" + kind, Facts: []frame.Fact{{Name: words.Title, Value: words.Kinds[kind]}},
		Inputs: []frame.Input{v.ReasonInput(false)},
	}, nil
}

func queueDone(v *frame.Visit, word string, err error) (frame.Outcome, error) {
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/queues?kind="+v.In("kind"), word)
}

func retryForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Queues
	return queueForm(v, words.RetryTitle, words.RetryIntro, words.Retry, false)
}

func retry(v *frame.Visit) (frame.Outcome, error) {
	return queueDone(v, "retried", v.Admin.RetryDelivery(v.R.Context(), v.Actor, v.In("kind"), v.In("id"),
		v.Typed.Get("reason")))
}

func dropForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Queues
	return queueForm(v, words.DropTitle, words.DropIntro, words.Drop, true)
}

func drop(v *frame.Visit) (frame.Outcome, error) {
	return queueDone(v, "dropped", v.Admin.DropDelivery(v.R.Context(), v.Actor, v.In("kind"), v.In("id"),
		v.Typed.Get("reason")))
}

func retryAllForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Queues
	return queueForm(v, words.RetryAllTitle, words.RetryAllIntro, words.RetryAll, false)
}

func retryAll(v *frame.Visit) (frame.Outcome, error) {
	_, err := v.Admin.RetryAll(v.R.Context(), v.Actor, v.In("kind"), v.Typed.Get("reason"))
	return queueDone(v, "retried", err)
}
