package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/berth-dev/berth/server/api"
)

// countedReports counts what the first worker reports of the run. A pod that waits for a reason, such as a slow pull, has a
// report more.
func countedReports(p *scenarioTest) {
	var mu sync.Mutex
	var kinds []string
	manifests := 0
	p.serverProxy.set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if !reportsAnything(r, "") {
			return false
		}
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var request api.ReportRequest
		if err == nil {
			err = json.Unmarshal(body, &request)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, report := range request.Reports {
			kinds = append(kinds, string(report.Kind))
			if report.Manifest != nil {
				manifests++
			}
		}
		if err != nil {
			kinds = append(kinds, err.Error())
		}
		return false
	})
	p.scenario.act = func(p *scenarioTest) {
		p.awaitRun("the end of the run", hasEnded)
		mu.Lock()
		defer mu.Unlock()
		without := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return kind == "pending" })
		if strings.Join(without, " ") != "submitted running ended" || len(kinds) > 4 || manifests != 1 {
			p.t.Errorf("reported %v, the manifest %d times; want submitted, with the manifest, running and ended", kinds, manifests)
		}
	}
}
