package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/maru-auth/maru/authz-server/internal/issuer"
	"github.com/maru-auth/maru/authz-server/internal/mail/smtp"
	"github.com/maru-auth/maru/internal/sqldb"
)

// cookies looks to whom browsers send the issuer's cookies, and whether they arrive as they were set.
func cookies(ctx context.Context, p *patient) []Finding {
	all := judgeHost(p.Issuer, p.APIOrigin)
	if p.reached != nil {
		// A page of the account sends whoever is not logged in to /login, and notes where they wanted to go.
		res, _, err := p.get(ctx, p.Issuer.URL("/account"), nil)
		if err == nil {
			all = append(all, judgeAnswer(p.Issuer, res)...)
		}
	}
	if len(all) == 0 {
		all = append(all, found("cookies.ok", "they are named %s and belong to this host alone", p.Issuer.Cookie("…")))
	}
	return all
}

// judgeHost judges who else shares the issuer's host.
func judgeHost(at issuer.URL, api string) (all []Finding) {
	u, err := url.Parse(at.String())
	if err != nil || isLoopback(u.Hostname()) {
		return nil // development
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		all = append(all, found("cookies.address", "the issuer's host is the address %s", u.Hostname()))
	}
	if at.CookiePath() != "/" {
		all = append(all, found("cookies.shared", "the issuer has only the path %s of %s", at.CookiePath(), at.Origin()))
	}
	if other, err := url.Parse(api); err == nil && other.Hostname() == u.Hostname() {
		all = append(all, found("cookies.port", "the API origin %s has the issuer's host", api))
	}
	return all
}

// judgeAnswer looks whether a proxy changed a cookie or a redirect on its way.
func judgeAnswer(at issuer.URL, res *http.Response) (all []Finding) {
	for _, one := range res.Cookies() {
		if !strings.Contains(one.Name, "maru-") {
			continue // a load balancer's own
		}
		_, name, _ := strings.Cut(one.Name, "maru-")
		if want := at.Cookie("maru-" + name); one.Name != want || one.Path != at.CookiePath() || one.Domain != "" || one.Secure != at.Secure() {
			all = append(all, found("cookies.changed", "the cookie %s arrives as %q, for the path %q and the domain %q, secure %t",
				want, cut(one.Name), cut(one.Path), cut(one.Domain), one.Secure))
		}
	}
	if to := res.Header.Get("Location"); to != "" {
		u, err := url.Parse(to)
		if err != nil || u.Host != "" && u.Scheme+"://"+u.Host != at.Origin() || !strings.HasPrefix(u.Path, at.Path("/")) {
			all = append(all, found("cookies.moved", "a page of %s leads to %s", at, cut(to)))
		}
	}
	return all
}

// proxies looks at what the proxies on the way say about a request.
func proxies(_ context.Context, p *patient) []Finding {
	if p.reached == nil || p.reached.seen == nil {
		return []Finding{found("proxies.skipped", "nobody says how requests arrive")}
	}
	return judgeArrival(*p.reached.seen, p.reached.from, p.Issuer)
}

// judgeArrival judges how a request arrived that was sent from the address from, and said that it
// came from another.
func judgeArrival(seen Arrival, from string, at issuer.URL) (all []Finding) {
	add := func(id, format string, args ...any) { all = append(all, found(id, format, args...)) }
	u, err := url.Parse(at.String())
	if err != nil {
		return nil
	}
	if seen.Host != u.Host && seen.ForwardedHost != u.Host {
		add("proxies.host", "the server sees the host %q, and X-Forwarded-Host %q, for %s", seen.Host, seen.ForwardedHost, u.Host)
	}
	if seen.Peer == from {
		if len(all) == 0 {
			add("proxies.ok", "there is none: requests arrive directly")
		}
		return all
	}
	peer, _, _ := net.SplitHostPort(seen.Peer)
	last := ""
	if n := len(seen.ForwardedFor); n > 0 {
		last = seen.ForwardedFor[n-1]
	}
	if last == "" {
		add("proxies.no_client", "the proxy at %s does not say who called it", peer)
	} else if last == invented {
		add("proxies.passes_on", "the proxy at %s passed on the address that the caller invented", peer)
	}
	if last != "" && sameAddress(seen.Client, peer) && !sameAddress(last, peer) {
		add("proxies.untrusted", "the server does not believe the proxy at %s, and takes it for the caller", peer)
	}
	switch seen.ForwardedProto {
	case u.Scheme:
	case "":
		add("proxies.no_proto", "the proxy at %s does not say by which scheme it was called", peer)
	default:
		add("proxies.proto", "the proxy at %s says that it was called by %q", peer, seen.ForwardedProto)
	}
	if len(all) == 0 {
		add("proxies.ok", "the proxy at %s says that we come from %s, and is believed", peer, seen.Client)
	}
	return all
}

