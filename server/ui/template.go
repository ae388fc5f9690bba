package ui

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/berth-dev/berth/server/api"
)

// templateRoutes are the pages of a pool's base job template.
func (s *Site) templateRoutes(get, post func(path string, page pageFunc)) {
	const template = "/pools/{pool}/template"
	get(template, s.templatePage)
	post(template, s.saveTemplate)
	get(template+"/versions", s.templateVersionsPage)
	get(template+"/versions/{version}", s.templateVersionPage)
	get(template+"/diff", s.templateDiffPage)
	get(template+"/rollback/{version}", asking(rollBackQuestion))
	post(template+"/rollback/{version}", s.rollBack)
}

// templateView is the editor of a template. Without a script it is a form with the text.
type templateView struct {
	Frame
	Pool        string
	Version     api.TemplateVersion // the newest
	Base        int32               // the version that was edited
	Text        string
	Comment     string
	Problem     string
	Findings    []api.Finding
	Breaks      bool // saving asks whether deployments may break
	Deployments []string
}

// Editor reports whether the binary has the script of the editor.
func (t templateView) Editor() bool { return t.Asset("template") != "" }

// MaySave reports whether whoever looks may save the template.
func (t templateView) MaySave() bool { return t.May("SetTemplate", t.Pool) }

// MayBreakGlass reports whether whoever looks may save the template without the approval that the pool requires.
func (t templateView) MayBreakGlass() bool { return t.isAdminIn(t.Pool) }

// Lines is how many lines the text has, for the height of the plain form.
func (t templateView) Lines() int {
	const least, most = 12, 60
	return max(least, min(most, strings.Count(t.Text, "\n")+2))
}

// deploymentsOffered bounds the choice of deployments for the preview.
const deploymentsOffered = 100

func (v *visit) templateView() (templateView, error) {
	pool := v.path("pool")
	f, err := v.newFrame("Template of "+pool, "Pools", "template:"+pool)
	if err != nil {
		return templateView{}, err
	}
	f.Scripts = []string{"template"}
	view := templateView{Frame: f, Pool: pool}
	var calls errgroup.Group
	calls.Go(into(&view.Version, func() (api.TemplateVersion, error) {
		return value(v.api.GetTemplateWithResponse(v.Context(), pool, nil))
	}))
	calls.Go(func() error {
		limit := int32(deploymentsOffered)
		list, err := value(v.api.ListDeploymentsWithResponse(v.Context(), &api.ListDeploymentsParams{Pool: &pool, Limit: &limit}))
		for _, d := range list.Items {
			view.Deployments = append(view.Deployments, d.Name)
		}
		return err
	})
	err = calls.Wait()
	view.Base, view.Text = view.Version.Version, view.Version.Source
	return view, err
}

// templatePage shows the editor.
func (s *Site) templatePage(v *visit) (page, error) {
	view, err := v.templateView()
	return page{template: "template", view: view}, err
}

// saveTemplate saves the text of the plain form as a new version.
func (s *Site) saveTemplate(v *visit) (page, error) {
	base, err := number32("version", v.PostFormValue("version"))
	if err != nil {
		return page{}, err
	}
	text, err := v.unbroken("source", *base)
	if err != nil {
		return page{}, err
	}
	unbroken, etag := !v.PostForm.Has("break"), strconv.Quote(strconv.Itoa(int(*base)))
	err = check(v.api.SetTemplateWithResponse(v.Context(), v.path("pool"),
		&api.SetTemplateParams{RequireUnbroken: &unbroken, IfMatch: &etag},
		api.TemplateSave{Source: text, Comment: v.PostFormValue("comment")}))
	if err == nil {
		return v.redirectTo("pools", v.path("pool"), "template"), nil
	}
	answered := &apiError{}
	if !errors.As(err, &answered) || answered.status == http.StatusForbidden || answered.status >= http.StatusInternalServerError {
		return page{}, err
	}
	view, asked := v.templateView()
	if asked != nil {
		return page{}, asked
	}
	view.Text, view.Comment, view.Base, view.Problem = text, v.PostFormValue("comment"), *base, answered.Error()
	view.Findings = valueOf(answered.Errors)
	view.Breaks = answered.Code == "template-breaks-deployments" || !unbroken
	return page{status: answered.status, template: "template", view: view}, nil
}

