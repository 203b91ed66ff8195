package upstream

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/arrival"
	"github.com/maru-auth/maru/authz-server/internal/proofs"
	"github.com/maru-auth/maru/authz-server/internal/store/upstreams"
)

// since tells by the time at which the upstream says that the person logged in whether that is recent
// enough: since they were sent there, or, if age is not 0, at most age ago. The outcome is success,
// stale or, if the upstream does not say, undated. What it was asked for is no proof: whoever sits at
// the browser can take it out of the address.
func (p Person) since(sent, now time.Time, age time.Duration) string {
	least := sent
	if age > 0 {
		least = now.Add(-age)
	}
	switch {
	case p.authTime.IsZero():
		return undated
	case p.authTime.Before(least.Add(-proofs.ClocksDiffer)):
		return stale
	}
	return success
}

// demand adds to a request what it demands of the log-in there: that it is new, that it reaches what
// an application wants here, or that the person chooses an account.
func (s *Settings) demand(form url.Values, l upstreams.Login, a arrival.Arrival) {
	preset := presets[s.Preset]
	add := func(more url.Values) {
		for name, values := range more {
			form[name] = values
		}
	}
	switch anew := l.Purpose != upstreams.LogIn || a.Interaction.Fresh && a.Interaction.MaxAge == 0; {
	case (anew || a.Interaction.Fresh) && (preset.anew != nil || !s.OpenID()):
		add(preset.anew)
	case anew:
		add(url.Values{"prompt": {"login"}, "max_age": {"0"}})
	case a.Interaction.Fresh: // OpenID Connect Core §2: then the ID token has auth_time
		form.Set("max_age", strconv.Itoa(int(a.Interaction.MaxAge/time.Second)))
	case slices.Contains(strings.Fields(a.Interaction.Form.Get("prompt")), "select_account"):
		if preset.choose != nil || !s.OpenID() {
			add(preset.choose)
		} else {
			add(chooser)
		}
	}
	wanted := a.Demands()
	if s.OpenID() && len(s.StrongACR) > 0 && len(wanted.ACR) > 0 && !wanted.MetBy(proofs.ByUpstream) && wanted.MetBy(proofs.ByUpstreamWithCode) {
		form.Set("acr_values", strings.Join(s.StrongACR, " "))
	}
}
