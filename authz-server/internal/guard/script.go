package guard

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"strconv"

	"github.com/maru-auth/maru/authz-server/internal/messages"
	"github.com/maru-auth/maru/authz-server/internal/sender"
	"github.com/maru-auth/maru/authz-server/internal/throttle"
	"github.com/maru-auth/maru/internal/httpd"
)

// maxScript is how large the JSON may be that a script of a page posts, in bytes.
const maxScript = 32 << 10

// Reply is what a script of a page is told.
type Reply struct {
	Location string `json:"location,omitempty"` // where the person goes on; a link to this server
	Problem  string `json:"problem,omitempty"`  // what is wrong, for the person
	Forget   string `json:"forget,omitempty"`   // the id of a credential that nobody has
}

// Script wraps a handler of JSON of at most 32 KiB that a script of this server's pages posts. It
// refuses what another site sent, as [Guard.Form] does, and what no script of ours can send; each
// sender has its turn.
func (g *Guard) Script(next func(w http.ResponseWriter, r *http.Request, body []byte)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.FromOtherSite(r) {
			httpd.NoteRefusal(w, "access_denied", "another site sent this (its Origin or Sec-Fetch-Site header says so)")
			g.Tell(w, http.StatusForbidden, Reply{Problem: g.pages.Problem(r, messages.ScriptRefused, 0)})
			return
		}
		// Another site's page can send this type only if the server allows it by CORS, which it
		// does not.
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			httpd.NoteRefusal(w, "invalid_request", "the Content-Type must be application/json")
			g.Tell(w, http.StatusUnsupportedMediaType, Reply{Problem: g.pages.Problem(r, messages.ScriptRefused, 0)})
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxScript))
		if err != nil {
			httpd.NoteRefusal(w, "invalid_request", "the body is too large or was cut off")
			g.Tell(w, http.StatusRequestEntityTooLarge, Reply{Problem: g.pages.Problem(r, messages.ScriptRefused, 0)})
			return
		}
		leave, err := g.throttle.Turn(r)
		if err != nil {
			g.RefuseScript(w, r, err)
			return
		}
		defer leave()
		next(w, r, body)
	})
}

// Tell answers a script with JSON that is stored nowhere.
func (g *Guard) Tell(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value) //nolint:errcheck // the client is gone
}

// TellRaw answers a script with a value that is in JSON already.
func (g *Guard) TellRaw(w http.ResponseWriter, value []byte) {
	g.Tell(w, http.StatusOK, json.RawMessage(value))
}

// LeadScript tells a script the path of this server where the person goes on.
func (g *Guard) LeadScript(w http.ResponseWriter, path string) {
	g.Tell(w, http.StatusOK, Reply{Location: g.at.Path(path)})
}

// RefuseScriptFor tells a script of a problem whose reason is for the log alone. forget is the id
// of a credential that nobody has, or empty.
func (g *Guard) RefuseScriptFor(w http.ResponseWriter, r *http.Request, problem messages.Problem, reason, forget string) {
	httpd.NoteRefusal(w, string(problem), reason)
	g.Tell(w, http.StatusUnprocessableEntity, Reply{Problem: g.pages.Problem(r, problem, 0), Forget: forget})
}

// RefuseScript tells a script what err keeps from being done, as [Guard.Refuse] tells a person.
func (g *Guard) RefuseScript(w http.ResponseWriter, r *http.Request, err error) {
	var wrong FormError
	var wait *throttle.WaitError
	switch {
	case errors.As(err, &wrong):
		for _, problem := range wrong {
			g.RefuseScriptFor(w, r, problem, "", "")
			return
		}
	case errors.As(err, &wait):
		g.log.WarnContext(r.Context(), wait.What+" slowed down", "request", httpd.RequestID(r.Context()), "from",
			sender.Addr(r).String())
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Wait.Seconds()))))
		g.Tell(w, http.StatusTooManyRequests, Reply{Problem: g.pages.Problem(r, messages.TooManyTries, wait.Wait)})
	case throttle.IsBusy(err):
		w.Header().Set("Retry-After", "5")
		g.Tell(w, http.StatusServiceUnavailable, Reply{Problem: g.pages.Problem(r, messages.Busy, 0)})
	default:
		g.noteFailure(r, err)
		g.Tell(w, statusOf(err), Reply{Problem: g.pages.Problem(r, messages.ServerFault, 0)})
	}
}
