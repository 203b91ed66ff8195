package session

import "net/http"

// invitedFor is how long a browser keeps an invitation, in seconds: as long as its own cookie.
const invitedFor = 24 * 3600

// KeepInvitation keeps the secret of an invitation's link in the browser, so that no address has it
// any more. It returns false for what cannot be such a secret.
func (s *Sessions) KeepInvitation(w http.ResponseWriter, secret string) bool {
	if !isSecret(secret) {
		return false
	}
	s.setCookie(w, invitationCookie, secret, invitedFor)
	return true
}

// Invitation returns the secret of the invitation that the browser that sent r keeps; empty: none.
func (s *Sessions) Invitation(r *http.Request) (secret string) {
	secret, _ = s.cookie(r, invitationCookie)
	return secret
}

// ForgetInvitation removes the invitation from the browser.
func (s *Sessions) ForgetInvitation(w http.ResponseWriter) { s.setCookie(w, invitationCookie, "", -1) }
