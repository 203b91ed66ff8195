package api

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/maru-auth/maru/internal/rest"
	"github.com/maru-auth/maru/resources/board/internal/store"
)

// resource is what the service says of itself.
var resource = rest.Resource{
	Name: "Maru board service",
	Description: "Boards, posts and comments. Texts are Unicode, kept in normalization form C, with \\n " +
		"between lines; lengths count code points. " +
		"Markdown is kept as it was written: if you show it, render it, and do not trust it. " +
		"To change something, send the ETag that you read with it in If-Match: without one the answer is " +
		"428, and 412 if somebody else was faster. " +
		"A request that creates may carry an Idempotency-Key: repeated within 24 hours, it creates nothing " +
		"new and returns what the first one created. " +
		"Lists come in pages: to get the following page, send the next of this one as the cursor. " +
		"Errors are problem documents (RFC 9457). Answers may get new members within this version: ignore those you do not know.",
	Tags: []*huma.Tag{
		{Name: "boards", Description: "Places for posts."},
		{Name: "posts", Description: "What people write."},
		{Name: "comments", Description: "Answers to posts, with one level of replies."},
		{Name: "me", Description: "What belongs to the person whose token you send."},
		{Name: "events", Description: "What the issuer tells the service."},
		{Name: "moderation", Description: "For people with the role moderator, with a token for the scope " + scopeModerate + "."},
	},
	Scopes: []rest.Scope{
		{Name: scopeRead, Text: "Read boards, posts and comments.", People: true, Clients: true},
		{Name: scopeWrite, Text: "Write posts and comments; change and delete one's own.", People: true},
		{Name: scopeModerate, Text: "Pin, lock, hide and delete what others wrote, and make boards: for " +
			"people with the role moderator.", People: true},
	},
	Problem: problem,
}

func forbidden(detail string) *rest.Problem {
	return &rest.Problem{Status: http.StatusForbidden, Detail: detail}
}

// problem is the answer to an error that a handler may return; nil: there is none for it.
func problem(err error) error {
	if needed, ok := errors.AsType[*store.WriteRoleError](err); ok {
		return forbidden("This board takes posts and comments from people with the role " + needed.Role + " alone; the token does not say that you have it.")
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return &rest.Problem{Status: http.StatusNotFound, Detail: "There is no such thing, or it is hidden from you."}
	case errors.Is(err, store.ErrChanged):
		return rest.Changed()
	case errors.Is(err, store.ErrDeleted):
		return &rest.Problem{Status: http.StatusGone, Detail: "The account of this person was deleted."}
	case errors.Is(err, store.ErrLocked):
		return forbidden("The post is locked: it takes no changes and no new comments.")
	case errors.Is(err, store.ErrModeratorsOnly):
		return forbidden("Only moderators may write posts on this board.")
	case errors.Is(err, store.ErrExists):
		return &rest.Problem{Status: http.StatusConflict, Detail: "A board with this slug exists already."}
	case errors.Is(err, store.ErrParent):
		return rest.Invalid("body.parent", errors.New("must be the id of a comment of this post"))
	case errors.Is(err, store.ErrReplyToReply):
		return rest.Invalid("body.parent", errors.New("is itself a reply; reply to the comment that it replies to"))
	case errors.Is(err, errManySearches):
		return later(http.StatusTooManyRequests, "Your earlier searches are still running. Wait for their "+
			"answers before you search again.", time.Second)
	case errors.Is(err, errSearchesBusy):
		return later(http.StatusServiceUnavailable, "Too many searches are running at the moment. Try again.", time.Second)
	case errors.Is(err, store.ErrKeyReused):
		return rest.Invalid("header.Idempotency-Key", errors.New("was used for another request; use a new key for each new request"))
	}
	return nil
}

// later is a problem that goes away by itself.
func later(status int, detail string, after time.Duration) error {
	seconds := strconv.Itoa(int(after.Seconds()))
	return huma.ErrorWithHeaders(&rest.Problem{Status: status, Detail: detail}, http.Header{"Retry-After": {seconds}})
}
