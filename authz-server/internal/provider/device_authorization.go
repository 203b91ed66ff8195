package provider

import (
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/ory/fosite"

	"github.com/maru-auth/maru/authz-server/internal/client"
	"github.com/maru-auth/maru/authz-server/internal/login"
	"github.com/maru-auth/maru/authz-server/internal/store"
)

// How a device waits for its person (RFC 8628 §3.2).
const (
	deviceCodeLifetime = 10 * time.Minute
	devicePollInterval = 5 * time.Second
)

// userCodeLetters are consonants alone, so that no code is a word (RFC 8628 §6.1). Eight of them are 34 bits: with so few
// guesses as a session has, and so short a life, nobody finds a code by chance.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// newUserCode makes a user code, without separators.
func newUserCode() string {
	code := make([]byte, 0, userCodeLength)
	for len(code) < userCodeLength {
		var b [1]byte
		rand.Read(b[:])
		if int(b[0]) < 256-256%len(userCodeLetters) { // or else some letters would be likelier
			code = append(code, userCodeLetters[int(b[0])%len(userCodeLetters)])
		}
	}
	return string(code)
}

// showUserCode is a user code as people see it: XXXX-XXXX. Empty stays empty.
func showUserCode(code string) string {
	if len(code) != userCodeLength {
		return ""
	}
	return code[:userCodeLength/2] + "-" + code[userCodeLength/2:]
}

// readUserCode is what a person typed, in any case and with separators or without, as it is stored. Empty: it cannot be a code.
func readUserCode(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	code := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '.' {
			return -1
		}
		return unicode.ToUpper(r)
	}, typed)
	if len(code) != userCodeLength || strings.Trim(code, userCodeLetters) != "" {
		return ""
	}
	return code
}

// deviceLink is the page where a person decides on a device, with the code filled in; empty: to be typed.
func deviceLink(userCode string) string {
	if userCode = showUserCode(readUserCode(userCode)); userCode == "" {
		return "/device"
	}
	return "/device?user_code=" + userCode
}

// authorizeDevice gives a device the two codes of RFC 8628 §3.2: one to poll with, and one for its person. A DPoP proof with the
// request binds the first to the key, as RFC 9449 §10.1 does for a pushed request.
func (s *Server) authorizeDevice(w http.ResponseWriter, r *http.Request) {
	noStore(w)
	if err := parseForm(r); err != nil {
		s.writeError(w, r, err)
		return
	}
	leave, err := s.turn(r, true)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	defer leave()
	caller, err := s.authenticate(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if !caller.HasGrantType(client.DeviceCode) {
		s.writeError(w, r, refuse(fosite.ErrUnauthorizedClient, "the client is not registered for the grant "+client.DeviceCode))
		return
	}
	if err := s.countPending(r, pendingDevice, caller); err != nil {
		s.writeError(w, r, err)
		return
	}
	d := store.DeviceCode{ClientID: caller.ID, Interval: devicePollInterval, ExpiresAt: s.now().Add(deviceCodeLifetime)}
	if d.Scope, err = readScope(caller, r.PostForm.Get("scope")); err == nil {
		d.Audience, err = s.narrowAudience(d.Scope, r.PostForm["resource"])
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	proof, err := s.readProof(r, "")
	if err == nil {
		err = s.spendProof(r.Context(), caller, proof)
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if proof != nil {
		d.KeyThumbprint = proof.thumbprint
	}
	d.Address, d.UserAgent = login.Origin(r)
	deviceCode := store.NewSecret()
	d.Hash = store.Hash(deviceCode)
	for range 5 { // of 25 billion codes, one that is taken is rare, and five in a row are a failure
		d.UserCode = newUserCode()
		if err = s.store.CreateDeviceCode(r.Context(), d); !errors.Is(err, store.ErrExists) {
			break
		}
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code":               deviceCode,
		"user_code":                 showUserCode(d.UserCode),
		"verification_uri":          s.at.URL(deviceLink("")),
		"verification_uri_complete": s.at.URL(deviceLink(d.UserCode)),
		"expires_in":                int64(deviceCodeLifetime / time.Second),
		"interval":                  int64(devicePollInterval / time.Second),
	})
}
