package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// contract lists what scripts rely on: every command with its promised flags. Removing a line breaks users.
const contract = `
dev --port --data-dir --kube-context
server --listen --metrics-listen --data-dir --database-url --database-direct-url --auth --allowed-host --ensure-pool --migrate --log-format --log-level --allow-unauthenticated-network --bootstrap-admin-key-file --bootstrap-worker-key-file --bootstrap-worker-pool
migrate up --data-dir --database-url --database-direct-url --partition
migrate status -o
migrate partition --database-url --database-direct-url
migrate copy --database-url --data-dir
keys ensure --namespace --secret
worker start --pool --type --name --limit --namespace --watch-namespace --cluster-id --kubeconfig --kube-context --template-env --metrics-listen --data-dir --api-url --api-key-file
worker ls -o
worker pause --reason
worker resume
worker drain --yes --keep-jobs --installation --timeout --kubeconfig --kube-context --namespace --watch-namespace
pool create --type --template -o
pool ls -o
pool get -o
pool update -o
pool delete --force --permanently --yes -o
pool restore --as --alone -o
pool pause
pool resume
pool template get -o
pool template set -f -o
pool template edit
pool template preview --on-cluster --timeout -o
pool template lint -f --on-cluster --timeout -o
pool template versions -o
pool template diff -o
pool template rollback --to
pool template schema
pool rule ls -o
pool rule get -o
pool rule set -f --from --rule-param --action -o
pool rule test -f --from --deployment --job -o
pool rule delete --yes -o
pool rule restore --as -o
pool rule library ls -o
pool rule library show -o
rule ls -o
rule get -o
rule set -f --from --rule-param --action -o
rule test -f --from --deployment --job -o
rule delete --yes -o
rule restore --as -o
rule library ls -o
rule library show -o
queue create --pool -o
queue ls --pool -o
queue update --pool -o
queue delete --pool --yes -o
queue restore --pool --as -o
queue pause --pool
queue resume --pool
deploy -f --file --dry-run --prune --yes --only --pool --step --wait-approval --break-glass -o
approval ls --pool --state --all -o
approval get -o
approval reject --reason -o
approval withdraw --reason -o
approve --yes --comment --fingerprint -o
pool approvals --require --approver --lifetime --off --break-glass -o
deploy schema
deployment ls --pool --failing -o
deployment get -o
deployment statistics --since --until -o
deployment run --param --params --job-variable --at --idempotency-key --strict --watch -o
deployment pause
deployment resume
deployment delete --force --permanently --yes -o
deployment restore --as -o
deployment schema -o
schedule ls -o
schedule slots --pool --deployment --tag --from --to -o
schedule pause --reason
schedule resume
schedule preview -o
run ls -o
run histogram --pool --queue --deployment --since --until --bucket -o
run get -o
run watch -o
run logs --follow --attempt --lines --grep -o
run cancel --watch --dry-run --yes
run retry --watch --dry-run --yes --include-cancelled
run explain -o
run diff -o
run manifest -o
run events -o --limit
run result -o
run report
run abandon --yes
variable set
variable get -o
variable ls -o
variable delete --force --permanently --yes -o
variable restore --as -o
deleted ls --kind --name --pool -o
deleted restore -o
deleted purge --yes -o
api-key create --role -o
api-key ls -o
api-key revoke --yes -o
api-key create --service-account
api-key ls --owner --trust-rule --ended
api-key revoke --owner
trust ls -o
trust get -o
trust set -f --issuer --audience --claim --role --pool --lifetime --single-use --keys-file --issuer-ca-file -o
trust delete --yes -o
trust test -o
webhook ls -o
webhook get -o
webhook set -f --url --url-file --secret-file --rotate-secret --routing-key-file --format --event --failures --pool --deployment --tag --state --cause --description --paused -o
webhook delete --yes -o
webhook test -o
webhook deliveries --state --limit -o
webhook resend --failed -o
webhook pause -o
webhook resume -o
import prefect --prefect-url --out --project --force -o
whoami -o --id-token-file --id-token-audience --id-token-rule
run token
signing-key ls -o
signing-key rotate --revoke --yes
audit ls --actor --actor-kind -o
login --api-url --ca-file
logout --everywhere
session ls --all --user --ended -o
session revoke --user --yes
template render -f -o
template lint -f -o
install --namespace --name --set --values --dry-run
upgrade --namespace --name --set --values
uninstall --namespace --name --purge --yes
status --namespace --name -o
version -o
`

// runs reports whether a command does something itself, instead of only grouping others.
func runs(cmd *cobra.Command) bool {
	return cmd.HasParent() && !cmd.Hidden && !cmd.Parent().Hidden &&
		(!cmd.HasSubCommands() || cmd.Args != nil)
}

func TestTheCommandsAndFlagsThatScriptsRelyOnAreThere(t *testing.T) {
	root := tree()
	promised := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(contract), "\n") {
		path, flags := line, []string(nil)
		if i := strings.Index(line, " -"); i >= 0 {
			path, flags = line[:i], strings.Fields(line[i:])
		}
		promised["berth "+path] = true
		cmd, _, err := root.Find(strings.Fields(path))
		if err != nil || cmd.CommandPath() != "berth "+path || !runs(cmd) {
			t.Errorf("berth %s is not there: %v", path, err)
			continue
		}
		help := cmd.UsageString() // what a person sees, the flags of the groups above included
		for _, flag := range flags {
			if !slices.Contains(
				strings.FieldsFunc(help, func(r rune) bool { return strings.ContainsRune(" ,\n\t", r) }),
				flag,
			) {
				t.Errorf("berth %s has no %s", path, flag)
			}
		}
	}
	walk(root, func(cmd *cobra.Command) {
		if path := cmd.CommandPath(); runs(cmd) && !promised[path] &&
			!strings.HasPrefix(path, "berth completion") &&
			cmd.Name() != "help" {
			t.Errorf("%s is promised to nobody: add it to the contract", path)
		}
	})
}

