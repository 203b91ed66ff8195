package boards

import (
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
)

// WriteComment serves POST /posts/{id}: a comment on the post, or a reply to one.
func (h *Handlers) WriteComment(v *site.Visit) error {
	f, id := v.SentForm(), v.R.PathValue("id")
	if !f.Is("do", "preview") {
		text := backend.CommentText{Body: f.Get("body"), Format: "markdown", Parent: f.Get("parent")}
		made, err := h.boards.WriteComment(v.R.Context(), v.Token, id, f.Get("key"), text)
		if err == nil {
			v.Session.SetFlash("commented")
			return v.Redirect("/posts/" + url.PathEscape(id) + "#c-" + made.ID)
		}
		if err := v.Refused(f, err); err != nil {
			return err
		}
	}
	f.FocusOn("body")
	return h.showPost(v, f)
}

// comment reads the comment that the path names.
func (h *Handlers) comment(v *site.Visit) (backend.Comment, string, error) {
	return h.boards.Comment(v.R.Context(), v.Token, v.R.PathValue("id"))
}

// showComment shows the form to change a comment.
func (h *Handlers) showComment(v *site.Visit, comment backend.Comment, f *pages.Form) error {
	preview, err := h.preview(v, f, comment.Format)
	if err != nil {
		return err
	}
	return v.Show(pages.EditComment{Form: f, Action: v.R.URL.Path, Back: "/posts/" + comment.Post, Preview: preview})
}

// EditCommentForm serves GET /comments/{id}/edit.
func (h *Handlers) EditCommentForm(v *site.Visit) error {
	comment, etag, err := h.comment(v)
	if err != nil {
		return err
	}
	if !v.Is(comment.Author.ID) {
		return v.Message(http.StatusForbidden, "forbidden_title", "not_yours")
	}
	return h.showComment(v, comment, v.NewForm(url.Values{"body": {comment.Body}, "etag": {etag}}))
}

// EditComment serves POST /comments/{id}/edit.
func (h *Handlers) EditComment(v *site.Visit) error {
	comment, _, err := h.comment(v)
	if err != nil {
		return err
	}
	show := func(f *pages.Form) error { return h.showComment(v, comment, f) }
	if f := v.SentForm(); f.Is("do", "preview") {
		return show(f)
	}
	return v.Edit(site.Edit{
		Save: func(f *pages.Form) error {
			return h.boards.ChangeComment(v.R.Context(), v.Token, comment.ID, f.Get("etag"), f.Get("body"))
		},
		Read: func() (map[string]string, string, error) {
			saved, etag, err := h.comment(v)
			return map[string]string{"body": saved.Body}, etag, err
		},
		Show: show,
		Then: "/posts/" + comment.Post,
	})
}

// DeleteCommentForm serves GET /comments/{id}/delete.
func (h *Handlers) DeleteCommentForm(v *site.Visit) error { return h.confirmDeleteComment(v, "") }

func (h *Handlers) confirmDeleteComment(v *site.Visit, again string) error {
	comment, etag, err := h.comment(v)
	if err != nil {
		return err
	}
	return confirm(v, pages.Delete{
		Title: v.T("delete_comment_title"), Question: v.T("delete_comment"), Quote: comment.Body,
		ETag: etag, Back: "/posts/" + comment.Post,
	}, again)
}

// DeleteComment serves POST /comments/{id}/delete.
func (h *Handlers) DeleteComment(v *site.Visit) error {
	comment, _, err := h.comment(v)
	if err != nil {
		return err
	}
	err = h.boards.DeleteComment(v.R.Context(), v.Token, comment.ID, v.Text("etag"))
	return deleted(v, err, func(again string) error { return h.confirmDeleteComment(v, again) }, "/posts/"+comment.Post)
}

// ModerateComment serves POST /comments/{id}/moderate with action=hide or show.
func (h *Handlers) ModerateComment(v *site.Visit) error {
	do, ok := marks[v.Text("action")]
	if !ok || do.mark != "hidden" {
		return site.ErrNoSuchAction
	}
	if err := h.boards.HideComment(v.R.Context(), v.Token, v.R.PathValue("id"), do.on); err != nil {
		return err
	}
	v.Session.SetFlash("moderated")
	return v.Redirect("/posts/" + v.Text("post"))
}