// unbroken is a text of a form. Browsers send each line break as CR LF: it is what the version has that was edited.
func (v *visit) unbroken(name string, version int32) (string, error) {
	text := v.PostFormValue(name)
	if !strings.Contains(text, "\r\n") {
		return text, nil
	}
	before, err := value(v.api.GetTemplateWithResponse(v.Context(), v.path("pool"), &api.GetTemplateParams{Version: &version}))
	if err != nil {
		return "", err
	}
	if strings.Contains(before.Source, "\r\n") {
		return text, nil
	}
	return strings.ReplaceAll(text, "\r\n", "\n"), nil
}

// templateVersionsView is the list of a template's versions.
type templateVersionsView struct {
	Frame
	Pool          string
	Newest        string
	Older         string
	Latest        int32
	From          int32 // of the comparison
	ToVersion     int32
	Versions      []api.TemplateVersion
	Version       api.TemplateVersion
	Diff          api.TemplateDiff
	DiffLines     []diffLine
	Summary       *api.TemplateImpactSummary
	Impact        []api.DeploymentImpact
	ImpactProblem string
}

// diffLine is a line of a unified diff.
type diffLine struct{ Kind, Text string }

// diffLines splits a unified diff.
func diffLines(text string) []diffLine {
	var lines []diffLine
	kinds := map[byte]string{'+': "added", '-': "removed", '@': "place"}
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		kind := "same"
		if strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ") {
			kind = "place"
		} else if line != "" && kinds[line[0]] != "" {
			kind = kinds[line[0]]
		}
		lines = append(lines, diffLine{kind, line})
	}
	return lines
}

// DiffOf splits the diff of a Job.
func (templateVersionsView) DiffOf(text string) []diffLine { return diffLines(text) }

// MayRollBack reports whether whoever looks may save an earlier version again.
func (t templateVersionsView) MayRollBack() bool { return t.May("RollBackTemplate", t.Pool) }

func (v *visit) versionsView(title string) (templateVersionsView, error) {
	pool := v.path("pool")
	f, err := v.newFrame(title, "Pools", "template:"+pool)
	return templateVersionsView{Frame: f, Pool: pool}, err
}

// templateVersionsPage lists the versions of a template, newest first.
func (s *Site) templateVersionsPage(v *visit) (page, error) {
	view, err := v.versionsView("Template versions of " + v.path("pool"))
	if err != nil {
		return page{}, err
	}
	limit, cursor := int32(defaultLimit), v.cursor()
	list, err := value(v.api.ListTemplateVersionsWithResponse(v.Context(), view.Pool,
		&api.ListTemplateVersionsParams{Limit: &limit, Cursor: cursor}))
	if err != nil {
		return page{}, err
	}
	pool, err := value(v.api.GetWorkPoolWithResponse(v.Context(), view.Pool))
	if err != nil {
		return page{}, err
	}
	view.Versions, view.Latest = list.Items, pool.TemplateVersion
	view.From, view.ToVersion = max(1, view.Latest-1), view.Latest
	if cursor != nil {
		view.Newest = v.without("cursor")
	}
	if list.NextCursor != nil {
		view.Older = v.with("cursor", *list.NextCursor)
	}
	return page{template: "template_versions", view: view}, nil
}

// templateVersionPage shows one version as it was saved.
func (s *Site) templateVersionPage(v *visit) (page, error) {
	number, err := number32("version", v.path("version"))
	if err != nil {
		return page{}, err
	}
	view, err := v.versionsView(fmt.Sprintf("Template of %s, version %d", v.path("pool"), *number))
	if err != nil {
		return page{}, err
	}
	view.Version, err = value(v.api.GetTemplateWithResponse(v.Context(), view.Pool, &api.GetTemplateParams{Version: number}))
	if err != nil {
		return page{}, err
	}
	pool, err := value(v.api.GetWorkPoolWithResponse(v.Context(), view.Pool))
	view.Latest = pool.TemplateVersion
	return page{template: "template_version", view: view}, err
}

