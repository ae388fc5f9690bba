package berthfile_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-dev/berth/cmd/berth/internal/berthfile"
)

// FuzzLoad reads whatever it is given: it ends in problems, each with something to say, or in a request that
// is JSON.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/prefect/*.yaml", "../../../../examples/*/*.yaml"} {
		seeds, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, seed := range seeds {
			data, err := os.ReadFile(seed)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	f.Add(good)
	for _, seed := range []string{
		"deployments: [{name: a, work_pool: {name: p}, schedule: {interval: {}}}]", "deployments: {}\npools: []\n", "deployments: [[]]",
		"prefect-version: 1\ndeployments: [{name: null, tags: {}, schedules: [{anchor_date: [], interval: 1}], work_pool: []}]", "- a", "a: &x [*x]",
		"deployments: [{name: a, pool: p, <<: {b: 1}, schedules: [{name: [1]}]}]", "pools: [{name: a, template: {}, base_job_template: 1}]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := berthfile.Load("x.yaml", berthfile.Source{
			Read: files(map[string]string{"x.yaml": text, "template.yaml": goodTemplate}),
			Env:  map[string]string{"A": "b"},
		})
		var problems berthfile.Problems
		if errors.As(err, &problems) {
			for _, p := range problems {
				if p.Message == "" || p.String() == "" {
					t.Errorf("a problem says nothing: %+v", p)
				}
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		request, err := file.Request(berthfile.Options{DryRun: true, Prune: true})
		if err != nil || !json.Valid(request) {
			t.Errorf("%v: %s", err, request)
		}
		for _, pointer := range []string{"/deployments/0/schedules/0/cron", "/pools/0/base_job_template/a/b", "/variables/0/value", "/x", "//"} {
			_ = file.Locate(pointer)
		}
	})
}
