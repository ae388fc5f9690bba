package cli

import (
	"github.com/spf13/cobra"
)

// Required marks a flag; the environment can give it, too.
func Required(cmd *cobra.Command, flag string) {
	// The only error there is: a flag of another name.
	_ = cmd.MarkFlagRequired(flag)
}
