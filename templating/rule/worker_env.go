package rule

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"cel.dev/cel-go/common/types"

	"github.com/berth-dev/berth/templating/manifest"
)

// What a worker may do to the environment of containers when it creates the Job: give the first container access
// to the API, and keep values in a Secret. Most rules do not care, so that both are asked about only where a
// rule denies.
const (
	apiAccess   = "access to the API"
	envAsSecret = "env as a Secret"
)

var mentionsEnv = regexp.MustCompile(`\b(env|annotations)\b`)

// reconsider names what a worker may do to the environment that would make a rule true which is false; empty
// where nothing would.
func (e *evaluation) reconsider(ctx context.Context, r *compiledRule) string {
	if !e.input.WorkerAddsEnv || !mentionsEnv.MatchString(r.Expression) {
		return ""
	}
	first := []string{"spec", "template", "spec", "containers", "0", "env", More}
	in := e.input
	in.Unknown = append(slices.Clone(in.Unknown), Unknown{Path: first, Name: apiAccess})
	if unknown, ok := e.with(ctx, in, r).(*types.Unknown); ok {
		return dependsOn(unknown, in.Unknown)
	}
	in = e.input
	in.Job = sealed(in.Job)
	switch result := e.with(ctx, in, r).(type) {
	case bool:
		if result {
			return envAsSecret
		}
	case *types.Unknown:
		return dependsOn(result, in.Unknown) + ", " + envAsSecret
	}
	return ""
}

// with evaluates a rule on another Job; nil where that fails.
func (e *evaluation) with(ctx context.Context, in Input, r *compiledRule) any {
	other := &evaluation{input: in, variables: maps.Clone(e.variables), spent: e.spent}
	other.variables["job"], other.variables["pod"], other.variables["containers"], other.variables["volumes"] =
		in.parts()
	result, err := other.evaluate(ctx, r.expression)
	e.spent = other.spent
	if err != nil {
		return nil
	}
	return result
}

// sealed is the Job of a worker that keeps the values of environment variables in the Secret of the attempt.
func sealed(job map[string]any) map[string]any {
	name, _ := child(job, "metadata")["name"].(string)
	root := &overlay{}
	root.set([]string{"metadata", "annotations", manifest.AnnotationSecret}, name)
	pod := child(child(child(job, "spec"), "template"), "spec")
	for _, list := range []string{"initContainers", "containers"} {
		containers, _ := pod[list].([]any)
		for i, c := range containers {
			container, _ := c.(map[string]any)
			env, _ := container["env"].([]any)
			for j, v := range env {
				variable, _ := v.(map[string]any)
				if value, _ := variable["value"].(string); value == "" {
					continue
				}
				path := []string{"spec", "template", "spec", list, strconv.Itoa(i), "env", strconv.Itoa(j)}
				root.set(path, map[string]any{"name": variable["name"], "valueFrom": map[string]any{
					"secretKeyRef": map[string]any{"name": name, "key": variable["name"]},
				}})
			}
		}
	}
	object, _ := root.over(job).(map[string]any) // an object stays one
	return object
}