// TestWhatListsAndGetsPrintsDocuments runs every command that lists or gets, against a server that has one of
// everything.
func TestWhatListsAndGetsPrintsDocuments(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	file := write(t, t.TempDir(), "berth.yaml", first)
	u.ok(t, "deploy", "-f", file)
	u.ok(t, "variable", "set", "word", "1")
	u.ok(t, "deployment", "run", "hello", "--param", "name=x", "--watch")
	run := decode[struct{ Items []struct{ ID string } }](t, u, "run", "ls").Items[0].ID
	lists := []string{
		"worker ls", "pool ls", "pool template versions local", "queue ls --pool quick", "deployment ls", "schedule ls", "run ls",
		"run events " + run, "variable ls", "audit ls",
	}
	gets := []string{
		"whoami",
		"version", "pool get local", "pool template get local", "pool template preview local --deployment hello --param name=x",
		"pool template diff local --from 1 --to 1", "deployment get hello", "deployment schema hello", "schedule preview --cron @daily", "run get " + run,
		"run explain " + run, "run diff " + run + " " + run, "run logs " + run, "run logs --attempt 1 " + run, "run manifest " + run, "variable get word", "deploy --dry-run -f " + file,
	}
	for _, command := range append(lists, gets...) {
		t.Run(command, func(t *testing.T) {
			var documents [2]any
			for i, format := range []string{"json", "yaml"} {
				text := u.ok(t, append(strings.Fields(command), "-o", format)...)
				if json.Valid([]byte(text)) != (format == "json") && strings.HasPrefix(text, "{") {
					t.Errorf("-o %s is not:\n%s", format, text)
				}
				if err := yaml.Unmarshal([]byte(text), &documents[i]); err != nil {
					t.Errorf("-o %s: %v\n%s", format, err, text)
				}
			}
			if slices.Contains(lists, command) {
				list, ok := documents[0].(map[string]any)
				if items, isList := list["items"].([]any); !ok || !isList || len(items) == 0 {
					t.Errorf("it has no items: %v", documents[0])
				}
			}
			if u.ok(t, strings.Fields(command)...) == "" {
				t.Error("the table is empty")
			}
		})
	}
}

func TestCompletionKnowsWhatIsOnTheServer(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "deploy", "-f", write(t, t.TempDir(), "berth.yaml", first))
	run := decode[struct{ ID, Name string }](t, u, "deployment", "run", "hello", "--param", "name=x", "--at",
		"1h")
	for _, test := range []struct {
		args string
		want []string
	}{
		{"pool get ", []string{"local", "quick"}},
		{"pool template set ", []string{"local", "quick"}},
		{"deployment run ", []string{"etl", "hello", "old"}},
		{"deployment ls --pool ", []string{"local", "quick"}},
		{"run ls -d ", []string{"etl", "hello", "old"}},
		{"run ls --state ", []string{"PENDING", "CANCELLED"}},
		{"run cancel ", []string{run.Name + "\tSCHEDULED hello"}},
		{"run explain ", []string{run.Name + "\tSCHEDULED hello"}},
		{"variable get ", []string{"place"}},
		{"queue update --pool quick ", []string{"default", "fast"}},
		{"queue ls -p ", []string{"local", "quick"}},
		{"worker start --pool ", []string{"local", "quick"}},
		{"worker start --type ", []string{"kubernetes", "process"}},
		{"pool template preview local --deployment ", []string{"etl", "hello"}},
		{"api-key create x --role ", []string{"admin", "viewer"}},
		{"server --migrate ", []string{"auto", "check"}},
		{"", []string{"deploy\t", "deployment\t", "run\t"}},
	} {
		args := append([]string{"__complete"}, strings.Split(test.args, " ")...)
		got := strings.Split(u.ok(t, args...), "\n")
		for _, want := range test.want {
			if !slices.ContainsFunc(got, func(line string) bool {
				return line == want || strings.HasSuffix(want, "\t") && strings.HasPrefix(line, want)
			}) {
				t.Errorf("berth %s[TAB] does not offer %q:\n%s", test.args, want, strings.Join(got, "\n"))
			}
		}
		if test.args != "" && !slices.Contains(got, ":4") { // no files
			t.Errorf("berth %s[TAB] offers files as well: %v", test.args, got)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if len(u.ok(t, "completion", shell)) < 1000 {
			t.Errorf("there is no completion for %s", shell)
		}
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	_, u := startDev(t, t.TempDir())
	u.ok(t, "deployment", "run", "hello", "--param", "name=x", "--at", "1h", "--name",
		strings.Repeat("a-long-name-", 10))
	narrow := newTerminal(t, 80)
	if code := u.in(narrow, t.Context(), "run", "ls")(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	narrow.await("…") // where it is cut goes with how long the time until it is due is in words
	narrow.await("a-long-")
	for _, line := range strings.Split(narrow.text(), "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("a line has %d columns: %s", n, line)
		}
	}
	// Output that is not a terminal is complete, unless COLUMNS is set.
	demand(t, "run ls in a pipe", u.ok(t, "run", "ls"), strings.Repeat("a-long-name-", 10))
	if r := u.runEnv(t, "", []string{"COLUMNS=60"}, "run", "ls"); strings.Contains(
		r.stdout, strings.Repeat("a-long-name-", 4),
	) {
		t.Errorf("with COLUMNS=60\n%s", r.stdout)
	}
}
