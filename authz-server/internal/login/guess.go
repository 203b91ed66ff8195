package login

import (
	"net/http"
	"time"
)

// guessesOfSession is how many user codes of devices may be typed in vain in one session, within Limits.Window. Those that one network
// address may try are as many as failed log-ins.
const guessesOfSession = 10

// Guess takes the right to try one user code of a device in the session (RFC 8628 §5.1). It counts as wrong unless giveBack is called.
// When no try is left, ok is false, and wait tells when the next one comes free.
func (s *Service) Guess(r *http.Request, sessionID string) (giveBack func(), wait time.Duration, ok bool, err error) {
	taken, wait, ok, err := s.reserve(r.Context(), limited{"device-address:" + network(clientAddr(r)), s.cfg.Limits.Address}, limited{"device:" + sessionID, guessesOfSession})
	return func() { taken.release(r.Context()) }, wait, ok, err
}

// Origin is where a request came from, as it can be stored: its network address, and its User-Agent header, shortened.
func Origin(r *http.Request) (address, userAgent string) {
	return clientAddr(r).String(), cut(r.UserAgent(), 300)
}

// Device tells in plain words what a User-Agent header says of browser and system; what is not known is empty. Nothing of the
// header itself comes through.
func Device(userAgent string) (browser, system string) { return device(userAgent) }
