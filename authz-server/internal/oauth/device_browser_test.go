package oauth_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/internal/testenv"
)

// A person without a session follows the link of a device, signs up on the way, comes back to the code, and allows it.
func TestADeviceIsConnectedInABrowser(t *testing.T) {
	path := testenv.Chromium(t)
	f := one(t)
	f.addTV("tv", nil)
	codes := f.startDevice("tv", url.Values{"scope": {"openid email board:read"}})

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	ctx, closeTab := chromedp.NewContext(allocator)
	defer closeTab()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	do(
		chromedp.Navigate(codes.complete),
		chromedp.WaitVisible("#login"),
		chromedp.Click(`.below a`),
		chromedp.SendKeys("#name", "김민아"),
		chromedp.SendKeys("#email", "mina@example.org"),
		chromedp.SendKeys("#password", "four unrelated wooden words"),
		chromedp.Click("#signup"),
		chromedp.WaitVisible("#continue"),
	)
	code, err := chromedp.Run(ctx, chromedp.Value("#user_code"))
	if err != nil {
		t.Fatal(err)
	}
	do(chromedp.Click("#continue"), chromedp.WaitVisible("#allow"))
	shown, err := chromedp.Run(ctx, chromedp.Text(".usercode strong"))
	if err != nil {
		t.Fatal(err)
	}
	do(chromedp.Click("#allow"), chromedp.WaitVisible(`main a[href="/account"]`))
	if code != codes.user || strings.TrimSpace(shown) != codes.user {
		t.Errorf("the code is %s, and %s and %s in the pages", codes.user, code, shown)
	}
	if got := f.tokens(f.pollInTime("tv", codes.device)); got.scope != "openid email board:read" {
		t.Errorf("scope %q", got.scope)
	}
}
