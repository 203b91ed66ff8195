package server

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

func streamRoutes(r *frame.Routes) {
	r.View("/admin/streams", showStreams)
	r.Change(frame.Deed{Path: newStreamPath, Form: newStreamForm, Do: createStream, Problems: streamWords})
	r.View("/admin/streams/{id}", showStream)
	for _, d := range []frame.Deed{
		{Path: "/admin/streams/{id}/edit", Form: editStreamForm, Do: editStream},
		{Path: "/admin/streams/{id}/verify", Form: verifyStreamForm, Do: verifyStream},
		{Path: "/admin/streams/{id}/status", Form: streamStatusForm, Do: streamStatus},
		{Path: "/admin/streams/{id}/retry", Form: retryStreamForm, Do: retryStream},
		{Path: "/admin/streams/{id}/delete", Form: deleteStreamForm, Do: deleteStream},
	} {
		d.Problems = changedStreamWords
		r.Change(d)
	}
}

func streamPath(id string) string { return "/admin/streams/" + url.PathEscape(id) }

// receiver is whoever a stream is for.
func receiver(v *frame.Visit, s admin.Stream) cell {
	if s.Client != "" {
		return cell{Text: s.Client, Path: streamPath(s.ID), Under: s.Description}
	}
	return cell{Text: s.Service, Path: streamPath(s.ID), Under: v.T.Admin.Server.Streams.Own}
}

func streamState(v *frame.Visit, s admin.Stream) cell {
	tag := map[streams.Status]string{streams.Enabled: "good", streams.Disabled: "bad"}[s.Status]
	if tag == "" {
		tag = "quiet"
	}
	return cell{Text: v.T.Admin.Server.Streams.States[string(s.Status)], Tag: tag}
}

// many is a count of which 1000 stands for more.
func many(n int64) string {
	if n >= 1000 {
		return number(n) + "+"
	}
	return number(n)
}

// GET /admin/streams
func showStreams(v *frame.Visit) error {
	words := v.T.Admin.Server.Streams
	all, err := v.Admin.Streams(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Receiver, words.Where, words.State, words.Waiting, words.Refused, words.Error},
		Empty: words.None}
	for _, s := range all {
		where := cell{Text: s.Endpoint, Code: true}
		if s.Endpoint == "" {
			where = cell{Text: words.Polls}
		}
		t.Rows = append(t.Rows, []cell{receiver(v, s), where, streamState(v, s), {Text: many(s.Waiting)},
			{Text: many(s.Refused)}, {Text: s.Error, Code: true}})
	}
	return tables(v, http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t},
		Buttons: []action{{Path: newStreamPath, Label: words.New, ID: "new", Main: true}}})
}

// streamPage is the page of one stream.
type streamPage struct {
	Receiver cell
	State    cell
	Facts    []frame.Member
	Times    []timeFact
	Path     string
	Own      bool // the server keeps it itself
	Off      bool // it takes no events
	Refused  table
}

type timeFact struct {
	Name string
	At   time.Time
}

// GET /admin/streams/{id}
func showStream(v *frame.Visit) error {
	words := v.T.Admin.Server.Streams
	s, err := v.Admin.StreamDetail(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return err
	}
	page := streamPage{Receiver: receiver(v, s.Stream), State: streamState(v, s.Stream), Path: streamPath(s.ID),
		Own: s.Service != "", Off: s.Status == streams.Disabled}
	where := words.Polls
	if s.Endpoint != "" {
		where = s.Endpoint
	}
	var events []string
	for _, one := range s.Events {
		events = append(events, string(one))
	}
	for _, f := range []frame.Member{
		{Name: words.Where, Values: []string{where}, Code: s.Endpoint != ""},
		{Name: words.Events, Values: events, Code: true},
		{Name: words.Waiting, Values: []string{many(s.Waiting)}},
		{Name: words.Dropped, Values: []string{number(s.Dropped)}},
		{Name: words.Error, Values: []string{s.Error}, Code: true},
		{Name: words.Words, Values: []string{s.Reason}},
	} {
		if len(f.Values) > 0 && f.Values[0] != "" {
			page.Facts = append(page.Facts, f)
		}
	}
	page.Times = append(page.Times, timeFact{words.Created, s.CreatedAt})
	if s.FailingSince != nil {
		page.Times = append(page.Times, timeFact{words.FailingSince, *s.FailingSince})
	}
	if s.NextAt != nil {
		page.Times = append(page.Times, timeFact{words.NextTry, *s.NextAt})
	}
	page.Refused = table{Heading: words.RefusedEvents, ID: "refused",
		Columns: []string{words.Event, words.Created, words.Tries, words.Error}, Empty: words.NoneRefused}
	for _, one := range s.Sets {
		page.Refused.Rows = append(page.Refused.Rows, []cell{
			{Text: string(one.Type), Code: true, Under: one.ID}, moment(one.CreatedAt, ""), {Text: number(one.Attempts)},
			{Text: one.Error, Code: true},
		})
	}
	return v.Show("stream", page)
}

// streamForm is the page of a change of a stream.
func streamForm(v *frame.Visit, title, intro, button string, danger bool, inputs ...frame.Input) (frame.Form, error) {
	s, err := v.Admin.StreamDetail(v.R.Context(), v.Actor, v.In("id"))
	return frame.Form{Title: title, Subject: receiver(v, s.Stream).Text, Intro: []string{intro}, Button: button,
		Danger: danger, Back: streamPath(s.ID),
		Inputs: append(inputs, v.ReasonInput(false))}, err
}

func streamStatusForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Streams
	s, err := v.Admin.StreamDetail(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return frame.Form{}, err
	}
	state := frame.Input{Kind: "radios", Name: "status", Label: words.State, Needed: true}
	for _, one := range []streams.Status{streams.Enabled, streams.Paused, streams.Disabled} {
		state.Options = append(state.Options, frame.Choice{Value: string(one), Label: words.States[string(one)],
			Chosen: v.Value("status", string(s.Status)) == string(one)})
	}
	return streamForm(v, words.StatusTitle, words.StatusIntro, v.T.Admin.Clients.Save, false, state,
		frame.Input{Kind: "text", Name: "words", Label: words.Words, Hint: words.WordsHint,
			Value: v.Value("words", s.Reason)})
}

func streamStatus(v *frame.Visit) (frame.Outcome, error) {
	err := v.Admin.SetStreamStatus(v.R.Context(), v.Actor, v.In("id"), streams.Status(v.Typed.Get("status")),
		strings.TrimSpace(v.Typed.Get("words")), v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(streamPath(v.In("id")), "stream_changed")
}

func retryStreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Streams
	return streamForm(v, words.RetryTitle, words.RetryIntro, words.Retry, false)
}

func retryStream(v *frame.Visit) (frame.Outcome, error) {
	if _, err := v.Admin.RetryStream(v.R.Context(), v.Actor, v.In("id"), v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(streamPath(v.In("id")), "retried")
}

func deleteStreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Streams
	return streamForm(v, words.DeleteTitle, words.DeleteIntro, words.Delete, true)
}

func deleteStream(v *frame.Visit) (frame.Outcome, error) {
	if err := v.Admin.DeleteStream(v.R.Context(), v.Actor, v.In("id"), v.DataServices, v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done("/admin/streams", "stream_deleted")
}
