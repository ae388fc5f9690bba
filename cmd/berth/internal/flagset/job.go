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
	// ServiceAccount is what Jobs run as whose template names none.
	ServiceAccount string
}

func (j *Job) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(
		&j.EnvAsSecret,
		"env-as-secret",
		false,
		"store environment variables in a Secret for each Job instead of in its manifest",
	)
	flags.BoolVar(
		&j.ownKey,
		"create-job-api-key-secret",
		false,
		"create a Secret with an API key for each Job, available as BERTH_API_KEY; the key can only read its run and set its result and progress",
	)
	flags.StringVar(
		&j.apiURL,
		"job-api-url",
		"",
		"server URL for jobs, available as BERTH_API_URL (default, if jobs have an API key: --api-url of the worker)",
	)
	flags.StringVar(&j.ServiceAccount, "job-service-account", "",
		"ServiceAccount of Jobs whose template names none (default: the namespace's default); its token is not mounted")
	flags.StringVar(&j.keySecret, "job-api-key-secret", "",
		"Secret, in the namespace of the Jobs, with an API key for them; available as BERTH_API_KEY")
	flags.StringVar(&j.keyInside, "job-api-key-secret-key", "", "key of the Secret that holds the API key")
}

// JobAPI is how jobs may call the API; nil where they may not.
func (j *Job) JobAPI(kind api.PoolType, workersURL string) (*worker.JobAPI, error) {
	switch {
	case j.ownKey && (j.keySecret != "" || j.keyInside != ""):
		return nil, cli.Usagef(
			"--create-job-api-key-secret and --job-api-key-secret: set only one of them")
	case !j.ownKey && j.apiURL == "" && j.keySecret == "" && j.keyInside == "":
		return nil, nil
	case j.keySecret == "" && j.keyInside != "":
		return nil, cli.Usagef("--job-api-key-secret-key %q: also set --job-api-key-secret",
			j.keyInside)
	case j.keySecret != "" && j.keyInside == "":
		return nil, cli.Usagef(
			"--job-api-key-secret %q: also set --job-api-key-secret-key to the key that holds the API key",
			j.keySecret)
	case j.keySecret != "" && kind != api.Kubernetes:
		return nil, cli.Usagef(
			"--job-api-key-secret: not supported for workers of type %s", kind)
	}
	jobAPI := &worker.JobAPI{URL: j.apiURL, SecretName: j.keySecret, SecretKey: j.keyInside, OwnKey: j.ownKey}
	if jobAPI.URL == "" {
		jobAPI.URL = workersURL
	}
	return jobAPI, nil
}
