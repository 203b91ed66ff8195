package server

import (
	"net/url"
	"slices"
	"strings"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/streams"
)

const newStreamPath = "/admin/streams/new"

// streamWords are the words for what is wrong with a stream.
var streamWords = []frame.Translation{
	{Is: store.ErrNotFound, Field: "client", Problem: messages.AdminStreamClient},
	{Is: store.ErrExists, Field: "client", Problem: messages.AdminStreamExists},
	{Of: "client", Field: "client", Problem: messages.AdminStreamClient},
	{Of: "endpoint", Field: "endpoint", Problem: messages.AdminStreamAddress},
	{Of: "header", Field: "secret_header", Problem: messages.AdminStreamHeader},
	{Of: "words", Field: "words", Problem: messages.AdminStreamWords},
}

// changedStreamWords are those for a stream that there is: what is not found is the stream.
var changedStreamWords = slices.Concat([]frame.Translation{
	{Is: admin.ErrServiceStream, Problem: messages.AdminStreamService},
	{Is: admin.ErrStreamOff, Problem: messages.AdminStreamOff},
	{Is: streams.ErrFull, Problem: messages.AdminStreamFull},
}, streamWords[2:])

// streamInputs are what a receiver gets, and where. kept: a header may be there, and stays.
func streamInputs(v *frame.Visit, endpoint, description string, events []streams.Type, kept bool) []frame.Input {
	words := v.T.Admin.Server.Streams
	header := frame.Input{Kind: "password", Name: "secret_header", Label: words.Header, Hint: words.HeaderHint,
		Inexact: true}
	if kept {
		header.Hint = words.HeaderKept + " " + header.Hint
	}
	which := frame.Input{Kind: "checks", Name: "events", Label: words.Events, Needed: true}
	for _, one := range streams.Types {
		chosen := slices.Contains(events, one)
		if v.Typed != nil {
			chosen = slices.Contains(v.Typed["events"], string(one))
		}
		which.Options = append(which.Options, frame.Choice{Value: string(one), Label: words.Types[string(one)],
			Hint: string(one), Chosen: chosen})
	}
	return []frame.Input{
		{Kind: "url", Name: "endpoint", Label: words.Endpoint, Hint: words.EndpointHint,
			Value: v.Value("endpoint", endpoint), Inexact: true},
		header, which,
		{Kind: "text", Name: "description", Label: words.Description, Value: v.Value("description", description)},
	}
}

// typedEvents are those that were chosen.
func typedEvents(typed url.Values) (all []streams.Type, err error) {
	for _, one := range streams.Types {
		if slices.Contains(typed["events"], string(one)) {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil, guard.FormError{"events": messages.AdminStreamEvents}
	}
	return all, nil
}

func newStreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Streams
	client := frame.Input{Kind: "text", Name: "client", Label: words.Client, Hint: words.ClientHint,
		Value:  v.Value("client", v.Asked("client")),
		Needed: true, Inexact: true}
	inputs := append([]frame.Input{client}, streamInputs(v, "", "", streams.Types, false)...)
	return frame.Form{Title: words.NewTitle, Intro: []string{words.NewIntro}, Button: words.New, Back: "/admin/streams",
		Inputs: append(inputs, v.ReasonInput(false))}, nil
}

func createStream(v *frame.Visit) (frame.Outcome, error) {
	events, err := typedEvents(v.Typed)
	if err != nil {
		return frame.Outcome{}, err
	}
	in := admin.NewStream{
		ClientID: strings.TrimSpace(v.Typed.Get("client")), Endpoint: strings.TrimSpace(v.Typed.Get("endpoint")),
		Events: events, Description: strings.TrimSpace(v.Typed.Get("description")),
	}
	if header := v.Typed.Get("secret_header"); header != "" {
		in.Header = &header
	}
	made, err := v.Admin.CreateStream(v.R.Context(), v.Actor, v.Streams, in, v.Typed.Get("reason"))
	if err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(streamPath(made.ID), "stream_created")
}

func editStreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Streams
	s, err := v.Admin.StreamDetail(v.R.Context(), v.Actor, v.In("id"))
	if err != nil {
		return frame.Form{}, err
	}
	inputs := streamInputs(v, s.Endpoint, s.Description, s.Events, true)
	if s.Endpoint != "" {
		inputs = slices.Insert(inputs, 2, frame.Input{Kind: "check", Name: "no_header", Label: words.NoHeader,
			Ticked: v.Ticked("no_header", false)})
	}
	f, err := streamForm(v, words.EditTitle, words.EditIntro, v.T.SaveButton, false, inputs...)
	f.Hidden = []frame.Input{{Name: "version", Value: v.Value("version", s.Version)}}
	if s.Service != "" { // the server changes it itself
		f.Intro, f.Button = []string{v.T.Problem(messages.AdminStreamService, 0)}, ""
	}
	return f, err
}

func editStream(v *frame.Visit) (frame.Outcome, error) {
	events, err := typedEvents(v.Typed)
	if err != nil {
		return frame.Outcome{}, err
	}
	endpoint, description := strings.TrimSpace(v.Typed.Get("endpoint")), strings.TrimSpace(v.Typed.Get("description"))
	change := admin.StreamChange{Endpoint: &endpoint, Events: events, Description: &description}
	if header := v.Typed.Get("secret_header"); header != "" || v.Typed.Has("no_header") && endpoint != "" {
		change.Header = &header
	}
	if err := v.Admin.UpdateStream(v.R.Context(), v.Actor, v.Streams, v.In("id"), v.Typed.Get("version"), change,
		v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(streamPath(v.In("id")), "stream_changed")
}

func verifyStreamForm(v *frame.Visit) (frame.Form, error) {
	words := v.T.Admin.Server.Streams
	return streamForm(v, words.VerifyTitle, words.VerifyIntro, words.Verify, false)
}

func verifyStream(v *frame.Visit) (frame.Outcome, error) {
	if err := v.Admin.VerifyStream(v.R.Context(), v.Actor, v.In("id"), v.Typed.Get("reason")); err != nil {
		return frame.Outcome{}, err
	}
	return frame.Done(streamPath(v.In("id")), "stream_verified")
}
