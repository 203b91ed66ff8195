package web

import (
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/text/language"

	"github.com/maru-auth/maru/client-demo/internal/flow"
)

// languages that the app speaks. The first is for those who ask for neither.
var languages = []string{"en", "ko"}

var matcher = language.NewMatcher([]language.Tag{language.English, language.Korean})

// languageCookie is no secret and harms nobody who changes it, so it needs no prefix.
const languageCookie = "demo-language"

// languageOf chooses by what the person switched to here, then by their settings, then by what their browser asks for.
func languageOf(r *http.Request, prefs flow.Preferences) string {
	if cookie, err := r.Cookie(languageCookie); err == nil && (cookie.Value == "en" || cookie.Value == "ko") {
		return cookie.Value
	}
	if prefs.Language != "" {
		return prefs.Language
	}
	header := r.Header.Get("Accept-Language")
	if len(header) > 500 {
		return languages[0]
	}
	_, i := language.MatchStrings(matcher, header)
	return languages[i]
}

// language serves POST /language, the switch at the end of each page.
func (a *App) language(v *visit) error {
	lang := v.text("lang")
	if lang != "en" && lang != "ko" {
		return errNoSuchAction
	}
	v.setLanguage(lang, 365*24*60*60)
	return v.redirect(v.text("to"))
}

// forgetLanguage undoes the switch.
func (v *visit) forgetLanguage() { v.setLanguage("", -1) }

func (v *visit) setLanguage(lang string, maxAge int) { v.setOpenCookie(languageCookie, lang, maxAge) }

// setOpenCookie sets a cookie that is no secret.
func (v *visit) setOpenCookie(name, value string, maxAge int) {
	http.SetCookie(v.w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, //nolint:gosec // G124: Secure with https
		Secure: strings.HasPrefix(v.app.cfg.Origin, "https://"), SameSite: http.SameSiteLaxMode})
}

func (v *visit) t(key string, args ...any) string { return translate(v.lang, key, args...) }

// translate returns the message in a language. A key that there is not is shown as it is; a test finds those.
func translate(lang, key string, args ...any) string {
	text, ok := messages[key]
	if !ok {
		return key
	}
	message := text[0]
	if lang == "ko" {
		message = text[1]
	}
	if len(args) > 0 {
		return fmt.Sprintf(message, args...)
	}
	return message
}

func known(key string) bool {
	_, ok := messages[key]
	return ok
}
