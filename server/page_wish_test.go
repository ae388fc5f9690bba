package server_test

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPagesHeedPaperContrastAndForcedColors: on paper a page is dark on white and has its whole log, though it is dark on the
// screen; with forced colours what is chosen has an edge; with more contrast no text is grey.
func TestPagesHeedPaperContrastAndForcedColors(t *testing.T) {
	t.Parallel()
	w := theWorld(t)
	ctx := browser(t)
	do(t, ctx, "a run that failed", chromedp.Navigate(w.url+"/runs/"+w.failed.ID.String()), shows("#log .text", "UndefinedTable"),
		choose(".preference select", "dark"))
	style := func(selector, property string) string {
		t.Helper()
		return evaluate[string](t, ctx, `getComputedStyle(document.querySelector("`+selector+`")).`+property)
	}
	is := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s is %s, want %s", what, got, want)
		}
	}
	const white, dark = "rgb(255, 255, 255)", "rgb(23, 33, 43)"

	do(t, ctx, "paper", wishes("print", "prefers-color-scheme", "dark"))
	is("the ground", style("body", "backgroundColor"), white)
	is("the text", style("h1", "color"), dark)
	is("a line of the log", style("#log .text", "color"), dark)
	is("the head", style(".top", "display"), "none")
	is("the buttons", style("#run-actions", "display"), "none")
	const below = `(() => { const [view, rows] = [".view", ".rows"].map((one) => document.querySelector("#log " + one).getBoundingClientRect());
		return Math.round(view.height - rows.height); })()`
	if less := evaluate[int](t, ctx, below); less < 0 {
		t.Errorf("%d pixels of the log are cut off", -less)
	}

	do(t, ctx, "forced colours", wishes("", "forced-colors", "active"))
	is("the page where one is", style("nav [aria-current]", "outlineStyle"), "solid")
	is("the attempt that is shown", style("tr.chosen", "outlineStyle"), "solid")

	do(t, ctx, "more contrast", wishes("", "prefers-contrast", "more"))
	is("the text", style("h1", "color"), white)
	is("the ground", style("body", "backgroundColor"), "rgb(0, 0, 0)")
	is("quiet text", style(".crumbs", "color"), "rgb(195, 208, 219)")
}
