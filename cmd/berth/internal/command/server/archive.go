package server

import (
	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/archive"
)

// archiveFlags say where output goes after its attempt has ended.
type archiveFlags archive.Config

func (a *archiveFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&a.URL, "output-archive", "",
		"where to move the output of ended attempts: s3://BUCKET[/PREFIX] or file:///DIRECTORY (default: it stays in "+
			"the database)")
	flags.StringVar(&a.Endpoint, "output-archive-endpoint", "",
		"URL of the S3-compatible storage of the output archive (default: that of AWS)")
	flags.StringVar(&a.Region, "output-archive-region", "",
		"region of the bucket of the output archive (default: the storage is asked)")
	flags.BoolVar(&a.PathStyle, "output-archive-path-style", false,
		"put the bucket of the output archive into the path of URLs, not into the host name")
}

// config checks the flags. Credentials come from the environment, or from where the tools of AWS find them.
func (a *archiveFlags) config(env map[string]string) (archive.Config, error) {
	c := archive.Config(*a)
	if c.URL == "" {
		if c != (archive.Config{}) {
			return c, cli.Usagef("--output-archive-endpoint, -region and -path-style need --output-archive")
		}
		return c, nil
	}
	if env["AWS_SESSION_TOKEN"] == "" {
		c.AccessKeyID, c.SecretAccessKey = env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
	}
	opened, err := archive.Open(c)
	if err != nil {
		return c, cli.Usagef("--output-archive: %v", err)
	}
	return c, opened.Close()
}