func sameAddress(a, b string) bool {
	one, err := netip.ParseAddr(a)
	other, failed := netip.ParseAddr(b)
	return err == nil && failed == nil && one.Unmap() == other.Unmap()
}

// mail goes to the mail server, without a letter.
func mail(ctx context.Context, p *patient) []Finding {
	if p.Mail == nil {
		return []Finding{found("mail.none", "mail is not configured")}
	}
	probe, err := p.Mail.Probe(ctx)
	p.probed, p.probeAt = &probe, p.Now()
	if err != nil {
		return []Finding{found(mailFindings[probe.Reached], "%s: %s", p.Mail.Server(), why(err))}
	}
	if left := probe.Expires.Sub(p.Now()); probe.TLS && left < expiresSoon {
		return []Finding{found("mail.expiring", "the certificate of %s ends in %d days", p.Mail.Server(), days(left))}
	}
	text := p.Mail.Server() + " would take letters of ours"
	if probe.TLS {
		text += fmt.Sprintf(", by TLS with a certificate that is good for %d days", days(probe.Expires.Sub(p.Now())))
	}
	return []Finding{found("mail.ok", "%s", text)}
}

var mailFindings = map[smtp.Step]string{
	"": "mail.unreachable", smtp.Dialing: "mail.unreachable", smtp.Greeting: "mail.greeting", smtp.Securing: "mail.tls",
	smtp.LoggedIn: "mail.log-in", smtp.From: "mail.sender",
}

// maxOffset is how far clocks of others may be from ours: they are told in whole seconds.
const maxOffset = sqldb.MaxClockOffset + time.Second

// clock compares this machine's clock with all others that were met.
func clock(_ context.Context, p *patient) (all []Finding) {
	compared := []string{}
	if p.database.Engine == sqldb.Postgres && p.store != nil {
		if p.database.Clock != nil {
			all = append(all, found("clock.database", "%s", why(p.database.Clock)))
		}
		compared = append(compared, "the database's")
	}
	compare := func(id, whose string, theirs, ours time.Time, took time.Duration) {
		if theirs.IsZero() {
			return
		}
		compared = append(compared, whose)
		if ahead := ours.Sub(theirs); ahead.Abs() > maxOffset+took {
			direction := "ahead of"
			if ahead < 0 {
				direction = "behind"
			}
			all = append(all, found(id, "this machine's clock is %s %s %s", ahead.Abs().Round(time.Second), direction, whose))
		}
	}
	if r := p.reached; r != nil {
		compare("clock.issuer", "the gateway's", r.date, r.at, r.took)
		if r.seen != nil {
			compare("clock.issuer", "the server's", r.seen.At, r.at, r.took)
		}
	}
	if p.probed != nil {
		compare("clock.mail", "the mail server's", timeIn(p.probed.Greeting), p.probeAt, 2*time.Second)
	}
	switch {
	case len(all) > 0:
	case len(compared) == 0:
		all = append(all, found("clock.skipped", "no other clock was met"))
	default:
		all = append(all, found("clock.ok", "it agrees with %s", strings.Join(compared, ", ")))
	}
	return all
}

// timeIn finds the time that some mail servers greet with; zero: there is none.
func timeIn(greeting string) time.Time {
	words := strings.Fields(greeting)
	for i := range words {
		for _, n := range []int{6, 5} {
			if i+n > len(words) {
				continue
			}
			text := strings.Join(words[i:i+n], " ")
			for _, layout := range []string{"Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04:05 MST"} {
				if at, err := time.Parse(layout, text); err == nil && (layout[len(layout)-1] != 'T' || strings.HasSuffix(text, "GMT") || strings.HasSuffix(text, "UTC")) {
					return at
				}
			}
		}
	}
	return time.Time{}
}
