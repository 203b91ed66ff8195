package site

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/flow"
	"github.com/maru-auth/maru/client-demo/internal/lang"
	"github.com/maru-auth/maru/client-demo/internal/pages"
)

// NewKey makes an Idempotency-Key, by which a form that is sent twice makes one post.
func NewKey() string { return rand.Text() }

// NewForm makes a form with these values, or with those of a form that was sent here after the
// session had ended.
func (v *Visit) NewForm(values url.Values) *pages.Form {
	f := pages.NewForm(values)
	if v.Session == nil {
		return f
	}
	if draft := v.Session.TakeDraft(v.R.URL.Path); draft != nil {
		f.Values, f.Notice = draft, v.T("draft_back")
		for _, field := range []string{"etag", "key"} {
			if draft.Get(field) == "" {
				draft.Set(field, values.Get(field))
			}
		}
	}
	return f
}

// SentForm returns the form that was sent.
func (v *Visit) SentForm() *pages.Form {
	values := url.Values{}
	for name := range v.R.PostForm {
		values.Set(name, v.Text(name))
	}
	return pages.NewForm(values)
}

// Refused puts into f why a service refused it. An error that a form cannot show is returned.
func (v *Visit) Refused(f *pages.Form, err error) error {
	var refusal *backend.Error
	switch {
	case errors.Is(err, backend.ErrDown):
		f.Refuse(http.StatusServiceUnavailable, v.T(v.downText(err))+" "+v.T("kept_typed"), nil)
	case errors.Is(err, flow.ErrIssuerDown):
		f.Refuse(http.StatusServiceUnavailable, v.T("issuer_down_short")+" "+v.T("kept_typed"), nil)
	case errors.As(err, &refusal):
		text := notice(v.Lang, refusal)
		if text == "" {
			return err
		}
		f.Refuse(refusal.Status, text, wrong(v.Lang, refusal))
		if invalid(refusal) && len(refusal.Fields) == 0 {
			// The key may have been used for another text: the person changed the form and sent it
			// again.
			f.Values.Set("key", NewKey())
		}
	default:
		return err
	}
	return nil
}

// invalid tells whether a service refused a form for what is in it.
func invalid(refusal *backend.Error) bool {
	return refusal.Status == http.StatusBadRequest || refusal.Status == http.StatusUnprocessableEntity
}

// notice is what to say above a form that a service refused; empty if a form cannot say it.
func notice(l *lang.Language, refusal *backend.Error) string {
	switch refusal.Status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		if len(refusal.Fields) == 0 && refusal.Detail != "" {
			return l.T("form_wrong_detail", refusal.Detail)
		}
		return l.T("form_wrong")
	case http.StatusForbidden:
		return l.T("forbidden")
	case http.StatusNotFound:
		return l.T("gone")
	case http.StatusConflict, http.StatusLocked:
		return l.T("form_conflict", refusal.Detail)
	case http.StatusTooManyRequests:
		return l.T("too_many")
	}
	return ""
}

// wrong says what each refused field may hold. The services say it too, but only in English.
func wrong(l *lang.Language, refusal *backend.Error) map[string]string {
	if !invalid(refusal) {
		return nil
	}
	texts := map[string]string{}
	for field := range refusal.Fields {
		texts[field] = l.T("wrong_other")
		if key := "wrong_" + field; l.Has(key) {
			texts[field] = l.T(key)
		}
	}
	return texts
}

// Changed tells whether err is a lost race: somebody has changed what the form is about since it
// was read (RFC 9110 §15.5.13).
func Changed(err error) bool {
	return errors.Is(err, &backend.Error{Status: http.StatusPreconditionFailed})
}

// Edit is a form that changes something that may also be changed elsewhere in the meantime.
type Edit struct {
	Save func(f *pages.Form) error
	Read func() (saved map[string]string, etag string, err error) // what is saved now; called after a lost race
	Show func(f *pages.Form) error
	Then string // the page to go to once it is saved
}

// Edit saves the form that was sent, or shows it again with all that was typed and what is wrong.
func (v *Visit) Edit(edit Edit) error {
	f := v.SentForm()
	err := edit.Save(f)
	if Changed(err) {
		var saved map[string]string
		var etag string
		if saved, etag, err = edit.Read(); err == nil {
			f.Lose(v.T("lost_race"), saved, etag)
			return edit.Show(f)
		}
	}
	if err == nil {
		v.Session.SetFlash("saved")
		return v.Redirect(edit.Then)
	}
	if err := v.Refused(f, err); err != nil {
		return err
	}
	return edit.Show(f)
}
