package server_test

import (
	"bytes"
	"flag"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/berth-dev/berth/internal/testenv"
	"github.com/berth-dev/berth/server/ui"
)

var screenshots = flag.Bool("screenshots", false, "write the pictures of the documentation")

// TestScreenshotsOfTheDocumentation takes the pictures that README and docs show, of the world that the tests make, and with
// -screenshots (make screenshots) writes them. Each waits for what is worth showing, so that a page that lost it fails here.
func TestScreenshotsOfTheDocumentation(t *testing.T) {
	t.Parallel()
	if !ui.Built() {
		testenv.Missing(t, "the scripts of the page are not built: run make page")
	}
	w := theWorld(t)
	ctx := browser(t)
	const width, height = 1280, 860
	wrong := strings.Replace(worldFile(t, "template.yaml"), `memory: "{{ memory_limit }}"`+"\n", `memory: "{{ memory_limt }}"`+"\n", 1)
	for _, one := range []struct {
		name, path, scheme string
		steps              []step
	}{
		{"ui", "/", "light", []step{shows("main", "3 failed in orders-cdc-merge"), shows("main", "no worker is alive")}},
		{"ui-dark", "/", "dark", []step{shows("main", "3 failed in orders-cdc-merge")}},
		{"ui-runs", "/runs", "light", []step{shows("td", failedRun), shows("td", liveRun)}},
		{"ui-run", "/runs/" + w.failed.ID.String(), "light", []step{shows("#log .text", "UndefinedTable")}},
		{"ui-template", "/pools/analytics/template", "light", []step{
			ready, write(wrong), shows("#findings li", "did you mean"), press("#findings li .plain"),
		}},
		{"ui-schedules", "/schedules?view=week", "dark", []step{shows("table.calendar", "sales-daily-load")}},
	} {
		w.greet()
		do(t, ctx, one.name, append([]step{
			chromedp.EmulateViewport(width, height), prefers(one.scheme), chromedp.Navigate(w.url + one.path), shows("#link", "live"),
		}, one.steps...)...)
		picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		shown, err := png.DecodeConfig(bytes.NewReader(picture))
		if err != nil || shown.Width != width || shown.Height != height {
			t.Errorf("%s is %d × %d: %v", one.name, shown.Width, shown.Height, err)
		}
		file := filepath.Join("..", "docs", one.name+".png")
		if *screenshots {
			if err := os.WriteFile(file, picture, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := os.Stat(file); err != nil {
			t.Errorf("run make screenshots: %v", err)
		}
	}
}
