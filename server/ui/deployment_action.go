package ui

import (
	"github.com/berth-dev/berth/server/api"
)

// deploymentQuestion is a question about a deployment, which leads back to it.
func (v *visit) deploymentQuestion(operation, heading, button string) (questionView, api.Deployment, error) {
	d, err := value(v.api.GetDeploymentWithResponse(v.Context(), v.path("name")))
	if err != nil {
		return questionView{}, d, err
	}
	f, err := v.newFrameTo(operation, d.Pool, heading+" "+d.Name, "Deployments")
	return questionView{Frame: f, Heading: f.Title, Button: button, Back: f.To("deployments", d.Name)}, d, err
}

// pauseQuestion asks why a deployment is paused, and says what becomes of its slots.
func pauseQuestion(v *visit) (questionView, error) {
	q, d, err := v.deploymentQuestion("UpdateDeployment", "Pause", "Pause")
	q.Lines = append([]string{"Its schedules make no runs until it is resumed, and no worker claims the runs that exist: they wait, also a run that is " +
		"started by hand, and the next attempt of a run. An attempt that a worker has claimed goes on."},
		missedSlots(valueOf(d.Schedules))...)
	reason := reasonField
	reason.Required = false
	q.Fields = []field{reason}
	return q, err
}

// resumeQuestion says what becomes of the slots that passed.
func resumeQuestion(v *visit) (questionView, error) {
	q, d, err := v.deploymentQuestion("UpdateDeployment", "Resume", "Resume")
	q.Lines = append([]string{"Its runs are claimed and its schedules make runs again."}, missedSlots(valueOf(d.Schedules))...)
	return q, err
}

// missedSlots says of each schedule what becomes of the slots that pass during a pause.
func missedSlots(schedules []api.Schedule) []string {
	all := make([]string, len(schedules))
	for i, one := range schedules {
		all[i] = "Schedule " + one.Name + ": " + misfireText(one.Spec.Misfire)
	}
	return all
}

func misfireText(policy *api.MisfirePolicy) string {
	p := valueOf(policy)
	var text string
	switch valueOf(p.Mode) {
	case api.MisfirePolicyModeSkip:
		return "missed slots make no run."
	case api.MisfirePolicyModeAll:
		atMost := int32(100)
		if p.Cap != nil {
			atMost = *p.Cap
		}
		text = "after it, each missed slot makes a run, at most the newest " + number(atMost)
	default:
		text = "after it, the latest missed slot makes a run"
	}
	if p.OldestSeconds != nil {
		seconds := float64(*p.OldestSeconds)
		text += ", if it is not older than " + length(secondsOf(seconds))
	}
	return text + "."
}

// pauseDeployment pauses a deployment.
func (s *Site) pauseDeployment(v *visit) (page, error) {
	err := v.setPaused(true)
	if err == nil {
		return v.redirectTo("deployments", v.path("name")), nil
	}
	q, asked := pauseQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	return q.again(v, err)
}

// resumeDeployment resumes a deployment.
func (s *Site) resumeDeployment(v *visit) (page, error) {
	return v.redirectTo("deployments", v.path("name")), v.setPaused(false)
}

func (v *visit) setPaused(paused bool) error {
	return check(v.api.UpdateDeploymentWithResponse(v.Context(), v.path("name"), &api.UpdateDeploymentParams{},
		api.DeploymentUpdate{Paused: &paused, PauseReason: v.pauseReason(paused)}))
}

// deleteQuestion asks before a deployment is deleted.
func deleteQuestion(v *visit) (questionView, error) {
	q, d, err := v.deploymentQuestion("DeleteDeployment", "Delete", "Delete")
	q.Danger = true
	q.Lines = []string{
		"Its schedules and finished runs are deleted with it. For a time, all of it can be restored: berth deployment restore " + d.Name,
	}
	q.Fields = []field{{Kind: "checkbox", Name: "force", Label: "Cancel its unfinished runs first"}}
	return q, err
}

// deleteDeployment deletes a deployment.
func (s *Site) deleteDeployment(v *visit) (page, error) {
	force := v.PostFormValue("force") != ""
	err := check(v.api.DeleteDeploymentWithResponse(v.Context(), v.path("name"), &api.DeleteDeploymentParams{Force: &force}))
	if err == nil {
		return v.redirectTo("deployments"), nil
	}
	q, asked := deleteQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	for _, user := range usersOf(err) {
		q.Names = append(q.Names, string(user.Kind)+" "+user.Name)
	}
	return q.again(v, err)
}
