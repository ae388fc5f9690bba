// Package session holds `berth login`, `berth logout` and `berth session`.
package session

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
)

// Commands are the commands of people with an account.
func Commands(app *cli.App) []*cobra.Command {
	group := &cobra.Command{Use: "session", Short: "List and revoke sessions of people"}
	cli.ClientFlags(group)
	commands := []*cobra.Command{loginCommand(app), logoutCommand(app)}
	for _, cmd := range commands {
		cli.ClientFlags(cmd)
	}
	return append(commands, cli.Group(group, lsCommand(app), revokeCommand(app)))
}
