package ui

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/manifest"
)

// manifestView is the Job of an attempt as it ran, or what differs between it and another.
type manifestView struct {
	Frame
	Run      api.Run
	Attempt  int32
	Text     string
	Others   []chip // what to compare it with
	Compared string // what it is compared with; empty where it is not
	Earlier  bool   // the other is the one before
	Diff     []diffLine
	Same     bool // nothing differs
	Problem  string
	With     string // the other run that was typed
}

// manifestPage shows the Job of an attempt: as it ran or, with ?attempt=, ?run= or ?now=true, compared with another.
func (s *Site) manifestPage(v *visit) (page, error) {
	detail, err := v.run()
	if err != nil {
		return page{}, err
	}
	run := detail.Run
	attempt, err := parseAttempt(v.path("attempt"), run.Attempt)
	if err != nil {
		return page{}, err
	}
	job, err := v.manifest(run, attempt)
	if err != nil {
		return page{}, err
	}
	f, err := v.newFrame(fmt.Sprintf("Manifest of %s, attempt %d", run.Name, attempt), "Runs")
	if err != nil {
		return page{}, err
	}
	view := manifestView{Frame: f, Run: run, Attempt: attempt, With: v.query.Get("run")}
	if view.Others, err = v.comparable(view); err != nil {
		return page{}, err
	}
	text, err := templating.EncodeYAML(job)
	if err != nil {
		return page{}, fmt.Errorf("write the manifest: %w", err)
	}
	view.Text = string(text)
	return page{template: "manifest", view: &view}, v.compareManifest(&view, job)
}

