package berthfile

import (
	"encoding/json"
	"fmt"

	"github.com/berth-dev/berth/templating/yamldoc"
)

// ImportPrefect makes the deployment of a berth.yaml out of one that is written as in a prefect.yaml. Notes say what of it is
// not taken over; where it cannot be taken over at all, err has the Problems. Values that take a block are left out, with a
// note, as nothing in Berth reads secrets from its server.
func ImportPrefect(deployment json.RawMessage) (converted *yamldoc.Value, notes []string, err error) {
	from, err := yamldoc.Parse(deployment)
	if err != nil {
		return nil, nil, err
	}
	p := prefect{from: Source{LeaveBlocks: true}}
	list := p.deployments(yamldoc.List(from.Place, []*yamldoc.Value{from}))
	for _, note := range p.notes {
		notes = append(notes, note.Message)
	}
	if len(p.problems) > 0 {
		return nil, notes, p.problems
	}
	if len(list.Items) != 1 {
		return nil, notes, fmt.Errorf("%d deployments instead of one", len(list.Items))
	}
	return list.Items[0], notes, nil
}
