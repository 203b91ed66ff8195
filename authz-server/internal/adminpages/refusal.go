package adminpages

import (
	"errors"
	"net/http"

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

// translation is what an error of package admin means on a page.
type translation struct {
	is      error            // by errors.Is; nil: of an admin.FieldError
	of      string           // with a nil is: its field
	field   string           // the input; empty: the form as a whole
	problem messages.Problem // what the person reads
}

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
var everywhere = []translation{
	{is: store.ErrStale, problem: messages.AdminStale},
	{is: store.ErrExists, problem: messages.AdminExists},
	{is: store.ErrNotFound, problem: messages.AdminGone},
	{is: accounts.ErrLastWay, problem: messages.AdminLastWay},
	{is: admin.ErrDisabled, problem: messages.AdminDisabled},
	{is: mail.ErrNotConfigured, problem: messages.AdminNoMail},
	{is: roles.ErrUnknown, problem: messages.AdminRoleUnknown},
	{is: roles.ErrBuiltin, problem: messages.AdminRoleBuiltin},
	{of: "reason", field: "reason", problem: messages.AdminReasonInvalid},
}

// refusal puts an error of a deed into words, with what it means there first. false: there are none,
// and whoever calls a handler knows what to do.
func (v *visit) refusal(err error, here []translation) (refusal, bool) {
	var wrong guard.FormError
	if errors.As(err, &wrong) {
		return refusal{status: http.StatusUnprocessableEntity, form: wrong}, true
	}
	var said *inWords
	if errors.As(err, &said) {
		return refusal{http.StatusUnprocessableEntity, map[string]messages.Problem{said.field: said.problem}, said.detail}, true
	}
	var refused *admin.Refused
	if errors.As(err, &refused) {
		problem, ok := whys[refused.Why]
		return refusal{status: http.StatusForbidden, form: map[string]messages.Problem{"": problem}}, ok
	}
	var field *admin.FieldError
	if errors.As(err, &field) {
		r := refusal{http.StatusUnprocessableEntity, map[string]messages.Problem{field.Field: messages.AdminValue}, field.Error()}
		for _, all := range [][]translation{here, everywhere} {
			for _, one := range all {
				if one.is == nil && one.of == field.Field {
					r.form = map[string]messages.Problem{one.field: one.problem}
					if one.problem != messages.AdminValue {
						r.detail = ""
					}
					return r, true
				}
			}
		}
		return r, true
	}
	for _, all := range [][]translation{here, everywhere} {
		for _, one := range all {
			if one.is != nil && errors.Is(err, one.is) {
				return refusal{status: http.StatusConflict, form: map[string]messages.Problem{one.field: one.problem}}, true
			}
		}
	}
	return refusal{}, false
}
