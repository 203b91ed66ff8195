package server

import (
	"strconv"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/adminpages/frame"
)

func overviewRoutes(r *frame.Routes) { r.View("/admin", showOverview) }

// overview is the first page: what needs attention, and how much goes on.
type overview struct {
	Attention []attention
	Month     bool // the charts show days of a month, not hours of a day
	Charts    []chart
	UTC       bool // times are in UTC
}

// attention is something that an operator should look at.
type attention struct {
	Title, Do string
	About     string
	InWords   bool   // what it is about is no name of something
	Count     string // empty: it is no number
	Since     time.Time
	Error     string
	Path      string // where it can be looked at; empty: not here
}

// GET /admin: what needs attention, and charts of a day, or of a month with ?span=month.
func showOverview(v *frame.Visit) error {
	page := overview{Month: v.Asked("span") == "month", UTC: v.Session.User.Zone() == nil}
	found, err := v.Admin.Attention(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	for _, one := range found {
		page.Attention = append(page.Attention, attentionOf(v, one))
	}
	of := v.Admin.DayInHours
	if page.Month {
		of = v.Admin.MonthInDays
	}
	counted, err := of(v.R.Context(), v.Actor)
	if err != nil {
		return err
	}
	page.Charts = drawn(v, counted)
	return v.Show("overview", page)
}

// whereTo is the section where something that needs attention can be looked at.
var whereTo = map[string]string{
	admin.QueueFailing: "queues", admin.QueueLate: "queues", admin.StreamFailing: "streams",
	admin.StreamStopped: "streams",
	admin.KeyOld:        "keys", admin.KeyMissing: "keys", admin.LogLate: "audit", admin.Guessing: "throttles",
	admin.Hammered: "clients", admin.NoAdmin: "users",
}

func attentionOf(v *frame.Visit, one admin.Attention) attention {
	words := v.T.Admin.Overview
	shown := attention{Title: words.Attention[one.What], Do: words.AttentionDo[one.What], About: one.About,
		Since: one.Since, Error: one.Error}
	if kind := v.T.Admin.Server.Queues.Kinds[one.About]; kind != "" && whereTo[one.What] == "queues" {
		shown.About, shown.InWords = kind, true
	}
	if one.Count > 1 {
		shown.Count = many(one.Count)
	}
	if name := whereTo[one.What]; name != "" {
		shown.Path = "/admin/" + name
	}
	return shown
}

// number is n with its thousands apart.
func number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
