package run

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/cmd/berth/internal/watch"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/server/api/apiclient"
)

func logsCommand(app *cli.App) *cobra.Command {
	var follow bool
	var attempt int32
	var lines lineRange
	var grep string
	cmd := &cobra.Command{
		Use: "logs RUN", Short: "Print the output of a run",
		Long: `Print the output of a run. A file or a pipe gets it unchanged; on a terminal, control sequences other
than colors are shown escaped. With -o json or -o yaml, the output is one document with the number
of the attempt; with --follow, one JSON object per line.

--lines prints some lines of it. --grep lets the server search, and prints the lines that contain a text, in
upper or lower case, with their numbers, without control sequences and cut to 4 KiB. Output that is no
longer stored counts as one line.`,
		Args: lookup.RunArg, ValidArgsFunction: lookup.RunNames(app),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow the output until the run ends")
	cmd.Flags().Int32Var(&attempt, "attempt", 0, "number of the attempt (default: the newest)")
	cmd.Flags().Var(&lines, "lines", "print these lines: 120-130, 120, 120- to the end, or -50 for the last 50")
	cmd.Flags().StringVar(&grep, "grep", "", "print the lines that contain this text, with their numbers")
	cmd.MarkFlagsMutuallyExclusive("follow", "attempt")
	cmd.MarkFlagsMutuallyExclusive("follow", "lines", "grep")
	format := cli.OutputFlag(cmd)
	cmd.RunE = onRun(app, func(cmd *cobra.Command, client *cli.Client, id uuid.UUID) error {
		if follow {
			return followLogs(cmd.Context(), app, client, id, *format)
		}
		params := &api.GetRunLogsParams{}
		if cmd.Flags().Changed("attempt") {
			params.Attempt = &attempt
		}
		reader := &logReader{client: client, run: id, attempt: params.Attempt}
		if cmd.Flags().Changed("grep") {
			return printMatches(cmd.Context(), app, reader, grep, *format)
		}
		if cmd.Flags().Changed("lines") {
			if err := reader.bytesOf(cmd.Context(), lines, params); err != nil {
				return err
			}
		}
		if *format == cli.Table {
			return copyLogs(cmd.Context(), app.RawWriter(), client, id, params)
		}
		return documentLogs(cmd.Context(), app, client, id, params, *format)
	})
	return cmd
}

func followLogs(
	ctx context.Context, app *cli.App, client *cli.Client, id uuid.UUID, format cli.Format,
) error {
	var sink watch.Sink = watch.Raw{App: app}
	if format != cli.Table {
		sink = watch.LogLines{Lines: watch.Lines{App: app}}
	}
	if _, err := watch.New(client, id, true).Follow(ctx, sink); err != nil {
		return stoppedWatching(ctx, app, id, err)
	}
	return nil
}

// Output is the output of an attempt as a document.
type Output struct {
	Run     uuid.UUID `json:"run"`
	Attempt int32     `json:"attempt"`
	Text    string    `json:"text"`
}

func documentLogs(
	ctx context.Context,
	app *cli.App,
	client *cli.Client,
	id uuid.UUID,
	params *api.GetRunLogsParams,
	format cli.Format,
) error {
	output := Output{Run: id}
	if params.Attempt == nil { // the newest now, lest another begins before its output is read
		detail, err := lookup.GetRun(ctx, client, id)
		if err != nil {
			return err
		}
		if output.Attempt = detail.Run.Attempt; output.Attempt > 0 {
			params.Attempt = &output.Attempt
		}
	} else {
		output.Attempt = *params.Attempt
	}
	var text bytes.Buffer
	if err := copyLogs(ctx, &text, client, id, params); err != nil {
		return err
	}
	output.Text = text.String()
	return app.PrintDocument(format, output)
}

func copyLogs(
	ctx context.Context, to io.Writer, client *cli.Client, id uuid.UUID, params *api.GetRunLogsParams,
) error {
	resp, err := client.GetRunLogs(ctx, id, params)
	if err != nil {
		return cli.TransportError(err)
	}
	if resp.StatusCode != 200 {
		r, err := apiclient.ParseGetRunLogsResponse(resp)
		return cli.Check(r, err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(to, resp.Body); err != nil && !errors.Is(err, context.Canceled) {
		return cli.TransportError(err)
	}
	return ctx.Err()
}
