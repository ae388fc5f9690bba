package templating_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-dev/berth/templating"
)

func TestTheMembersOfTheContextAreThoseThatTemplatesGet(t *testing.T) {
	tree, err := templating.Context{}.Tree()
	if err != nil {
		t.Fatal(err)
	}
	var there, listed []string
	for object, fields := range tree {
		for member := range fields.(map[string]any) {
			there = append(there, object+"."+member)
		}
	}
	for _, m := range templating.ContextMembers() {
		listed = append(listed, m.Path)
		if m.Doc == "" || m.Type == "" {
			t.Errorf("%s has no documentation: %+v", m.Path, m)
		}
	}
	slices.Sort(there)
	slices.Sort(listed)
	if diff := cmp.Diff(there, listed); diff != "" {
		t.Errorf("members (-tree +list):\n%s", diff)
	}
}
