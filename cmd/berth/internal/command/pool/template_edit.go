package pool

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/cmd/berth/internal/lookup"
	"github.com/berth-dev/berth/server/api"
)

func templateEditCommand(app *cli.App) *cobra.Command {
	var yes, unbroken bool
	var comment string
	cmd := &cobra.Command{
		Use:   "edit POOL",
		Short: "Edit the template in an editor, review the effect and save a new version",
		Long: `Edit the template in an editor ($VISUAL, $EDITOR or vi), review the effect on the deployments of the
pool, and save a new version.

If the template has errors, they are added as comments at the top of the file and the editor opens
again. An unchanged or empty file cancels the edit. If another user saved a version in the meantime,
nothing is overwritten.`,
		Args: cobra.ExactArgs(1), ValidArgsFunction: lookup.PoolNames(app),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "save without confirmation")
	cmd.Flags().BoolVar(&unbroken, "require-unbroken", false, "fail if the change breaks a deployment")
	cmd.Flags().StringVarP(&comment, "message", "m", "", "what the version is for, shown in the list of versions")
	reason := cli.BreakGlassFlag(cmd)
	cmd.RunE = app.WithClient(func(ctx context.Context, client *cli.Client, args []string) error {
		e := &templateEdit{app: app, client: client, pool: args[0], yes: yes, unbroken: unbroken, comment: comment, breakGlass: *reason}
		return e.run(ctx)
	})
	return cmd
}

// templateEdit is one edit, from the newest version to the one after it.
type templateEdit struct {
	app           *cli.App
	client        *cli.Client
	pool          string
	yes, unbroken bool
	version       int32
	file          string
	comment       string
	breakGlass    string
}

func (e *templateEdit) run(ctx context.Context) error {
	current, err := cli.Value(e.client.GetTemplateWithResponse(ctx, e.pool, &api.GetTemplateParams{}))
	if err != nil {
		return err
	}
	e.version = current.Version
	original := []byte(current.Source)
	dir, err := os.MkdirTemp(e.app.Env["TMPDIR"], "berth-edit-")
	if err != nil {
		return fmt.Errorf("create a temporary directory: %w", err)
	}
	e.file = filepath.Join(dir, e.pool+".yaml")
	edited, err := e.edited(ctx, original)
	if err == nil && edited != nil {
		err = e.save(ctx, string(edited))
	}
	if err != nil && e.wrote(original) {
		e.app.Notef("your changes are saved in %s", e.file)
		return err
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// wrote says whether there is work in the file that would be lost with it.
func (e *templateEdit) wrote(original []byte) bool {
	text, err := os.ReadFile(e.file)
	body := bytes.TrimSpace(stripNotes(text))
	return err != nil ||
		len(body) > 0 &&
			!bytes.Equal(body, bytes.TrimSpace(original)) // an unreadable file is kept
}

const notePrefix = "# berth: "

// edited opens the editor until there is a template without errors. Nothing comes back where there is nothing
// to save.
func (e *templateEdit) edited(ctx context.Context, text []byte) ([]byte, error) {
	before := text
	for {
		if err := os.WriteFile(e.file, text, 0o600); err != nil {
			return nil, fmt.Errorf("write the template: %w", err)
		}
		if err := e.open(ctx); err != nil {
			return nil, err
		}
		written, err := os.ReadFile(e.file)
		if err != nil {
			return nil, fmt.Errorf("read the template: %w", err)
		}
		body := stripNotes(written)
		if len(bytes.TrimSpace(body)) == 0 || bytes.Equal(body, before) {
			return nil, e.app.Printf("nothing to save\n")
		}
		problems, err := e.lint(ctx, body)
		if err != nil {
			return nil, err
		}
		if len(problems) == 0 {
			return body, nil
		}
		if bytes.Equal(written, text) {
			return nil, errors.New("the template still has errors; nothing was saved")
		}
		text = addNotes(problems, body)
	}
}

// lint says what is wrong, as lines for the top of the file, with the line numbers that the file has with them.
func (e *templateEdit) lint(ctx context.Context, body []byte) ([]string, error) {
	impact := false
	checked, err := cli.Value(e.client.CheckTemplateWithResponse(ctx, e.pool,
		api.TemplateCheck{Source: string(body), Impact: &impact}))
	if err != nil {
		return nil, err
	}
	return cli.Map(checked.Errors, func(f api.Finding) string {
		if f.Place == nil {
			return cli.FindingLine(f)
		}
		return fmt.Sprintf("line %d: %s", int(f.Place.Line)+len(checked.Errors)+1, cli.FindingLine(f))
	}), nil
}

func addNotes(problems []string, body []byte) []byte {
	var out bytes.Buffer
	out.WriteString(notePrefix + "not saved because of these errors:\n")
	for _, p := range problems {
		out.WriteString(notePrefix + "  " + strings.ReplaceAll(p, "\n", " ") + "\n")
	}
	out.Write(body)
	return out.Bytes()
}

func stripNotes(text []byte) []byte {
	var out bytes.Buffer
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		if !bytes.HasPrefix(line, []byte(notePrefix)) {
			out.Write(line)
		}
	}
	return out.Bytes()
}

// open runs the editor on the file.
func (e *templateEdit) open(ctx context.Context) error {
	editor := cmp.Or(e.app.Env["VISUAL"], cmp.Or(e.app.Env["EDITOR"], "vi"))
	// As git does: an editor may be a command with arguments.
	command := exec.CommandContext(ctx, "sh", "-c", editor+` "$@"`, editor, e.file)
	command.Stdout, command.Stderr = e.app.Out, e.app.Err
	if terminal, ok := e.app.In.(*os.File); ok { // anything else would be read to its end, and the answer to the question is in it
		command.Stdin = terminal
	}
	if err := command.Run(); err != nil {
		return fmt.Errorf("the editor %q failed: %v; set EDITOR to another", editor,
			err) // its exit code is not ours
	}
	return nil
}

// save shows what the change does, asks, and saves.
func (e *templateEdit) save(ctx context.Context, source string) error {
	change, err := getChange(ctx, e.client, e.pool,
		api.TemplateComparison{FromVersion: &e.version, Source: source})
	if err != nil {
		return err
	}
	if err := printPatch(e.app, change.Diff.Text, "the template says the same as before, in other words"); err != nil {
		return err
	}
	if err := printImpact(e.app, change.Impact, false); err != nil {
		return err
	}
	if !e.yes && !e.confirmed(fmt.Sprintf("save it as version %d of pool %q?", e.version+1, e.pool)) {
		return errors.New("not saved")
	}
	etag := fmt.Sprintf("%q", fmt.Sprint(e.version))
	params := &api.SetTemplateParams{IfMatch: &etag, BreakGlass: cli.StringOrNil(e.breakGlass)}
	if e.unbroken {
		params.RequireUnbroken = &e.unbroken
	}
	version, err := cli.Value(e.client.SetTemplateWithResponse(ctx, e.pool, params,
		api.TemplateSave{Source: source, Comment: e.comment}))
	if err != nil {
		return err
	}
	return e.app.Printf("template of pool %q is version %d\n", version.Pool, version.Version)
}

// confirmed asks; anything but yes is no.
func (e *templateEdit) confirmed(question string) bool {
	e.app.Notef("%s [y/N]", question)
	answer, _ := bufio.NewReader(e.app.In).ReadString('\n') // no answer is no
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
