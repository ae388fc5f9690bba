package flagset

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/templating/manifest/reference"
)

// Protect says what no Job may refer to: the objects of this installation.
type Protect struct{ entries []string }

func (p *Protect) Add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&p.entries, "protect", nil,
		"object of this installation that no Job may use, as KIND/NAME with KIND secret, serviceaccount, persistentvolumeclaim, configmap or namespace; NAME may end in * (repeatable)")
}

// Protected reads the entries.
func (p *Protect) Protected() (reference.Protected, error) {
	protected, err := reference.ParseProtected(p.entries)
	if err != nil {
		return protected, cli.Usagef("--protect %v", err)
	}
	return protected, nil
}
