package store_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/berth-dev/berth/server/store"
)

func TestAVariableInUseIsDeletedOnlyWhenForced(t *testing.T) {
	onEach(t, func(w *world) {
		ctx := w.t.Context()
		w.pool("p", func(p *store.NewPool) {
			p.Template = store.TemplateDocument{Document: json.RawMessage(`{"x": "{{ berth.variables.of-template }}"}`)}
		})
		w.deployment("d", "p", func(d *store.Deployment) {
			d.JobVariables = json.RawMessage(`{"env": {"A": "x {{ berth.variables.place }}"}}`)
		})
		for name, user := range map[string]string{
			"place": "deployment d", "of-template": "template of work pool p", "plac": "", "unused": "",
		} {
			w.upsertVariable(name, json.RawMessage(`1`), actor)
			err := w.DeleteVariable(ctx, name, store.DeleteOptions{}, actor)
			if user == "" {
				w.check(err)
				continue
			}
			w.refuses(err, store.VariableInUse)
			if !strings.Contains(err.Error(), user) {
				t.Errorf("%s: %v", name, err)
			}
			w.check(w.DeleteVariable(ctx, name, store.DeleteOptions{Force: true}, actor))
		}
	})
}
