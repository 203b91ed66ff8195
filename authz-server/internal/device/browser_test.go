package device_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/maru-auth/maru/authz-server/internal/provider/providertest"
	"github.com/maru-auth/maru/internal/testenv/chrome"
)

// A person without a session follows the link of a device, signs up on the way, comes back to the
// code, and allows it.
func TestADeviceIsConnectedInABrowser(t *testing.T) {
	t.Parallel()
	ctx := chrome.Tab(t)
	f := providertest.One(t)
	f.AddTV("tv", nil)
	codes := f.StartDevice("tv", url.Values{"scope": {"openid email board:read"}})

	do := func(actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chrome.Do(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	do(
		chromedp.Navigate(codes.Complete),
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
	if code != codes.User || strings.TrimSpace(shown) != codes.User {
		t.Errorf("the code is %s, and %s and %s in the pages", codes.User, code, shown)
	}
	if got := f.Tokens(f.PollInTime("tv", codes.Device)); got.Scope != "openid email board:read" {
		t.Errorf("scope %q", got.Scope)
	}
}
