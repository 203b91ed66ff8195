package api

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// resource is what the service says of itself.
var resource = rest.Resource{
	Name: "Maru board service",
	Description: "Boards, posts and comments. Texts are in Unicode and kept in normalization form C, with \\n between lines; lengths count code points. " +
		"Markdown is kept as it was written: whoever shows it renders it, and must not trust it. " +
		"A change needs the ETag of what was read in If-Match: 428 without, 412 when somebody else was faster. " +
		"A request that creates may carry an Idempotency-Key: sent again within 24 hours it creates nothing new and gets what the first one created. " +
		"Lists come in pages: send the next of one page as the cursor of the following one. " +
		"Errors are problem documents (RFC 9457). Members may be added to answers within this version: ignore those you do not know.",
	Tags: []*huma.Tag{
		{Name: "boards", Description: "Places for posts."},
		{Name: "posts", Description: "What people write."},
		{Name: "comments", Description: "What people say to it, with one level of replies."},
		{Name: "moderation", Description: "For people with the role moderator, with a token of the scope " + scopeModerate + "."},
	},
	Scopes: []rest.Scope{
		{Name: scopeRead, Text: "Read boards, posts and comments.", People: true, Clients: true},
		{Name: scopeWrite, Text: "Write posts and comments; change and delete one's own.", People: true},
		{Name: scopeModerate, Text: "Pin, lock, hide and delete what others wrote, and make boards: for people with the role moderator.", People: true},
	},
	Problem: problem,
}

func forbidden(detail string) *rest.Problem {
	return &rest.Problem{Status: http.StatusForbidden, Detail: detail}
}

// problem is the answer to an error that a handler may return; nil: there is none for it.
func problem(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &rest.Problem{Status: http.StatusNotFound, Detail: "There is no such thing, or it is hidden from you."}
	case errors.Is(err, store.ErrChanged):
		return rest.Changed()
	case errors.Is(err, store.ErrLocked):
		return forbidden("The post is locked: there are no changes and no new comments.")
	case errors.Is(err, store.ErrExists):
		return &rest.Problem{Status: http.StatusConflict, Detail: "There is a board with this slug already."}
	case errors.Is(err, store.ErrParent):
		return rest.Invalid("body.parent", errors.New("must be the id of a comment of this post"))
	case errors.Is(err, store.ErrReplyToReply):
		return rest.Invalid("body.parent", errors.New("is a reply itself; reply to the comment that it replies to"))
	case errors.Is(err, errManySearches):
		return later(http.StatusTooManyRequests, "You are searching already. Wait for the answers before you search again.")
	case errors.Is(err, errSearchesBusy):
		return later(http.StatusServiceUnavailable, "Too many are searching at the moment. Try again.")
	case errors.Is(err, store.ErrKeyReused):
		return rest.Invalid("header.Idempotency-Key", errors.New("was used for another request; make a new key for each new request"))
	}
	return nil
}

// later is a problem that goes away by itself.
func later(status int, detail string) error {
	return huma.ErrorWithHeaders(&rest.Problem{Status: status, Detail: detail}, http.Header{"Retry-After": {"1"}})
}
