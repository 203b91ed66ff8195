package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/maru-auth/maru/deploy/load/driver"
)

// browser is that of somebody at one server.
type browser struct {
	conn    *driver.Conn
	host    string
	cookies map[string]string
}

func newBrowser(address, host string) *browser {
	return &browser{driver.NewConn(address), host, map[string]string{}}
}

func (b *browser) send(ctx context.Context, method, path, body string) (driver.Answer, error) {
	var pairs []string
	for name, value := range b.cookies {
		pairs = append(pairs, name+"="+value)
	}
	header := []string{"Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded"}
	if len(pairs) > 0 {
		header = append(header, "Cookie", strings.Join(pairs, "; "))
	}
	a, err := b.conn.Do(ctx, driver.NewRequest(method, b.host, path, body, header...))
	if err != nil {
		return a, err
	}
	for _, line := range a.Header["Set-Cookie"] {
		cookie, err := http.ParseSetCookie(line)
		switch {
		case err != nil:
		case cookie.MaxAge < 0 || cookie.Value == "":
			delete(b.cookies, cookie.Name)
		default:
			b.cookies[cookie.Name] = cookie.Value
		}
	}
	return a, nil
}

// step asks for a page that leads elsewhere, and returns where.
func (b *browser) step(ctx context.Context, path string) (*url.URL, error) {
	a, err := b.send(ctx, http.MethodGet, path, "")
	if err != nil {
		return nil, err
	}
	if a.Status != http.StatusSeeOther {
		if err := a.Want(http.StatusFound); err != nil {
			return nil, err
		}
	}
	return url.Parse(a.Header.Get("Location"))
}

// code goes where the server leads until that is the app, and returns the code that came along.
func (b *browser) code(ctx context.Context, path string) (string, error) {
	for range 6 {
		at, err := b.step(ctx, path)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(at.String(), redirectURI) {
			return codeIn(at)
		}
		path = at.RequestURI()
	}
	return "", fmt.Errorf("it leads round and round, at last to %s", path)
}

// codeIn returns the code in an address of the app.
func codeIn(at *url.URL) (string, error) {
	code := at.Query().Get("code")
	if code == "" {
		return "", fmt.Errorf("no code in %q", at)
	}
	return code, nil
}

// authorization is the query with which the app asks.
func authorization(scope string) string {
	return url.Values{"client_id": {appID}, "response_type": {"code"}, "redirect_uri": {redirectURI}, "scope": {scope},
		"state": {"a-state-of-the-comparison"}, "nonce": {"a-nonce-of-the-comparison"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}}.Encode()
}

// people are browsers that get codes, at a server where a code takes what get does.
type people struct {
	address, host string
	get           func(ctx context.Context, b *browser) (string, error)
	all           []*browser
}

// step is a worker who has a session after the first time.
func (p *people) step(int) driver.Step {
	b := newBrowser(p.address, p.host)
	return func(ctx context.Context) error {
		// To the end, also when the turn is over: half a log-in would be in the way of the next one.
		_, err := p.get(context.WithoutCancel(ctx), b)
		return err
	}
}

// codes returns n codes, which some browsers get at once.
func (p *people) codes(ctx context.Context, n int) ([]string, error) {
	for len(p.all) < 8 {
		p.all = append(p.all, newBrowser(p.address, p.host))
	}
	var left atomic.Int64
	left.Store(int64(n))
	found, errs := make([][]string, len(p.all)), make([]error, len(p.all))
	var working sync.WaitGroup
	for i, b := range p.all {
		working.Go(func() {
			for left.Add(-1) >= 0 {
				code, err := p.get(ctx, b)
				if err != nil {
					errs[i] = err
					return
				}
				found[i] = append(found[i], code)
			}
		})
	}
	working.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(found...), nil
}
