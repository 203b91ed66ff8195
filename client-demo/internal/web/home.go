package web

import (
	"github.com/maru-auth/maru/client-demo/internal/pages"
	"github.com/maru-auth/maru/client-demo/internal/site"
)

// home serves GET /.
func (a *App) home(v *site.Visit) error {
	if v.Session == nil {
		return a.welcome(v)
	}
	var page pages.Home
	boards, err := a.boards.All(v)
	if page.BoardNotice, err = v.Notice(err); err != nil {
		return err
	}
	page.Boards = boards
	profile, _, err := a.users.Me(v.R.Context(), v.Token)
	if page.UserNotice, err = v.Notice(err); err != nil {
		return err
	}
	if page.UserNotice == "" {
		v.Session.SetName(profile.DisplayName)
		page.Profile = &profile
	}
	return v.Show(page)
}

// welcome is the home page of strangers.
func (a *App) welcome(v *site.Visit) error {
	if a.flow.LoggedOut(v.W, v.R) {
		setLeft(v, "logged_out")
		return v.Redirect("/") // so that a reload does not say it again
	}
	page := pages.Home{Issuer: a.cfg.Issuer, LoggedOut: takeLeft(v)}
	if err := a.flow.Reachable(v.R.Context()); err != nil {
		page.IssuerNotice = v.T("issuer_down", a.cfg.Issuer)
	}
	return v.Show(page)
}

// language serves POST /language, the switch at the end of each page.
func (a *App) language(v *site.Visit) error {
	if !v.SwitchLanguage(v.Text("lang")) {
		return site.ErrNoSuchAction
	}
	return v.Redirect(v.Text("to"))
}
