package flagset

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
	"github.com/berth-dev/berth/worker"
)

// Job say what a worker gives to its jobs.
type Job struct {
	EnvAsSecret, ownKey          bool
	apiURL, keySecret, keyInside string
	launch                       string
}

func (j *Job) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(
		&j.launch,
		"launch",
		launchNamed,
		"how Jobs are created: named (one of its name runs at once), or gated (suspended until the server has taken note of it: a write more, and no window left)",
	)
	flags.BoolVar(
		&j.EnvAsSecret,
		"env-as-secret",
		false,
		"keep the values of environment variables in a Secret per run, owned by its Job, and out of every manifest",
	)
	flags.BoolVar(
		&j.ownKey,
		"create-job-api-key-secret",
		false,
		"give each run a key of its own as BERTH_API_KEY, in a Secret that its Job owns: it reads its run, sets its result and progress, and nothing else",
	)
	flags.StringVar(
		&j.apiURL,
		"job-api-url",
		"",
		"address of the server as jobs see it; they get it as BERTH_API_URL (default, with a key: the worker's own)",
	)
	flags.StringVar(&j.keySecret, "job-api-key-secret", "",
		"Secret with an API key for jobs, in their namespace; they get it as BERTH_API_KEY")
	flags.StringVar(&j.keyInside, "job-api-key-secret-key", "", "data key of that Secret")
}

// Ways to create a Job.
const (
	launchNamed = "named"
	launchGated = "gated"
)

// Gated is whether Jobs wait for the server to take note of them.
func (j *Job) Gated() (bool, error) {
	if j.launch != launchNamed && j.launch != launchGated {
		return false, cli.Usagef("--launch %q: must be %s or %s", j.launch, launchNamed, launchGated)
	}
	return j.launch == launchGated, nil
}

// JobAPI is how jobs may call the API; nil where they may not.
func (j *Job) JobAPI(kind api.PoolType, workersURL string) (*worker.JobAPI, error) {
	switch {
	case j.ownKey && (j.keySecret != "" || j.keyInside != ""):
		return nil, cli.Usagef(
			"--create-job-api-key-secret and --job-api-key-secret: jobs get a key of their own, or that of a Secret, not both")
	case !j.ownKey && j.apiURL == "" && j.keySecret == "" && j.keyInside == "":
		return nil, nil
	case j.keySecret == "" && j.keyInside != "":
		return nil, cli.Usagef("--job-api-key-secret-key %q: name the Secret, too (--job-api-key-secret)",
			j.keyInside)
	case j.keySecret != "" && j.keyInside == "":
		return nil, cli.Usagef(
			"--job-api-key-secret %q: say which of its data keys holds the API key, too (--job-api-key-secret-key)",
			j.keySecret)
	case j.keySecret != "" && kind != api.Kubernetes:
		return nil, cli.Usagef(
			"--job-api-key-secret: a %s worker has no cluster whose Secrets it could refer to", kind)
	}
	jobAPI := &worker.JobAPI{URL: j.apiURL, SecretName: j.keySecret, SecretKey: j.keyInside, OwnKey: j.ownKey}
	if jobAPI.URL == "" {
		jobAPI.URL = workersURL
	}
	return jobAPI, nil
}
