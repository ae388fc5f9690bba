package scheduler_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/berth-dev/berth/server/store"
)

// TestAScheduledRunHonoursAPauseThatCommittedBeforeIt: whichever comes first, no run is created after the pause.
func TestAScheduledRunHonoursAPauseThatCommittedBeforeIt(t *testing.T) {
	pauses := map[string]func(s *world, deployment string) (time.Time, error){
		"of the deployment": func(s *world, deployment string) (time.Time, error) {
			d, err := s.UpdateDeploymentPaused(s.t.Context(), deployment, true, actor)
			if err != nil {
				return time.Time{}, err
			}
			return d.UpdatedAt, nil
		},
		"of the schedule": func(s *world, deployment string) (at time.Time, err error) {
			err = s.InTx(s.t.Context(), func(tx *store.Tx) error {
				if _, err := tx.UpdateSchedulePaused(s.t.Context(), deployment, "default", store.PauseChange{Paused: true}, actor); err != nil {
					return err
				}
				at, err = tx.Now(s.t.Context())
				return err
			})
			return at, err
		},
	}
	for name, pause := range pauses {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(s *world) {
				const deployments = 20
				for i := range deployments {
					s.deploy(deploymentName(i))
					s.hourly(deploymentName(i), "")
				}
				s.Advance(time.Hour)
				paused := make([]time.Time, deployments)
				var race sync.WaitGroup
				race.Go(func() { s.check(s.scheduler.RunDue(s.t.Context())) })
				for i := range deployments {
					race.Go(func() {
						var err error
						if paused[i], err = pause(s, deploymentName(i)); err != nil {
							t.Error(err)
						}
					})
				}
				race.Wait()
				for i, at := range paused {
					for _, run := range s.runs(deploymentName(i)) {
						if run.CreatedAt.After(at) {
							t.Errorf("%s: a run was created %s after the pause", deploymentName(i), run.CreatedAt.Sub(at))
						}
					}
				}
			})
		})
	}
}

func deploymentName(i int) string { return fmt.Sprintf("d%02d", i) }

// TestAScheduleThatChangedSinceItWasReadCreatesNoRun is the race, one step at a time.
func TestAScheduleThatChangedSinceItWasReadCreatesNoRun(t *testing.T) {
	changes := map[string]func(s *world) error{
		"its deployment is paused": func(s *world) error {
			_, err := s.UpdateDeploymentPaused(s.t.Context(), "etl", true, actor)
			return err
		},
		"it is paused": func(s *world) error {
			_, err := s.UpdateSchedulePaused(s.t.Context(), "etl", "default", store.PauseChange{Paused: true}, actor)
			return err
		},
		"it is deleted": func(s *world) error { return s.UpdateSchedules(s.t.Context(), "etl", nil, actor) },
		"its values change": func(s *world) error {
			spec := json.RawMessage(`{"cron":"0 6 * * *","parameters":{"a":1}}`)
			return s.UpdateSchedules(s.t.Context(), "etl", []store.NewSchedule{{Name: "default", Spec: spec,
				Active: true}}, actor)
		},
		"the database's clock goes back": func(s *world) error {
			s.Advance(-time.Hour)
			return nil
		},
		"its deployment is deleted": func(s *world) error {
			return s.DeleteDeployment(s.t.Context(), "etl", store.DeleteOptions{}, actor)
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(s *world) {
				s.hourly("etl", "")
				s.Advance(time.Hour)
				due, _, err := s.AcquireDueSchedules(s.t.Context(), 10, time.Minute)
				s.check(err)
				s.check(change(s))
				slot := s.start.Add(30 * time.Minute)
				run := store.NewRun{Deployment: "etl", ScheduledTime: &slot, ScheduleID: due[0].ID}
				err = s.CreateScheduledRun(s.t.Context(), run, due[0], actor)
				if !store.IsCode(err, store.ScheduleChanged) {
					t.Errorf("got %v, want a refusal", err)
				}
			})
		})
	}
}

// TestAScheduledRunHasTheRevisionThatCommittedBeforeIt: its values were checked with that revision.
func TestAScheduledRunHasTheRevisionThatCommittedBeforeIt(t *testing.T) {
	onEach(t, func(s *world) {
		s.hourly("etl", "")
		s.Advance(time.Hour)
		var race sync.WaitGroup
		race.Go(func() {
			// It gives up for now if the deployment changes each time.
			if err := s.scheduler.RunDue(s.t.Context()); err != nil && !store.IsCode(err, store.RevisionChanged) {
				t.Error(err)
			}
		})
		race.Go(func() {
			for i := range 5 {
				s.deploy("etl", func(d *store.Deployment) {
					d.Parameters = json.RawMessage(fmt.Sprintf(`{"revision":%d}`, i))
				})
			}
		})
		race.Wait()
		s.passes(time.Minute) // if the deployment changed each time that the run was about to be created
		for _, listed := range s.runs("etl") {
			run, err := s.GetRun(s.t.Context(), listed.ID)
			s.check(err)
			revision, err := s.GetRunRevision(s.t.Context(), run.ID)
			s.check(err)
			if string(run.Parameters) != string(revision.Parameters) {
				t.Errorf("the run has %s, its revision %s", run.Parameters, revision.Parameters)
			}
		}
		if n := len(s.runs("etl")); n != 1 {
			t.Errorf("%d runs, want 1", n)
		}
	})
}
