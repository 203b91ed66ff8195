package login

import (
	"context"
	"net/http"
	"time"
)

// guessesOfSession is how many user codes of devices may be typed in vain in one session, within Limits.Window. Those that one network
// address may try are as many as failed log-ins.
const guessesOfSession = 10

// Guess takes the right to try one user code of a device in the session (RFC 8628 §5.1). Call end with how the try ended. When
// no try is left, ok is false, and wait tells when the next one comes free. [IsBusy] knows the error of too many tries at once.
func (s *Service) Guess(r *http.Request, sessionID string) (end func(right bool), wait time.Duration, ok bool, err error) {
	ctx, cancel := context.WithTimeout(r.Context(), passwordWait)
	defer cancel()
	subjects := append(addressSubjects(r, "device-address", s.cfg.Limits.Address), limited{"device:" + sessionID, guessesOfSession})
	taken, wait, ok, err := s.reserve(ctx, subjects...)
	return func(right bool) {
		if right {
			taken.release(r.Context())
		} else {
			taken.fail(r.Context())
		}
	}, wait, ok, err
}

// IsBusy tells whether something was not done because too many others are at it. It can be tried again in some seconds.
func IsBusy(err error) bool { return busy(err) }

// Origin is where a request came from, as it can be stored: its network address, and its User-Agent header, shortened.
func Origin(r *http.Request) (address, userAgent string) {
	return clientAddr(r).String(), cut(r.UserAgent(), 300)
}

// Device tells in plain words what a User-Agent header says of browser and system; what is not known is empty. Nothing of the
// header itself comes through.
func Device(userAgent string) (browser, system string) { return device(userAgent) }
