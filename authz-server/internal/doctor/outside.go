package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// metadata is where the issuer says who it is.
const metadata = "/.well-known/openid-configuration"

// invented is an address that nobody has (RFC 5737): a request says that it comes from there.
const invented = "192.0.2.77"

// maxBody is how much of an answer is read, in bytes.
const maxBody = 256 << 10

// newClient makes a client that follows no redirect, and uses no proxy of this machine's.
func newClient(roots *x509.CertPool, now func() time.Time) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Time: now, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (p *patient) get(ctx context.Context, address string, h http.Header) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("User-Agent", "maru-doctor")
	for name, values := range h {
		r.Header[name] = values
	}
	res, err := p.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	return res, body, err
}

// reached is how the issuer answered.
type reached struct {
	from string    // our end of the connection
	date time.Time // of the answer, by who answered; zero: it says none
	at   time.Time // when it came, by our clock
	took time.Duration
	seen *Arrival // nil: the server did not say
}

// self asks the issuer who it is, as everybody does.
func self(ctx context.Context, p *patient) []Finding {
	if p.Issuer.String() == "" {
		return []Finding{found("issuer.skipped", "the issuer is not known")}
	}
	nonce, h := "", http.Header{"Cache-Control": {"no-cache"}, "X-Forwarded-For": {invented}}
	if p.Keys.KEK != nil {
		asked, n, err := question(p.Keys.KEK, p.Issuer)
		if err != nil {
			return []Finding{found("issuer.skipped", "%s", why(err))}
		}
		nonce = n
		h[header] = []string{asked}
	}
	r := &reached{}
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(c httptrace.GotConnInfo) { r.from = c.Conn.LocalAddr().String() },
	})
	began := p.Now()
	res, body, err := p.get(traced, p.Issuer.URL(metadata), h)
	r.at = p.Now()
	r.took = r.at.Sub(began)
	if err != nil {
		if !p.running {
			return []Finding{found("issuer.skipped", "%s does not answer, and no server runs here: %s", p.Issuer, why(err))}
		}
		return []Finding{found("issuer.unreachable", "%s", why(err))}
	}
	if res.StatusCode >= http.StatusInternalServerError && !p.running {
		return []Finding{found("issuer.skipped", "%s answers %s, and no server runs here", p.Issuer, cut(res.Status))}
	}
	if res.StatusCode != http.StatusOK {
		seen := cut(res.Status)
		if to := res.Header.Get("Location"); to != "" {
			seen += " to " + cut(to)
		}
		return []Finding{found("issuer.status", "%s answers %s", p.Issuer.URL(metadata), seen)}
	}
	var document struct{ Issuer string }
	if json.Unmarshal(body, &document) != nil || document.Issuer != p.Issuer.String() {
		return []Finding{found("issuer.other", "%s says that its issuer is %q", p.Issuer.URL(metadata), cut(document.Issuer))}
	}
	r.date, _ = http.ParseTime(res.Header.Get("Date"))
	p.reached = r
	if seen, ok := p.read(nonce, res.Header.Get(header)); ok {
		r.seen = &seen
	}
	return p.judgeSelf(ctx)
}

func (p *patient) read(nonce, answer string) (Arrival, bool) {
	if nonce == "" || answer == "" {
		return Arrival{}, false
	}
	return read(p.Keys.KEK, p.Issuer, nonce, answer)
}

// judgeSelf looks whether it is the server of this database that answered.
func (p *patient) judgeSelf(ctx context.Context) (all []Finding) {
	if missing, err := p.unpublished(ctx); err != nil {
		all = append(all, found("issuer.unreachable", "the key set: %s", why(err)))
	} else if missing != "" {
		all = append(all, found("issuer.keys", "the key set at the issuer lacks %s, which signs by this database", missing))
	}
	if p.reached.seen == nil && p.Keys.KEK != nil {
		all = append(all, found("issuer.silent", "the server does not say how requests arrive"))
	}
	if len(all) == 0 {
		all = append(all, found("issuer.ok", "%s answers with its own name, and with the keys of this database", p.Issuer))
	}
	return all
}

