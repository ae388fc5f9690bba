// Package rundiff says what differs between two runs: what changed since a job last worked. It is pure: what the store
// knows of both goes in, differences and sentences come out.
package rundiff

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// Subject is what differs. Subjects are part of the API.
type Subject string

const (
	Image        Subject = "image"
	Template     Subject = "template"
	Revision     Subject = "revision"
	JobVariables Subject = "job_variables"
	Parameters   Subject = "parameters"
	Cluster      Subject = "cluster"
	Node         Subject = "node"
	Worker       Subject = "worker"
	Queue        Subject = "queue"
)

// order has the subjects from what is most often the cause of a failure to what is least often.
var order = []Subject{Image, Template, Revision, JobVariables, Parameters, Cluster, Node, Worker, Queue}

// Difference is all that differs in one subject.
type Difference struct {
	Subject Subject
	// Changes are from the earlier run to the later one. Those of job variables and parameters have the place of the
	// value, others have none.
	Changes []templating.Change
	Text    string // for people
}

// Result is the comparison of two runs.
type Result struct {
	// Differences come smallest first, those with as many changes by how often they are the cause.
	Differences []Difference
	// Same are the subjects in which both runs are known and agree.
	Same []Subject
}

// Compare compares an earlier run with a later one. What is not known of both, such as the node of a run that has not
// started, is neither a difference nor the same. It fails where a stored document cannot be read.
func Compare(before, after *store.RunSide) (Result, error) {
	var r Result
	for _, text := range []struct {
		subject       Subject
		before, after string
	}{
		{Image, of(before, image), of(after, image)},
		{Template, of(before, templateVersion), of(after, templateVersion)},
		{Revision, revision(before), revision(after)},
		{Cluster, of(before, cluster), of(after, cluster)},
		{Node, of(before, node), of(after, node)},
		{Worker, of(before, worker), of(after, worker)},
		{Queue, before.Run.Pool + "/" + before.Run.Queue, after.Run.Pool + "/" + after.Run.Queue},
	} {
		if text.before == "" || text.after == "" {
			continue
		}
		r.add(text.subject, templating.Diff(any(text.before), any(text.after)))
	}
	for _, document := range []struct {
		subject Subject
		values  func(*store.RunSide) (map[string]any, error)
	}{{JobVariables, jobVariables}, {Parameters, parameters}} {
		was, err := document.values(before)
		if err != nil {
			return Result{}, fmt.Errorf("read the values of run %s: %w", before.Run.Name, err)
		}
		is, err := document.values(after)
		if err != nil {
			return Result{}, fmt.Errorf("read the values of run %s: %w", after.Run.Name, err)
		}
		r.add(document.subject, templating.Diff(any(was), any(is)))
	}
	r.sort()
	return r, nil
}

func (r *Result) add(subject Subject, changes []templating.Change) {
	if len(changes) == 0 {
		r.Same = append(r.Same, subject)
		return
	}
	r.Differences = append(r.Differences, Difference{subject, changes, describe(subject, changes)})
}

func (r *Result) sort() {
	rank := func(s Subject) int { return slices.Index(order, s) }
	slices.SortFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(len(a.Changes), len(b.Changes)), cmp.Compare(rank(a.Subject), rank(b.Subject)))
	})
	slices.SortFunc(r.Same, func(a, b Subject) int { return cmp.Compare(rank(a), rank(b)) })
}

// of returns a text about the last attempt of a run; empty without one.
func of(side *store.RunSide, text func(*store.Attempt) string) string {
	if side.Attempt == nil {
		return ""
	}
	return text(side.Attempt)
}

func image(a *store.Attempt) string           { return a.Image }
func cluster(a *store.Attempt) string         { return a.ClusterID }
func node(a *store.Attempt) string            { return a.Node }
func worker(a *store.Attempt) string          { return a.Worker }
func templateVersion(a *store.Attempt) string { return fmt.Sprint(a.TemplateVersion) }

func revision(side *store.RunSide) string {
	text := side.Revision.CreatedAt.UTC().Format(time.RFC3339Nano) + " by " + side.Revision.CreatedBy
	if side.Revision.Version != "" {
		text = side.Revision.Version + ", " + text
	}
	return text
}

// jobVariables are those of the deployment's revision, under those of the run, under what retries have raised.
func jobVariables(side *store.RunSide) (map[string]any, error) {
	layers := []json.RawMessage{side.Revision.JobVariables, side.Run.JobVariables}
	if side.Attempt != nil {
		layers = append(layers, side.Attempt.Raised)
	}
	levels, err := objects(layers)
	if err != nil {
		return nil, err
	}
	return templating.Lay(levels...)
}

// parameters are those of the deployment's revision, under those of the run.
func parameters(side *store.RunSide) (map[string]any, error) {
	levels, err := objects([]json.RawMessage{side.Revision.Parameters, side.Run.Parameters})
	if err != nil {
		return nil, err
	}
	maps.Copy(levels[0], levels[1])
	return levels[0], nil
}

func objects(documents []json.RawMessage) ([]map[string]any, error) {
	all := make([]map[string]any, len(documents))
	for i, document := range documents {
		var err error
		if all[i], err = jsondoc.Object(document); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// nouns name the subjects in sentences.
var nouns = map[Subject]string{
	Image: "image", Template: "template version", Revision: "deployment revision", JobVariables: "job variable",
	Parameters: "parameter", Cluster: "cluster", Node: "node", Worker: "worker", Queue: "queue",
}

// changesMax is how many changes of a subject a sentence names.
const changesMax = 3

func describe(subject Subject, changes []templating.Change) string {
	var parts []string
	for i, c := range changes {
		if i == changesMax {
			parts = append(parts, fmt.Sprintf("and %d more", len(changes)-i))
			break
		}
		parts = append(parts, describeChange(nouns[subject], c))
	}
	return strings.Join(parts, ", ")
}

func describeChange(noun string, c templating.Change) string {
	if c.Pointer != "" {
		noun += " " + strings.TrimPrefix(c.Pointer, "/")
	}
	switch c.Kind {
	case templating.ChangeAdded:
		return fmt.Sprintf("%s is new: %s", noun, short(c.After))
	case templating.ChangeRemoved:
		return fmt.Sprintf("%s is gone, it was %s", noun, short(c.Before))
	}
	before, after := apart(short(c.Before), short(c.After), c)
	return fmt.Sprintf("%s %s is now %s", noun, before, after)
}

// valueMax is how much of a value a sentence has, in characters.
const valueMax = 60

func short(v any) string {
	if text, ok := v.(string); ok && plain(text) {
		return clip(text)
	}
	text, err := templating.EncodeJSON(v)
	if err != nil {
		return "?" // it was read from JSON
	}
	return clip(string(text))
}

// plain texts are shown without quotes.
func plain(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' })
}

func clip(text string) string {
	if utf8.RuneCountInString(text) <= valueMax {
		return text
	}
	return string([]rune(text)[:valueMax]) + "…"
}

// apart makes sure that values that are clipped can be told from each other: they begin shortly before the first
// character that differs.
func apart(before, after string, c templating.Change) (string, string) {
	if before != after {
		return before, after
	}
	was, is := []rune(whole(c.Before)), []rune(whole(c.After))
	same := 0
	for same < min(len(was), len(is)) && was[same] == is[same] {
		same++
	}
	const lead = 10
	start := max(0, same-lead)
	return "…" + clip(string(was[start:])), "…" + clip(string(is[start:]))
}

func whole(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	text, err := templating.EncodeJSON(v)
	if err != nil {
		return ""
	}
	return string(text)
}
