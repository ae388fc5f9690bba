package deploy

import (
	"fmt"
	"strings"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// changeCount is how many things a plan creates, changes and deletes.
type changeCount struct{ created, updated, deleted int }

func countChanges(plan api.ApplyResult) changeCount {
	var n changeCount
	for _, change := range plan.Changes {
		switch change.Action {
		case api.Create:
			n.created++
		case api.Update:
			n.updated++
		case api.Delete:
			n.deleted++
		}
	}
	return n
}

func (n changeCount) all() int { return n.created + n.updated + n.deleted }

func (n changeCount) summary(dryRun bool) string {
	switch {
	case n.all() == 0:
		return "nothing to change"
	case dryRun:
		return fmt.Sprintf("dry run: %s planned, nothing applied", cli.Plural(n.all(), "change"))
	}
	return fmt.Sprintf("%s applied", cli.Plural(n.all(), "change"))
}

// show prints the warnings of a plan and, for people, the plan.
func (d deploy) show(plan api.ApplyResult) error {
	for _, warning := range plan.Warnings {
		warning.Pointer = d.locate(warning.Pointer)
		d.app.Notef("%s %s", d.app.Style(d.app.Err).Active("warning:"), cli.FindingLine(warning))
	}
	if d.format != cli.Table {
		return nil
	}
	for _, change := range plan.Changes {
		if err := d.showChange(change); err != nil {
			return err
		}
	}
	return d.showNeeds(plan.Approvals)
}

func (d deploy) showChange(change api.Change) error {
	style := d.app.Style(d.app.Out)
	thing := fmt.Sprintf("%s %s", change.Kind, change.Name)
	switch change.Action {
	case api.Create:
		return d.app.Printf("%s\n", style.Success("+ create "+thing))
	case api.Delete:
		return d.app.Printf("%s\n", style.Failure("- delete "+thing+deletedToo(change.Kind)))
	case api.Update:
		if err := d.app.Printf("%s\n", style.Active("~ update "+thing+fields(change.Fields))); err != nil {
			return err
		}
		return d.app.PrintDiff(cli.Text(change.Text))
	}
	return d.app.Printf("%s\n", style.Dim("= unchanged "+thing))
}

// deletedToo is what goes with a thing that is deleted.
func deletedToo(kind api.ChangeKind) string {
	switch kind {
	case api.ChangeKindDeployment:
		return ", with its runs"
	case api.ChangeKindPool:
		return ", with its template versions and runs"
	}
	return ""
}

func fields(names *[]string) string {
	if names == nil || len(*names) == 0 {
		return ""
	}
	return ": " + strings.Join(*names, ", ")
}