// unpublished is a key that signs by the database, and that the issuer does not publish.
func (p *patient) unpublished(ctx context.Context) (kid string, err error) {
	if len(p.current) == 0 {
		return "", nil
	}
	res, body, err := p.get(ctx, p.Issuer.URL("/.well-known/jwks.json"), http.Header{"Cache-Control": {"no-cache"}})
	if err != nil {
		return "", err
	}
	var set struct {
		Keys []struct{ Kid string }
	}
	if res.StatusCode != http.StatusOK || json.Unmarshal(body, &set) != nil {
		return p.current[0], nil
	}
	for _, kid := range p.current {
		if !slices.ContainsFunc(set.Keys, func(k struct{ Kid string }) bool { return k.Kid == kid }) {
			return kid, nil
		}
	}
	return "", nil
}

// expiresSoon is how long before its end a certificate should have been renewed.
const expiresSoon = 21 * 24 * time.Hour

// certificate looks at the certificate that the issuer shows.
func certificate(ctx context.Context, p *patient) []Finding {
	u, err := url.Parse(p.Issuer.String())
	switch {
	case err != nil || u.Hostname() == "":
		return []Finding{found("tls.skipped", "the issuer is not known")}
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return []Finding{found("tls.ok", "plain http, for the issuer is on this machine")}
	case u.Scheme == "http":
		return []Finding{found("tls.none", "the issuer is on plain http")}
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	at := net.JoinHostPort(u.Hostname(), port)
	dialer := &tls.Dialer{Config: &tls.Config{
		ServerName: u.Hostname(), InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, //nolint:gosec // judged below, to say what is wrong
	}}
	c, err := dialer.DialContext(ctx, "tcp", at)
	if err != nil && p.reached == nil {
		return []Finding{found("tls.skipped", "%s", why(err))}
	}
	if err != nil {
		return []Finding{found("tls.refused", "%s: %s", at, why(err))}
	}
	defer c.Close()
	secure, ok := c.(*tls.Conn)
	if !ok {
		return []Finding{found("tls.refused", "%s: no TLS", at)}
	}
	return judgeCertificate(secure.ConnectionState(), u.Hostname(), p.Roots, p.Now())
}

// judgeCertificate judges what a server shows for a host.
func judgeCertificate(state tls.ConnectionState, host string, roots *x509.CertPool, now time.Time) (all []Finding) {
	if state.Version < tls.VersionTLS12 {
		all = append(all, found("tls.old", "%s chose %s", host, tls.VersionName(state.Version)))
	}
	if len(state.PeerCertificates) == 0 {
		return append(all, found("tls.refused", "%s shows no certificate", host))
	}
	leaf := state.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, one := range state.PeerCertificates[1:] {
		between.AddCert(one)
	}
	if now.After(leaf.NotAfter) {
		return append(all, found("tls.expired", "the certificate of %s expired on %s", host, leaf.NotAfter.UTC().Format(time.DateOnly)))
	}
	chains, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between, CurrentTime: now})
	if err != nil {
		return append(all, found("tls.refused", "%s", why(err)))
	}
	ends := leaf.NotAfter
	for _, one := range chains[0][:max(1, len(chains[0])-1)] { // the root's end is its authority's to care for
		if one.NotAfter.Before(ends) {
			ends = one.NotAfter
		}
	}
	if left := ends.Sub(now); left < expiresSoon {
		return append(all, found("tls.expiring", "the certificate of %s ends in %d days", host, days(left)))
	}
	if len(all) == 0 {
		all = append(all, found("tls.ok", "%s, and a certificate that is good for %d days", tls.VersionName(state.Version), days(ends.Sub(now))))
	}
	return all
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.Unmap().IsLoopback()
}
