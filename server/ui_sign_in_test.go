package server_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/internal/oidctest"
	"github.com/berth-dev/berth/server"
)

// freeAddress returns an address of this machine that was free a moment ago. The provider must know it before
// the server listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestAPersonSignsInAndOutOnThePage(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	provider, address := oidctest.Start(t, people()...), freeAddress(t)
	provider.SignInAs("u-ada")
	r := start(t, func(o *server.Options) {
		o.Listen = address
		o.SignIn, o.AccessFile = signInTo(provider, "http://"+address), accessFile(t, testAccess)
	})
	do(t, ctx, "open the page", chromedp.Navigate(r.url+"/#/pools/local"), shows("#login", "sign in with "+provider.HostOf()))
	do(t, ctx, "sign in", chromedp.Click(chromedp.CSS("#sign-in-link")))
	arrives(t, ctx, "signed in", shows("#info", "ada@example.com (admin)"))
	do(t, ctx, "back where the sign-in began", shows("#pool-title", "local"))
	do(t, ctx, "sign out", chromedp.Click(chromedp.CSS("#sign-out")))
	arrives(t, ctx, "signed out", shows("#login", "sign in with"))
}

// arrives waits for a step on the page that a navigation leads to. The navigation itself ends steps that wait.
func arrives(t *testing.T, ctx context.Context, what string, arrived step) {
	t.Helper()
	for range 20 {
		if err := chromedp.Do(ctx, arrived); err == nil || !strings.Contains(err.Error(), "navigated") {
			do(t, ctx, what, arrived)
			return
		}
	}
	t.Fatalf("%s: the browser does not stay on a page", what)
}
