package frame

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/authz-server/internal/guard"
	"github.com/maru-auth/maru/authz-server/internal/mail"
	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/store"
	"github.com/maru-auth/maru/authz-server/internal/store/accounts"
	"github.com/maru-auth/maru/authz-server/internal/store/roles"
)

// refusal is why a deed was not done, in words.
type refusal struct {
	status int
	form   map[string]messages.Problem
	detail string // in English, where the words leave something open
}

// Translation is what an error of package admin means on a page.
type Translation struct {
	Is      error            // by errors.Is; nil: of an admin.FieldError
	Of      string           // with a nil Is: its field
	Field   string           // the input; empty: the form as a whole
	Problem messages.Problem // what the person reads
}

// InWords is an error of a form that was put into words, with what it says in English.
type InWords struct {
	Field   string
	Problem messages.Problem
	Detail  string // may be empty
}

func (e *InWords) Error() string { return e.Detail }

// whys are the words for what the decision table refuses. What a proof mends is not among them.
var whys = map[admin.Why]messages.Problem{
	admin.NoRight:           messages.AdminNoRight,
	admin.OnlyReads:         messages.AdminNoRight,
	admin.NeedsPerson:       messages.AdminNoRight,
	admin.NeedsDirectory:    messages.AdminNoRight,
	admin.NeedsMachine:      messages.AdminNeedsMachine,
	admin.LastAdministrator: messages.AdminLast,
}

// everywhere is what errors mean where a deed says nothing else.
var everywhere = []Translation{
	{Is: store.ErrStale, Problem: messages.AdminStale},
	{Is: store.ErrExists, Problem: messages.AdminExists},
	{Is: store.ErrNotFound, Problem: messages.AdminGone},
	{Is: accounts.ErrLastWay, Problem: messages.AdminLastWay},
	{Is: admin.ErrDisabled, Problem: messages.AdminDisabled},
	{Is: mail.ErrNotConfigured, Problem: messages.AdminNoMail},
	{Is: roles.ErrUnknown, Problem: messages.AdminRoleUnknown},
	{Is: roles.ErrBuiltin, Problem: messages.AdminRoleBuiltin},
	{Of: "reason", Field: "reason", Problem: messages.AdminReasonInvalid},
}

// refusalOf puts an error of a deed into words, with what it means there first. false: there are none,
// and whoever calls a handler knows what to do.
func refusalOf(err error, here []Translation) (refusal, bool) {
	var wrong guard.FormError
	if errors.As(err, &wrong) {
		return refusal{status: http.StatusUnprocessableEntity, form: wrong}, true
	}
	var said *InWords
	if errors.As(err, &said) {
		form := map[string]messages.Problem{said.Field: said.Problem}
		return refusal{http.StatusUnprocessableEntity, form, said.Detail}, true
	}
	var refused *admin.Refused
	if errors.As(err, &refused) {
		problem, ok := whys[refused.Why]
		return refusal{status: http.StatusForbidden, form: map[string]messages.Problem{"": problem}}, ok
	}
	var field *admin.FieldError
	if errors.As(err, &field) {
		form := map[string]messages.Problem{field.Field: messages.AdminValue}
		r := refusal{http.StatusUnprocessableEntity, form, field.Error()}
		for _, all := range [][]Translation{here, everywhere} {
			for _, one := range all {
				if one.Is == nil && one.Of == field.Field {
					r.form = map[string]messages.Problem{one.Field: one.Problem}
					if one.Problem != messages.AdminValue {
						r.detail = ""
					}
					return r, true
				}
			}
		}
		return r, true
	}
	for _, all := range [][]Translation{here, everywhere} {
		for _, one := range all {
			if one.Is != nil && errors.Is(err, one.Is) {
				return refusal{status: http.StatusConflict, form: map[string]messages.Problem{one.Field: one.Problem}}, true
			}
		}
	}
	return refusal{}, false
}

// A Refusal is why a form was not done, about one of its inputs.
type Refusal struct {
	Status  int
	Field   string // the input; empty: the form as a whole
	Problem messages.Problem
	Detail  string // in English, where the words leave something open; may be empty
}

// Wrong puts an error of a form into words, as those of a [Deed] are, for a page that shows its form in
// its own way. false: there are none.
func Wrong(err error, here []Translation) (*Refusal, bool) {
	wrong, known := refusalOf(err, here)
	for _, field := range slices.Sorted(maps.Keys(wrong.form)) {
		return &Refusal{wrong.status, field, wrong.form[field], wrong.detail}, known
	}
	return nil, false
}
