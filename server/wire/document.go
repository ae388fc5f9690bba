package wire

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/jsondoc"
	"github.com/berth-dev/berth/server/store"
	"github.com/berth-dev/berth/templating"
)

// DeclaredSchedule is a schedule as a file declares it.
type DeclaredSchedule struct {
	Active bool
	Spec   json.RawMessage
}

// DeclaredSchedules converts the schedules of a deployment.
func DeclaredSchedules(schedules []store.Schedule) []DeclaredSchedule {
	return Each(schedules, func(s store.Schedule) DeclaredSchedule { return DeclaredSchedule{s.Active, s.Spec} })
}

// DeploymentDocument is a deployment in the form in which a file declares it, as templating.DecodeJSON has it.
func DeploymentDocument(d store.Deployment, schedules []DeclaredSchedule) (map[string]any, error) {
	data, err := json.Marshal(Deployment(d))
	if err != nil {
		return nil, fmt.Errorf("describe deployment %q: %w", d.Name, err)
	}
	document, err := jsondoc.Object(data)
	if err != nil {
		return nil, fmt.Errorf("describe deployment %q: %w", d.Name, err)
	}
	// Not declared by a file, or never different; project is added where it changes.
	for _, field := range []string{"id", "name", "paused", "pause", "project", "created_at", "updated_at"} {
		delete(document, field)
	}

	specs := make([]any, 0, len(schedules))
	for _, s := range schedules {
		spec, err := jsondoc.Object(s.Spec)
		if err != nil {
			return nil, fmt.Errorf("describe a schedule of deployment %q: %w", d.Name, err)
		}
		spec["active"] = s.Active
		specs = append(specs, spec)
	}
	slices.SortFunc(specs, func(a, b any) int { return strings.Compare(scheduleName(a), scheduleName(b)) })
	document["schedules"] = specs
	return document, nil
}

func scheduleName(spec any) string {
	name, _ := spec.(map[string]any)["name"].(string) // every stored schedule has one
	return name
}

// DescribeChange adds the differences of two documents to a change, as a list and as a unified diff of YAML.
func DescribeChange(before, after map[string]any, to *api.Change) error {
	before, after = orEmpty(before), orEmpty(after)
	differences, err := DocumentChanges(templating.Diff(before, after))
	if err != nil || len(differences) == 0 {
		return err
	}

	beforeText, err := yamlText(before)
	if err != nil {
		return err
	}
	afterText, err := yamlText(after)
	if err != nil {
		return err
	}
	text := udiff.Unified("before", "after", beforeText, afterText)
	to.Diff, to.Text = &differences, &text
	return nil
}

// yamlText is an object as YAML, without a line for one that is empty.
func yamlText(object map[string]any) (string, error) {
	if len(object) == 0 {
		return "", nil
	}
	text, err := templating.EncodeYAML(object)
	return string(text), err
}

// orEmpty makes a missing object the empty one: a nil map would be written as null.
func orEmpty(object map[string]any) map[string]any {
	if object == nil {
		return map[string]any{}
	}
	return object
}
