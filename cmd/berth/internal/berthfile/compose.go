package berthfile

import (
	"golang.org/x/text/unicode/norm"

	"github.com/berth-dev/berth/templating/yamldoc"
)

// compose brings the names of objects into the form in which the server keeps them (Unicode NFC). An editor on a Mac
// may have written é as two characters, which look the same.
func compose(root *yamldoc.Value) {
	for _, section := range []string{"pools", "deployments"} {
		composeNames(root.Get(section))
	}
}

func composeNames(list *yamldoc.Value) {
	if list == nil {
		return
	}
	for _, entry := range list.Items {
		for i, m := range entry.Names {
			switch m.Name {
			case "name", "pool", "queue":
				if m.Value.Kind == yamldoc.String && !norm.NFC.IsNormalString(m.Value.Text()) {
					entry.Names[i].Value = yamldoc.Word(m.Value.Place, norm.NFC.String(m.Value.Text()))
				}
			case "queues":
				composeNames(m.Value)
			}
		}
	}
}