// templateDiffPage compares two versions, and says what the step from one to the other does to the deployments.
func (s *Site) templateDiffPage(v *visit) (page, error) {
	view, err := v.versionsView("Template of " + v.path("pool") + ", compared")
	if err != nil {
		return page{}, err
	}
	from, err := number32("from", v.query.Get("from"))
	if err != nil {
		return page{}, err
	}
	to, err := number32("to", v.query.Get("to"))
	if err != nil {
		return page{}, err
	}
	view.From, view.ToVersion = *from, *to
	comparison := api.TemplateComparison{FromVersion: from, ToVersion: to}
	if view.Diff, err = value(v.api.DiffTemplateWithResponse(v.Context(), view.Pool, comparison)); err != nil {
		return page{}, err
	}
	view.DiffLines = diffLines(view.Diff.Text)
	limit, cursor := int32(defaultLimit), v.cursor()
	impact, err := value(v.api.ImpactTemplateWithResponse(v.Context(), view.Pool,
		&api.ImpactTemplateParams{Limit: &limit, Cursor: cursor}, comparison))
	if isStatus(err, http.StatusUnprocessableEntity) { // a rule of today refuses a version of old
		view.ImpactProblem = err.Error()
		return page{template: "template_diff", view: view}, nil
	}
	if err != nil {
		return page{}, err
	}
	view.Summary, view.Impact = &impact.Summary, impact.Items
	if cursor != nil {
		view.Newest = v.without("cursor")
	}
	if impact.NextCursor != nil {
		view.Older = v.with("cursor", *impact.NextCursor)
	}
	return page{template: "template_diff", view: view}, nil
}

// impactText is what a change of a template does, in a sentence.
func impactText(s api.TemplateImpactSummary) string {
	return fmt.Sprintf("%s: %d keep their Job, %d get another Job, %d can make none (%d of them only with this change).",
		counted(s.Deployments, "deployment"), s.Unchanged, s.Changed, s.Broken, s.NewlyBroken)
}

// rollBackQuestion asks before an earlier version is saved again, and says first what that does.
func rollBackQuestion(v *visit) (questionView, error) {
	pool := v.path("pool")
	to, err := number32("version", v.path("version"))
	if err != nil {
		return questionView{}, err
	}
	f, err := v.newFrameTo("RollBackTemplate", pool, fmt.Sprintf("Roll back the template of %s to version %d", pool, *to), "Pools")
	if err != nil {
		return questionView{}, err
	}
	got, err := v.api.GetTemplateWithResponse(v.Context(), pool, nil)
	newest, err := value(got, err)
	if err != nil {
		return questionView{}, err
	}
	q := questionView{
		Frame: f, Heading: f.Title, Button: "Roll back", Back: f.To("pools", pool, "template", "versions"),
		Lines: []string{fmt.Sprintf("The text of version %d is saved again as version %d.", *to, newest.Version+1)},
		Fields: []field{
			{Kind: "text", Name: "comment", Label: "Comment", Hint: "What it is for."},
			{Kind: "hidden", Name: "etag", Value: got.HTTPResponse.Header.Get("ETag")},
		},
	}
	limit := int32(1)
	impact, err := value(v.api.ImpactTemplateWithResponse(v.Context(), pool, &api.ImpactTemplateParams{Limit: &limit},
		api.TemplateComparison{FromVersion: &newest.Version, ToVersion: to}))
	if isStatus(err, http.StatusUnprocessableEntity) {
		q.Problem = err.Error()
		return q, nil
	}
	if err != nil {
		return q, err
	}
	q.Lines = append(q.Lines, impactText(impact.Summary))
	if broken := impact.Summary.NewlyBroken; broken > 0 {
		q.Danger = true
		q.Fields = append(q.Fields, field{
			Kind: "checkbox", Name: "break", Required: true, Label: breakLabel(broken),
		})
	}
	return q, nil
}

func breakLabel(n int32) string { return "Break " + counted(n, "deployment") }

// counted is a number of things.
func counted(n int32, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// rollBack saves an earlier version again.
func (s *Site) rollBack(v *visit) (page, error) {
	to, err := number32("version", v.path("version"))
	if err != nil {
		return page{}, err
	}
	unbroken, pool := v.PostFormValue("break") == "", v.path("pool")
	err = check(v.api.RollBackTemplateWithResponse(v.Context(), pool,
		&api.RollBackTemplateParams{RequireUnbroken: &unbroken, IfMatch: optional(v.PostFormValue("etag"))},
		api.TemplateRollback{Version: *to, Comment: v.PostFormValue("comment")}))
	if err == nil {
		return v.redirectTo("pools", pool, "template"), nil
	}
	q, asked := rollBackQuestion(v)
	if asked != nil {
		return page{}, asked
	}
	return q.again(v, err)
}
