package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/server/store/storetest"
)

// clockworks is the number of deployments with a schedule of one slot a second, in a pool without workers.
const clockworks = 20

func (f *fleet) wind(s *store.Store) {
	f.t.Helper()
	_, err := s.CreatePool(f.t.Context(), store.NewPool{
		Name: "clocks", Type: "process", Template: store.TemplateDocument{Document: []byte(`{"job_configuration":{` + storetest.Manifest + `}}`)},
	}, "ada")
	next := time.Now()
	every := func(i int) []store.NewSchedule {
		overlap := [...]string{"allow", "replace"}[i%2]
		return []store.NewSchedule{
			{
				Name: "default",
				Spec: json.RawMessage(
					`{"interval_seconds":1,"misfire":{"mode":"all"},"overlap":"` + overlap + `"}`),
				Active: true,
				Next:   &next,
			},
		}
	}
	for i := 0; i < clockworks && err == nil; i++ {
		name := fmt.Sprint("clock", i)
		err = s.InTx(f.t.Context(), func(tx *store.Tx) error {
			if _, _, err := tx.UpsertDeployment(f.t.Context(), store.Deployment{Name: name, Pool: "clocks"}, "ada"); err != nil {
				return err
			}
			return tx.UpdateSchedules(f.t.Context(), name, every(i), "ada")
		})
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// strike waits until every schedule has made a run: where all else is done within a second none may have had
// a slot yet.
func (f *fleet) strike(s *store.Store) {
	f.t.Helper()
	again, over := time.NewTicker(50*time.Millisecond), time.NewTimer(time.Minute)
	defer again.Stop()
	defer over.Stop()
	for i := 0; i < clockworks; {
		runs, _, err := s.ListRuns(f.t.Context(), store.RunFilter{Deployment: fmt.Sprint("clock", i)},
			store.Page{Limit: 1})
		if err != nil {
			f.t.Fatal(err)
		}
		if len(runs) > 0 {
			i++
			continue
		}
		select {
		case <-again.C:
		case <-over.C:
			return // strikes says which
		}
	}
}

// strikes holds the runs of the schedules against their slots: none twice, and up to the last one none left
// out.
func (f *fleet) strikes(s *store.Store) {
	f.t.Helper()
	total := 0
	for i := range clockworks {
		name := fmt.Sprint("clock", i)
		slots := f.slotsOf(s, name)
		for j := 1; j < len(slots); j++ {
			if apart := slots[j].Sub(slots[j-1]); apart != time.Second {
				f.t.Errorf("%s has runs at %s and %s", name, slots[j-1], slots[j])
			}
		}
		if len(slots) == 0 {
			f.t.Errorf("%s has no runs", name)
		}
		total += len(slots)
		f.replaced(s, name)
	}
	f.t.Logf("%d schedules made %d runs", clockworks, total)
}

// slotsOf are the times at which runs of a deployment were due, earliest first.
func (f *fleet) slotsOf(s *store.Store, deployment string) []time.Time {
	f.t.Helper()
	var slots []time.Time
	for page := (store.Page{Limit: 200}); ; {
		runs, next, err := s.ListRuns(f.t.Context(),
			store.RunFilter{Deployment: deployment, Sort: store.EarliestDueFirst}, page)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, r := range runs {
			slots = append(slots, r.ScheduledTime)
		}
		if page.Cursor = next.Cursor; page.Cursor == "" {
			return slots
		}
	}
}

// replaced holds each run that was cancelled against the next one: a run is replaced by one that is there
// already.
func (f *fleet) replaced(s *store.Store, deployment string) {
	f.t.Helper()
	runs, _, err := s.ListRuns(f.t.Context(), store.RunFilter{Deployment: deployment}, store.Page{Limit: 500})
	if err != nil {
		f.t.Fatal(err)
	}
	slices.SortFunc(runs, func(a, b store.Run) int { return b.ScheduledTime.Compare(a.ScheduledTime) })
	for i, r := range runs {
		if r.EndedAt != nil && (i == 0 || r.EndedAt.Before(runs[i-1].CreatedAt)) {
			f.t.Errorf("the run of %s at %s was cancelled before there was another one", deployment,
				r.ScheduledTime)
		}
	}
}
