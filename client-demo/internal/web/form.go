package web

import (
	"crypto/rand"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
)

// form is what stands in a form's fields, and what is wrong with it. A page shown again keeps everything that was typed.
type form struct {
	Values url.Values
	Wrong  map[string]string // text beside a field
	Notice string            // text above the form
	Theirs map[string]string // after a lost race: what is saved now, in the fields that differ
	status int
	first  string // the field to begin with, or empty
}

// fieldOrder is the order in which fields stand in their forms.
var fieldOrder = []string{"title", "body", "display_name", "bio", "website", "avatar_url", "locale", "time_zone", "theme", "tags", "format"}

// Faults are the fields with something wrong, in the order in which they stand.
func (f *form) Faults() []note {
	var faults []note
	for _, field := range fieldOrder {
		if f.Bad(field) {
			faults = append(faults, f.Note(field))
		}
	}
	return faults
}

// Focus is the autofocus attribute for the first wrong field.
func (f *form) Focus(field string) template.HTMLAttr {
	if field == f.first {
		return " autofocus"
	}
	return ""
}

// Get returns a field's value.
func (f *form) Get(field string) string { return f.Values.Get(field) }

// Is tells whether a field has a value, for choices.
func (f *form) Is(field, value string) bool { return f.Values.Get(field) == value }

// newForm is a form with these values, or with those of a form that was sent after the session had ended.
func (v *visit) newForm(values url.Values) *form {
	f := &form{Values: values, status: http.StatusOK}
	if v.session == nil {
		return f
	}
	if draft := v.session.TakeDraft(v.r.URL.Path); draft != nil {
		f.Values = draft
		f.Notice = v.t("draft_back")
		for _, field := range []string{"etag", "key"} {
			if draft.Get(field) == "" {
				draft.Set(field, values.Get(field))
			}
		}
	}
	return f
}

// sentForm is the form that was sent.
func (v *visit) sentForm() *form {
	f := &form{Values: url.Values{}, status: http.StatusOK}
	for name := range v.r.PostForm {
		f.Values.Set(name, v.text(name))
	}
	return f
}

// refused takes into f why a service would not do what the form asks. An error that a form cannot show is returned.
func (v *visit) refused(f *form, err error) error {
	var refusal *backend.Error
	v.refusedForm = true
	switch {
	case errors.Is(err, backend.ErrDown):
		f.status, f.Notice = http.StatusServiceUnavailable, v.t(v.downText(err))+" "+v.t("kept_typed")
	case errors.Is(err, flow.ErrIssuerDown):
		f.status, f.Notice = http.StatusServiceUnavailable, v.t("issuer_down_short")+" "+v.t("kept_typed")
	case errors.As(err, &refusal):
		f.status = refusal.Status
		switch refusal.Status {
		case http.StatusBadRequest, http.StatusUnprocessableEntity:
			f.Wrong = map[string]string{}
			for field := range refusal.Fields {
				f.Wrong[field] = v.wrongText(field)
			}
			if faults := f.Faults(); len(faults) > 0 {
				f.first = faults[0].Field
			}
			f.Notice = v.t("form_wrong")
			if len(f.Wrong) == 0 {
				// Such as another text under a key that was used: the person sent a changed form again.
				f.Values.Set("key", newKey())
			}
			if len(f.Wrong) == 0 && refusal.Detail != "" {
				f.Notice = v.t("form_wrong_detail", refusal.Detail)
			}
		case http.StatusForbidden:
			f.Notice = v.t("forbidden")
		case http.StatusNotFound:
			f.Notice = v.t("gone")
		case http.StatusConflict, http.StatusLocked:
			f.Notice = v.t("form_conflict", refusal.Detail)
		case http.StatusTooManyRequests:
			f.Notice = v.t("too_many")
		default:
			return err
		}
	default:
		return err
	}
	return nil
}

// wrongText says what a field may hold, in the person's language; the services say it in English only.
func (v *visit) wrongText(field string) string {
	if key := "wrong_" + field; known(key) {
		return v.t(key)
	}
	return v.t("wrong_other")
}

// lost puts into f what someone saved since the person began to type, and gives the form the new ETag: sending it again replaces that.
func (v *visit) lost(f *form, saved map[string]string, etag string) {
	v.refusedForm = true
	f.status, f.Notice, f.Theirs = http.StatusConflict, v.t("lost_race"), map[string]string{}
	for field, value := range saved {
		if value != f.Get(field) {
			f.Theirs[field] = value
		}
	}
	f.Values.Set("etag", etag)
}

// changed tells whether err is a lost race: the thing was changed since it was read.
func changed(err error) bool {
	return errors.Is(err, &backend.Error{Status: http.StatusPreconditionFailed})
}

// newKey is an Idempotency-Key: a form sent twice makes one post.
func newKey() string { return rand.Text() }

// note is what stands below a field.
type note struct {
	Field  string
	Wrong  string
	Lost   bool
	Theirs string
}

// Note returns what to say below a field.
func (f *form) Note(field string) note {
	theirs, lost := f.Theirs[field]
	return note{field, f.Wrong[field], lost, theirs}
}

// Bad tells whether something is wrong with a field.
func (f *form) Bad(field string) bool { return f.Wrong[field] != "" }

// Speaks tells whether the field locale names this language, with or without a region.
func (f *form) Speaks(lang string) bool {
	base, _, _ := strings.Cut(f.Get("locale"), "-")
	return base == lang
}

// Elsewhere is a locale that this app does not speak, but that the person chose in another, or empty.
func (f *form) Elsewhere() string {
	locale := f.Get("locale")
	if locale == "" || f.Speaks("ko") || f.Speaks("en") {
		return ""
	}
	return locale
}

// Locale is the value that stands for a language: the person's own, which may name a region, or the language alone.
func (f *form) Locale(lang string) string {
	if f.Speaks(lang) {
		return f.Get("locale")
	}
	return lang
}

// Zones are the time zones to choose from: those that are offered, and the form's own.
func (f *form) Zones() []string {
	if own := f.Get("time_zone"); own != "" && !slices.Contains(zones, own) {
		return append([]string{own}, zones...)
	}
	return zones
}
