package templating_test

import (
	"context"
	"testing"

	"github.com/berth-dev/berth/templating"
)

// mute is a leaf that fails without a word.
type mute struct{}

func (mute) Render(*templating.Values, *templating.Budget) (any, bool, error) {
	return nil, false, templating.Problems{}
}

func TestAnEngineThatFailsWithoutAWordIsAProblemNotAPanic(t *testing.T) {
	tree := map[string]any{"k": "x"}
	for name, compile := range map[string]templating.LeafCompiler{
		"no leaf": func(string, string) (templating.Leaf, []templating.Reference, error) { return nil, nil, nil },
		"no leaf, no reason": func(string, string) (templating.Leaf, []templating.Reference, error) {
			return nil, nil, templating.Problems{}
		},
		"a leaf that fails": func(string, string) (templating.Leaf, []templating.Reference, error) { return mute{}, nil, nil },
	} {
		program, err := templating.CompileTree(tree, templating.Declarations{Pointer: "/tree"}, compile)
		if program == nil {
			t.Fatalf("%s: no program", name)
		}
		if err == nil {
			_, err = program.Render(context.Background(), values())
		}
		problems := templating.AsProblems(err)
		if len(problems) != 1 || problems[0].Pointer != "/tree/k" {
			t.Errorf("%s: got %v, want one problem at /tree/k", name, err)
		}
		if _, err := program.Render(context.Background(), values()); err == nil {
			t.Errorf("%s: it rendered", name)
		}
	}
}
