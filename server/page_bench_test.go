package server_test

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"testing"

	"github.com/berth-dev/berth/server/store"
)

// pageRuns is how many runs a page chooses from.
const pageRuns = 10_000

// BenchmarkPages makes pages over HTTP as a browser asks for them. weight-B is all that a browser loads which knows nothing
// yet, compressed. The limit is the answers of the API that the list of runs is made of.
func BenchmarkPages(b *testing.B) {
	x := bench(b)
	for range pageRuns / 1000 {
		if _, err := x.store.CreateRuns(b.Context(), "d", make([]store.NewRun, 1000), "ada"); err != nil {
			b.Fatal(err)
		}
	}
	get := func(path string, compressed bool) []byte {
		request := expect(http.NewRequestWithContext(b.Context(), http.MethodGet, x.url+path, nil))(b)
		request.Header.Set("Accept", "text/html")
		request.Header.Set("Authorization", "Bearer "+x.key)
		if compressed {
			request.Header.Set("Accept-Encoding", "gzip") // which keeps the client from unpacking it
		}
		answer := expect(http.DefaultClient.Do(request))(b)
		defer answer.Body.Close()
		body := expect(io.ReadAll(answer.Body))(b)
		if answer.StatusCode != http.StatusOK {
			b.Fatalf("%s: %s %s", path, answer.Status, body)
		}
		return body
	}
	for name, path := range map[string]string{
		"overview": "/", "runs": "/runs", "deployment": "/deployments/d", "editor": "/pools/p/template",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				get(path, false)
			}
			page := get(path, false)
			weight := len(get(path, true))
			parts := regexp.MustCompile(`assets/[^"]+`).FindAllString(string(page), -1)
			slices.Sort(parts)
			for _, part := range slices.Compact(parts) {
				weight += len(get("/"+part, true))
			}
			b.ReportMetric(float64(weight), "weight-B")
		})
	}
	b.Run("limit-api", func(b *testing.B) {
		for b.Loop() {
			get("/api/v1/whoami", false)
			get("/api/v1/runs?limit=50", false)
			get("/api/v1/runs/count", false)
		}
	})
}
