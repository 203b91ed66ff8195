package web

import (
	"net/http"
	"net/url"

	"github.com/maru-auth/maru/client-demo/internal/backend"
	"github.com/maru-auth/maru/client-demo/internal/markdown"
)

// comment serves POST /posts/{id}: a comment on the post, or a reply to one.
func (a *App) comment(v *visit) error {
	f, id := v.sentForm(), v.r.PathValue("id")
	if f.Is("do", "preview") {
		f.first = "body"
		return a.showPost(v, f)
	}
	made, err := a.boards.WriteComment(v.r.Context(), v.token, id, f.Get("key"), f.Get("parent"), f.Get("body"), "markdown")
	if err == nil {
		v.session.SetFlash("commented")
		http.Redirect(v.w, v.r, a.cfg.Origin+"/posts/"+url.PathEscape(id)+"#c-"+url.PathEscape(made.ID), http.StatusSeeOther)
		return nil
	}
	if err := v.refused(f, err); err != nil {
		return err
	}
	f.first = "body" // it stands far below
	return a.showPost(v, f)
}

// commentPage is the page to change a comment.
type commentPage struct {
	Form    *form
	Action  string
	Back    string
	Preview *markdown.Text // nil: none was asked for
}

// ownComment reads the comment that the path names.
func (a *App) ownComment(v *visit) (backend.Comment, string, error) {
	return a.boards.Comment(v.r.Context(), v.token, v.r.PathValue("id"))
}

// editCommentForm serves GET /comments/{id}/edit.
func (a *App) editCommentForm(v *visit) error {
	comment, etag, err := a.ownComment(v)
	if err != nil {
		return err
	}
	if comment.Author.ID != v.session.Subject {
		return v.message(http.StatusForbidden, "forbidden_title", "not_yours")
	}
	f := v.newForm(url.Values{"body": {comment.Body}, "etag": {etag}, "post": {comment.Post}})
	return v.render(http.StatusOK, "comment", v.t("edit_comment_title"), commentPage{Form: f, Action: v.r.URL.Path, Back: "/posts/" + comment.Post})
}

// editComment serves POST /comments/{id}/edit.
func (a *App) editComment(v *visit) error {
	comment, etag, err := a.ownComment(v)
	if err != nil {
		return err
	}
	f := v.sentForm()
	back := "/posts/" + comment.Post
	if f.Is("do", "preview") {
		preview, err := a.markdown.Render(v.r.Context(), markdown.Source{Format: comment.Format, Body: f.Get("body")})
		if err != nil {
			return err
		}
		return v.render(http.StatusOK, "comment", v.t("edit_comment_title"), commentPage{f, v.r.URL.Path, back, &preview})
	}
	err = a.boards.ChangeComment(v.r.Context(), v.token, comment.ID, f.Get("etag"), f.Get("body"))
	switch {
	case err == nil:
		v.session.SetFlash("saved")
		return v.redirect(back)
	case changed(err):
		v.lost(f, map[string]string{"body": comment.Body}, etag)
	default:
		if err := v.refused(f, err); err != nil {
			return err
		}
	}
	return v.render(f.status, "comment", v.t("edit_comment_title"), commentPage{Form: f, Action: v.r.URL.Path, Back: back})
}

// deleteCommentForm serves GET /comments/{id}/delete.
func (a *App) deleteCommentForm(v *visit) error { return a.confirmDeleteComment(v, "") }

func (a *App) confirmDeleteComment(v *visit, notice string) error {
	comment, etag, err := a.ownComment(v)
	if err != nil {
		return err
	}
	f := &form{Values: url.Values{"etag": {etag}}, Notice: notice}
	status := http.StatusOK
	if notice != "" {
		status = http.StatusConflict
	}
	return v.render(status, "delete", v.t("delete_comment_title"),
		confirmation{v.t("delete_comment"), comment.Body, f, v.r.URL.Path, "/posts/" + comment.Post})
}

// deleteComment serves POST /comments/{id}/delete.
func (a *App) deleteComment(v *visit) error {
	comment, _, err := a.ownComment(v)
	if err != nil {
		return err
	}
	err = a.boards.DeleteComment(v.r.Context(), v.token, comment.ID, v.text("etag"))
	if changed(err) {
		return a.confirmDeleteComment(v, v.t("delete_changed"))
	}
	if err != nil {
		return err
	}
	v.session.SetFlash("deleted")
	return v.redirect("/posts/" + comment.Post)
}

// moderateComment serves POST /comments/{id}/moderate with action=hide or show.
func (a *App) moderateComment(v *visit) error {
	action := v.text("action")
	if action != "hide" && action != "show" {
		return errNoSuchAction
	}
	if err := a.boards.HideComment(v.r.Context(), v.token, v.r.PathValue("id"), action == "hide"); err != nil {
		return err
	}
	v.session.SetFlash("moderated")
	return v.redirect("/posts/" + v.text("post"))
}
