package adminpages

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

func (a *Administration) streamRoutes(r *mux.Router) {
	a.view(r, "/admin/streams", (*visit).streams)
	a.view(r, "/admin/streams/{id}", (*visit).stream)
	for _, d := range []deed{
		{path: "/admin/streams/{id}/status", form: (*visit).streamStatusForm, do: (*visit).streamStatus},
		{path: "/admin/streams/{id}/retry", form: (*visit).retryStreamForm, do: (*visit).retryStream},
		{path: "/admin/streams/{id}/delete", form: (*visit).deleteStreamForm, do: (*visit).deleteStream, problems: []translation{
			{is: admin.ErrServiceStream, problem: messages.AdminStreamService}}},
	} {
		a.change(r, d)
	}
}

func streamPath(id string) string { return "/admin/streams/" + url.PathEscape(id) }

// receiver is whoever a stream is for.
func (v *visit) receiver(s admin.Stream) cell {
	if s.Client != "" {
		return cell{Text: s.Client, Path: streamPath(s.ID), Under: s.Description}
	}
	return cell{Text: s.Service, Path: streamPath(s.ID), Under: v.t.Admin.Server.Streams.Own}
}

func (v *visit) streamState(s admin.Stream) cell {
	tag := map[streams.Status]string{streams.Enabled: "good", streams.Disabled: "bad"}[s.Status]
	if tag == "" {
		tag = "quiet"
	}
	return cell{Text: v.t.Admin.Server.Streams.States[string(s.Status)], Tag: tag}
}

// many is a count of which 1000 stands for more.
func many(n int64) string {
	if n >= 1000 {
		return number(n) + "+"
	}
	return number(n)
}

// GET /admin/streams
func (v *visit) streams() error {
	words := v.t.Admin.Server.Streams
	all, err := v.Admin.Streams(v.r.Context(), v.actor)
	if err != nil {
		return err
	}
	t := table{Columns: []string{words.Receiver, words.Where, words.State, words.Waiting, words.Refused, words.Error}, Empty: words.None}
	for _, s := range all {
		where := cell{Text: s.Endpoint, Code: true}
		if s.Endpoint == "" {
			where = cell{Text: words.Polls}
		}
		t.Rows = append(t.Rows, []cell{v.receiver(s), where, v.streamState(s), {Text: many(s.Waiting)}, {Text: many(s.Refused)}, {Text: s.Error, Code: true}})
	}
	return v.tables(http.StatusOK, tablePage{Title: words.Title, Intro: []string{words.Intro}, Tables: []table{t}})
}

// streamPage is the page of one stream.
type streamPage struct {
	Receiver cell
	State    cell
	Facts    []clientFact
	Times    []timeFact
	Path     string
	Refused  table
}

type timeFact struct {
	Name string
	At   time.Time
}

// GET /admin/streams/{id}
func (v *visit) stream() error {
	words := v.t.Admin.Server.Streams
	s, err := v.Admin.StreamDetail(v.r.Context(), v.actor, v.in("id"))
	if err != nil {
		return err
	}
	page := streamPage{Receiver: v.receiver(s.Stream), State: v.streamState(s.Stream), Path: streamPath(s.ID)}
	where := words.Polls
	if s.Endpoint != "" {
		where = s.Endpoint
	}
	var events []string
	for _, one := range s.Events {
		events = append(events, string(one))
	}
	for _, f := range []clientFact{
		{words.Where, []string{where}, s.Endpoint != ""}, {words.Events, events, true}, {words.Description, []string{s.Description}, false},
		{words.Waiting, []string{many(s.Waiting)}, false}, {words.Dropped, []string{number(s.Dropped)}, false}, {words.Error, []string{s.Error}, true},
		{words.Words, []string{s.Reason}, false},
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
	page.Refused = table{Heading: words.RefusedEvents, ID: "refused", Columns: []string{words.Event, words.Created, words.Tries, words.Error}, Empty: words.NoneRefused}
	for _, one := range s.Sets {
		page.Refused.Rows = append(page.Refused.Rows, []cell{{Text: string(one.Type), Code: true, Under: one.ID}, moment(one.CreatedAt, ""), {Text: number(one.Attempts)}, {Text: one.Error, Code: true}})
	}
	return v.show("stream", page)
}

// streamForm is the page of a change of a stream.
func (v *visit) streamForm(title, intro, button string, danger bool, inputs ...input) (form, error) {
	s, err := v.Admin.StreamDetail(v.r.Context(), v.actor, v.in("id"))
	return form{Title: title, Subject: v.receiver(s.Stream).Text, Intro: []string{intro}, Button: button, Danger: danger, Back: streamPath(s.ID),
		Inputs: append(inputs, v.reasonInput(false))}, err
}

func (v *visit) streamStatusForm() (form, error) {
	words := v.t.Admin.Server.Streams
	s, err := v.Admin.StreamDetail(v.r.Context(), v.actor, v.in("id"))
	if err != nil {
		return form{}, err
	}
	state := input{Kind: "radios", Name: "status", Label: words.State, Needed: true}
	for _, one := range []streams.Status{streams.Enabled, streams.Paused, streams.Disabled} {
		state.Options = append(state.Options, choice{Value: string(one), Label: words.States[string(one)], Chosen: v.value("status", string(s.Status)) == string(one)})
	}
	return v.streamForm(words.StatusTitle, words.StatusIntro, v.t.Admin.Clients.Save, false, state,
		input{Kind: "text", Name: "words", Label: words.Words, Hint: words.WordsHint, Value: v.value("words", s.Reason)})
}

// maxWords is the length of what a receiver is told, in bytes.
const maxWords = 255

func (v *visit) streamStatus() (outcome, error) {
	words := strings.TrimSpace(v.typed.Get("words"))
	if len(words) > maxWords {
		return outcome{}, guard.FormError{"words": messages.AdminNoteLong}
	}
	err := v.Admin.SetStreamStatus(v.r.Context(), v.actor, v.in("id"), streams.Status(v.typed.Get("status")), words, v.typed.Get("reason"))
	if err != nil {
		return outcome{}, err
	}
	return done(streamPath(v.in("id")), "stream_changed")
}

func (v *visit) retryStreamForm() (form, error) {
	words := v.t.Admin.Server.Streams
	return v.streamForm(words.RetryTitle, words.RetryIntro, words.Retry, false)
}

func (v *visit) retryStream() (outcome, error) {
	if _, err := v.Admin.RetryStream(v.r.Context(), v.actor, v.in("id"), v.typed.Get("reason")); err != nil {
		return outcome{}, err
	}
	return done(streamPath(v.in("id")), "retried")
}

func (v *visit) deleteStreamForm() (form, error) {
	words := v.t.Admin.Server.Streams
	return v.streamForm(words.DeleteTitle, words.DeleteIntro, words.Delete, true)
}

func (v *visit) deleteStream() (outcome, error) {
	if err := v.Admin.DeleteStream(v.r.Context(), v.actor, v.in("id"), v.DataServices, v.typed.Get("reason")); err != nil {
		return outcome{}, err
	}
	return done("/admin/streams", "stream_deleted")
}
