package cli

import (
	"strings"

	"github.com/spf13/cobra"
)

// BreakGlassFlag adds --break-glass to a command whose change can need an approval.
func BreakGlassFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("break-glass", "",
		"reason to make the change without the approval that the pool requires; needs the role admin there, and is recorded")
}

// PauseReasonVar adds --reason to a command that pauses something.
func PauseReasonVar(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why, shown wherever the pause is")
}

// PrintDiff prints a unified diff, indented. Its headers name no files and its line numbers those of no file, so
// they are left out.
func (a *App) PrintDiff(diff string) error {
	const indent = "      "
	style := a.Style(a.Out)
	hunks := 0
	for line := range strings.Lines(diff) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "---") && hunks == 0, strings.HasPrefix(line, "+++") && hunks == 0:
			continue
		case strings.HasPrefix(line, "@@"):
			if hunks++; hunks == 1 {
				continue
			}
			line = style.Dim("…")
		case strings.HasPrefix(line, "+"):
			line = style.Success(line)
		case strings.HasPrefix(line, "-"):
			line = style.Failure(line)
		}
		if err := a.Printf("%s%s\n", indent, line); err != nil {
			return err
		}
	}
	return nil
}
