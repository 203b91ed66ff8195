package adminapi

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/maru-auth/maru/authz-server/internal/admin"
	"github.com/maru-auth/maru/internal/rest"
)

// What requests and answers have in common. What is embedded in an input is exported: huma overlooks
// it otherwise.

// Text is a parameter in the path, where it is percent-encoded. The server's ids are of visible
// characters: any other text becomes one that nothing has.
type Text string

// UnmarshalText reads the parameter as it was sent.
func (t *Text) UnmarshalText(sent []byte) error {
	plain, err := url.PathUnescape(string(sent))
	if err != nil || !utf8.ValidString(plain) || strings.ContainsFunc(plain, unicode.IsControl) || len(plain) > 2048 {
		plain = " "
	}
	*t = Text(plain)
	return nil
}

// PageInput is what every list takes.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100" doc:"How many items a page has at most."`
	Cursor string `query:"cursor" maxLength:"1000" doc:"The next of the previous page. Absent: the first page."`
}

// ReasonInput is what every change without a body takes.
type ReasonInput struct {
	Reason string `query:"reason" maxLength:"200" doc:"Why, for the audit log: one line."`
}

// Reason is a member of the body of every change.
type Reason struct {
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"Why, for the audit log: one line."`
}

// UserInput names a person.
type UserInput struct {
	ID Text `path:"id" doc:"The person's id."`
}

// list is a page of a list.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next page. Absent: this is the last."`
}

type listOf[T any] struct{ Body list[T] }

// listed is the answer with a page.
func listed[T any](page admin.Page[T], err error) (*listOf[T], error) {
	return listedAs(page, err, func(one T) T { return one })
}

func listedAs[A, B any](page admin.Page[A], err error, as func(A) B) (*listOf[B], error) {
	if err != nil {
		return nil, err
	}
	out := &listOf[B]{list[B]{Items: make([]B, len(page.Items)), Next: page.Next}}
	for i, one := range page.Items {
		out.Body.Items[i] = as(one)
	}
	return out, nil
}

// all is a list that has one page.
func all[T any](items []T, err error) (*listOf[T], error) {
	return listed(admin.Page[T]{Items: items}, err)
}

// answer is a resource.
type answer[T any] struct{ Body T }

// versioned is a resource with its entity tag.
type versioned[T any] struct {
	ETag string `header:"ETag" doc:"Entity tag of this version, for If-Match."`
	Body T
}

// created is a new resource with its address.
type created[T any] struct {
	Location string `header:"Location" doc:"Where it is."`
	Body     T
}

// createdVersion is a new resource with its address and its entity tag.
type createdVersion[T any] struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"Entity tag of this version, for If-Match."`
	Body     T
}

// newAt is the answer with a new resource, which has this name below a path.
func newAt[T any](s *service, path, name, version string, made T, err error) (*createdVersion[T], error) {
	if err != nil {
		return nil, err
	}
	return &createdVersion[T]{s.api.Location(path + url.PathEscape(name)), rest.ETag(version), made}, nil
}

// seen is the version that a change may be of, by its If-Match and what was just read, unless that
// failed with err. Empty: any.
func seen(ifMatch, version string, err error) (string, error) {
	if err == nil {
		err = rest.RequireMatch(ifMatch, version)
	}
	if ifMatch == "*" {
		version = ""
	}
	return version, err
}

// nothing is the answer 204.
type nothing struct{}

func done(err error) (*nothing, error) { return &nothing{}, err }

// once has an operation carried out once, by the Idempotency-Key of the request. It returns what the
// operation made, or, if an earlier request made it, what again returns for its id.
func once[T any](ctx context.Context, s *service, in rest.CreateInput, operation string, asked any,
	do func(ctx context.Context) (T, error), again func(id string) (T, error)) (T, error) {
	if in.IdempotencyKey == "" {
		return do(ctx)
	}
	var none T
	hash, err := rest.RequestHash(s.cfg.RepeatKey, asked)
	if err != nil {
		return none, err
	}
	repeat := &admin.Repeat{Operation: operation, Key: in.IdempotencyKey, Request: hash}
	made, err := do(admin.Repeatable(ctx, repeat))
	if errors.Is(err, admin.ErrRepeated) {
		return again(repeat.Made())
	}
	return made, err
}
