package server_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/berth-dev/berth/server/store"
)

// pageRuns is how many runs the pages choose from: BERTH_PAGE_RUNS, or fewer than an installation of some years has.
func pageRuns(b *testing.B) int {
	text := cmp.Or(os.Getenv("BERTH_PAGE_RUNS"), "100000")
	return expect(strconv.Atoi(text))(b)
}

// manyRuns fills a database as an installation of some years has it: one deployment for ten runs, one run each ten seconds
// up to now, one in a hundred failed.
func manyRuns(ctx context.Context, database string, runs int) error {
	db, err := sql.Open("postgres", database)
	if err != nil {
		return err
	}
	big, err := os.ReadFile("store/testdata/big.sql")
	if err == nil {
		_, err = db.ExecContext(ctx, fmt.Sprintf(string(big), runs/10, runs))
	}
	if err == nil { // the pages read the templates, of which these have none
		_, err = db.ExecContext(ctx, `UPDATE template_versions SET document = (SELECT MAX(document) FROM template_versions WHERE document <> '{}') WHERE document = '{}'`)
	}
	return errors.Join(err, db.Close())
}

// BenchmarkPages makes pages over HTTP as a browser asks for them. weight-B is all that a browser loads which knows nothing
// yet, compressed. The limit is the answers of the API that the list of runs is made of.
func BenchmarkPages(b *testing.B) {
	x := bench(b)
	if err := manyRuns(b.Context(), x.database, pageRuns(b)); err != nil {
		b.Fatal(err)
	}
	if _, err := x.store.CreateRuns(b.Context(), "d", make([]store.NewRun, 1000), "ada"); err != nil { // they wait
		b.Fatal(err)
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
		"overview": "/", "overview-30d": "/?window=30d", "runs": "/runs", "runs-failed": "/runs?state=FAILED",
		"runs-text": "/runs?text=run-77", "search": "/search?q=etl-0000", "deployments": "/deployments", "deployment": "/deployments/etl-000007",
		"pools": "/pools", "pool": "/pools/p", "schedules": "/schedules", "week": "/schedules?view=week&pool=pool-1", "editor": "/pools/p/template",
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