// manifest returns the Job of an attempt.
func (v *visit) manifest(run api.Run, attempt int32) (any, error) {
	answer, err := v.api.GetAttemptManifestWithResponse(v.Context(), run.ID, attempt)
	if err := check(answer, err); err != nil {
		return nil, err
	}
	document, err := templating.DecodeJSON(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	return document, nil
}

// comparable are the links to what the Job can be compared with.
func (v *visit) comparable(view manifestView) ([]chip, error) {
	all := []chip{{"as it ran", "?", len(v.query) == 0}}
	add := func(text string, query url.Values) {
		all = append(all, chip{text, "?" + query.Encode(), v.query.Encode() == query.Encode()})
	}
	for n := view.Attempt - 1; n >= max(1, view.Attempt-3); n-- {
		add(fmt.Sprintf("compared with attempt %d", n), url.Values{"attempt": {fmt.Sprint(n)}})
	}
	limit := int32(1)
	completed, err := value(v.api.ListRunsWithResponse(v.Context(), &api.ListRunsParams{
		Deployment: &view.Run.Deployment, State: &[]api.StateType{api.COMPLETED}, CreatedBefore: &view.Run.CreatedAt, Limit: &limit,
	}))
	if err != nil {
		return nil, err
	}
	for _, one := range completed.Items {
		add("with the last run that completed, "+one.Name, url.Values{"run": {one.ID.String()}})
	}
	if view.May("PreviewTemplate", view.Run.Pool) {
		add("with what the template makes now", url.Values{"now": {"true"}})
	}
	return all, nil
}

// compareManifest fills in what differs, where the address asks for it.
func (v *visit) compareManifest(view *manifestView, job any) error {
	var other any
	var err error
	switch q := v.query; {
	case q.Get("attempt") != "":
		var n int32
		if n, err = parseAttempt(q.Get("attempt"), view.Run.Attempt); err == nil {
			view.Compared, view.Earlier = fmt.Sprintf("attempt %d", n), n < view.Attempt
			other, err = v.manifest(view.Run, n)
		}
	case view.With != "":
		var detail api.RunDetail
		if detail, err = v.runNamed(view.With); err == nil {
			view.Compared, view.Earlier = "run "+detail.Run.Name, detail.Run.CreatedAt.Before(view.Run.CreatedAt)
			view.With = detail.Run.Name
			other, err = v.manifest(detail.Run, detail.Run.Attempt)
		}
	case q.Get("now") == "true":
		view.Compared = "what the template makes now"
		other, err = v.manifestNow(view)
	default:
		return nil
	}
	answered := &apiError{}
	switch {
	case errors.As(err, &answered) && answered.status < http.StatusInternalServerError:
		view.Problem = answered.Error() // the Job itself is worth showing
		return nil
	case err != nil || other == nil:
		return err
	}
	texts := [2]string{}
	for i, document := range []any{other, job} {
		text, err := templating.EncodeYAML(withoutRun(document))
		if err != nil {
			return fmt.Errorf("write the manifest: %w", err)
		}
		texts[i] = string(text)
	}
	names := [2]string{view.Compared, fmt.Sprintf("attempt %d", view.Attempt)}
	if !view.Earlier {
		slices.Reverse(texts[:])
		slices.Reverse(names[:])
	}
	diff := udiff.Unified(names[0], names[1], texts[0], texts[1])
	view.Diff, view.Same = diffLines(diff), diff == ""
	return nil
}

// manifestNow is the Job that a run with the same values would have today; nil, with a problem, where it has none.
func (v *visit) manifestNow(view *manifestView) (any, error) {
	made, err := value(v.api.PreviewTemplateWithResponse(v.Context(), view.Run.Pool, api.TemplatePreviewRequest{
		Deployment: &view.Run.Deployment, Parameters: view.Run.Parameters, JobVariables: view.Run.JobVariables,
	}))
	if err != nil {
		return nil, err
	}
	if len(made.Errors) > 0 {
		view.Problem = "Today's template makes no Job of this run: " + made.Errors[0].Message
		return nil, nil
	}
	return templating.DecodeJSON(made.Job)
}

// ofTheRun are the labels, annotations, variables and members that each run, or attempt, has with another value.
var ofTheRun = []string{
	manifest.LabelRunID, manifest.LabelAttempt, manifest.LabelReleased, manifest.AnnotationLeaseEpoch, manifest.AnnotationRunName,
	manifest.AnnotationSecret, manifest.EnvRunID, manifest.EnvRunName, manifest.EnvAttempt, manifest.EnvScheduledTime,
	manifest.EnvScheduledDate, manifest.EnvScheduledTimezone,
}

// withoutRun is a Job without what tells its run from others, so that two can be compared.
func withoutRun(job any) any {
	id, name := "", ""
	if top, is := job.(map[string]any); is {
		metadata, _ := top["metadata"].(map[string]any)
		labels, _ := metadata["labels"].(map[string]any)
		name, _ = metadata["name"].(string)
		id, _ = labels[manifest.LabelRunID].(string)
	}
	var pairs []string
	for _, pair := range [][2]string{{id, "(run)"}, {name, "(Job)"}} {
		if pair[0] != "" {
			pairs = append(pairs, pair[0], pair[1])
		}
	}
	made := without(job, strings.NewReplacer(pairs...))
	if top, is := made.(map[string]any); is { // what says nothing yet, where a Job was sent
		delete(top, "status")
		for _, path := range [][]string{{"metadata"}, {"spec", "template", "metadata"}} {
			at := top
			for _, step := range path {
				at, _ = at[step].(map[string]any)
			}
			delete(at, "creationTimestamp")
		}
	}
	return made
}

// without drops the members and the named entries of ofTheRun, and replaces in texts.
func without(document any, replacer *strings.Replacer) any {
	switch of := document.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, member := range of {
			if !slices.Contains(ofTheRun, name) {
				kept[name] = without(member, replacer)
			}
		}
		return kept
	case []any:
		kept := []any{}
		for _, item := range of {
			entry, _ := item.(map[string]any)
			if name, _ := entry["name"].(string); !slices.Contains(ofTheRun, name) {
				kept = append(kept, without(item, replacer))
			}
		}
		return kept
	case string:
		return replacer.Replace(of)
	default:
		return document
	}
}
