// Package events receives security events: what an issuer tells a service of
// accounts and sessions, as signed JWTs (Security Event Tokens, RFC 8417) that
// it pushes to an address of the service (RFC 8935). It follows the OpenID
// Shared Signals Framework 1.0 with the events of CAEP 1.0 and RISC 1.0, and
// works with any transmitter of them.
//
// A [Verifier] decides whether a token is good and parses it into an [Event]; a
// [Handler] is the HTTP endpoint around it. What an event means is yours: one
// function gets each event, and does in one transaction of your own database
// what the event asks for and a note that it has done so.
//
//	verifier, err := events.NewVerifier(events.VerifierConfig{Issuer: issuer, Audience: audience, Keys: cache})
//	mux.Handle("POST /events", events.NewHandler(events.HandlerConfig{Verifier: verifier, Apply: notes.apply}))
//
// Events come at least once, and a transmitter repeats what was not
// acknowledged. So remember the ids ([Event.ID]) until [Verifier.Remember],
// after which the Verifier refuses the token for its age, and return
// [ErrDuplicate] for one that you have seen. The example of the package does
// all of this with database/sql.
//
// Everything is safe for use by many goroutines at once. The package needs only
// the standard library. Tests want [github.com/maru-auth/maru/jwks/jwkstest],
// whose issuer signs events too, good and bad.
package events
